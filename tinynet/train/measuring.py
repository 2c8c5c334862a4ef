"""What is measured of a batch besides the loss: the metrics of a loss with a name, or those of the user."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinynet.core.engine import Tensor
from tinynet.core.spec import Array
from tinynet.errors import ArgumentError
from tinynet.train.metrics.correct import accuracy
from tinynet.train.task import Measures, Metric, Task, tasks


@dataclass(frozen=True)
class MeasuredTask(Task):
    """A task with metrics."""

    metrics: Callable[[Tensor | None], dict[str, Metric]]  # by the op that made the outputs

    def measure(self, made: Tensor | None, loss: float, output: Array, labels: Any) -> Measures:
        """Return the loss and the metrics of a batch."""
        return super().measure(made, loss, output, labels) | {
            name: _number(name, metric(output, labels)) for name, metric in self.metrics(made).items()
        }


def _number(metric: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        came = f"an array of shape {value.shape}" if isinstance(value, np.ndarray) else repr(value)
        raise ArgumentError(f"metric {metric} must give one number, but gave {came}") from None


def measured_by(task: Task, metrics: Sequence[Metric]) -> Task:
    """Return a task that is measured by functions of the user's."""
    by_name: dict[str, Metric] = {}
    for metric in metrics:
        if not callable(metric):
            raise ArgumentError(f"a metric must be a function of (output, labels) as arrays, but got {metric!r}")
        by_name[getattr(metric, "__name__", "metric")] = metric
    return MeasuredTask(task.loss, task.check_labels, lambda made: by_name)


def _class_metrics(made: Tensor | None) -> dict[str, Metric]:
    return {"accuracy": _class_accuracy}


def _class_accuracy(output: Array, labels: Array) -> float:
    """Return the accuracy of outputs (n, ..., classes), over all axes before the last."""
    if output.ndim > 2:
        labels = labels.reshape(-1, *labels.shape[output.ndim - 1 :])  # class numbers, or rows
        output = output.reshape(-1, output.shape[-1])
    return accuracy(output, labels)


Task.measured_by = measured_by
_plain = tasks["cross_entropy"]
tasks["cross_entropy"] = MeasuredTask(_plain.loss, _plain.check_labels, _class_metrics)
