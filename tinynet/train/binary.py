"""The task of telling two classes apart, which `fit` knows as "binary_cross_entropy"."""

from __future__ import annotations

from functools import partial

from tinynet import ops
from tinynet.core.engine import Tensor
from tinynet.core.spec import Array, Shape
from tinynet.errors import ShapeError
from tinynet.ops.binary import check_binary
from tinynet.train.measuring import MeasuredTask
from tinynet.train.metrics.binary import binary_accuracy
from tinynet.train.task import MetricFunction, shape_of_batch, tasks


def _check_binary(labels: Array, shape: Shape) -> None:
    if shape[1:] not in ((), (1,)):
        raise ShapeError(
            f"binary_cross_entropy: the model's output must have shape (n,) or (n, 1), but has "
            f"{shape_of_batch(shape)}; for several classes use cross_entropy"
        )
    check_binary(labels, shape)


def _binary_metrics(made: Tensor | None) -> dict[str, MetricFunction]:
    """Return the accuracy: probabilities count as 1 above a half, logits above 0."""
    probabilities = made is not None and made.node is not None and made.node.op is ops.sigmoid
    return {"accuracy": partial(binary_accuracy, threshold=0.5 if probabilities else 0.0)}


tasks["binary_cross_entropy"] = MeasuredTask(ops.binary_cross_entropy, _check_binary, _binary_metrics, ops.sigmoid)
