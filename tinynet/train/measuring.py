"""Tasks with metrics: each loss with a name has some of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinynet.core.engine import Op, Tensor
from tinynet.core.spec import Array
from tinynet.errors import ArgumentError
from tinynet.ops.loss import _softmax
from tinynet.train.metrics.correct import accuracy
from tinynet.train.task import Measures, MetricFunction, Task, tasks


@dataclass(frozen=True)
class MeasuredTask(Task):
    """A task with metrics, all of them means over samples.

    Attributes
    ----------
    metrics : callable
        Takes the model's `made`, whose node tells which op made the outputs; returns the metrics by name.
    probabilities : Op or None
        The op that turns logits into probabilities, such as softmax; None if outputs are not logits.
    """

    metrics: Callable[[Tensor | None], dict[str, MetricFunction]]
    probabilities: Op | None = None

    def to_measure(self, output: Any, labels: Any) -> tuple[Any, Any]:
        """Return the whole output and all labels."""
        return output, labels

    def measure(self, made: Any, losses: list[Array], output: Array, labels: Any) -> Measures:
        """Return the loss and the metrics of a batch."""
        measures = super().measure(made, losses, output, labels)
        for name, metric in self.metrics(made).items():
            measures[name] = as_number(name, metric(output, labels))
        return measures


def as_number(metric: str, value: Any) -> float:
    """Check that what a metric has returned is one number."""
    try:
        return float(value)
    except (TypeError, ValueError):
        came = f"an array of shape {value.shape}" if isinstance(value, np.ndarray) else repr(value)
        raise ArgumentError(f"metric {metric} must return one number, but returned {came}") from None


def _class_metrics(made: Tensor | None) -> dict[str, MetricFunction]:
    return {"accuracy": _class_accuracy}


def _class_accuracy(output: Array, labels: Array) -> float:
    """Return the accuracy of outputs (n, ..., classes), over all axes before the last."""
    if output.ndim > 2:
        labels = labels.reshape(-1, *labels.shape[output.ndim - 1 :])  # class numbers, or rows
        output = output.reshape(-1, output.shape[-1])
    return accuracy(output, labels)


_plain = tasks["cross_entropy"]
tasks["cross_entropy"] = MeasuredTask(_plain.loss, _plain.check_labels, _class_metrics, _softmax)
