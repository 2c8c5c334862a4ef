"""The task of two classes, or of several labels for each sample; `fit` knows it as "binary_cross_entropy"."""

from __future__ import annotations

from tinynet import ops
from tinynet.core.engine import Tensor
from tinynet.core.spec import Array
from tinynet.ops.binary import check_binary
from tinynet.train.measuring import MeasuredTask
from tinynet.train.metrics.binary import binary_accuracy
from tinynet.train.task import MetricFunction, tasks


def _binary_metrics(made: Tensor | None) -> dict[str, MetricFunction]:
    """Return the accuracy over all outputs: probabilities count as 1 above a half, logits above 0."""
    probabilities = made is not None and made.node is not None and made.node.op is ops.sigmoid
    threshold = 0.5 if probabilities else 0.0

    def accuracy(output: Array, labels: Array) -> float:
        if labels.dtype.kind == "f":
            labels = labels > 0.5  # a label in between counts as the nearer one
        return binary_accuracy(output.reshape(-1), labels.reshape(-1), threshold)

    return {"accuracy": accuracy}


tasks["binary_cross_entropy"] = MeasuredTask(ops.binary_cross_entropy, check_binary, _binary_metrics, ops.sigmoid)
