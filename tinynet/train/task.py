"""Tasks: what is minimised and what is measured, by name or by the user's functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from tinynet.core.engine import Tensor
from tinynet.core.spec import Array, Shape
from tinynet.errors import ArgumentError, ShapeError
from tinynet.ops.loss import Loss, check_classes, cross_entropy

Metric = Callable[[Array, Array], float]
Measures = dict[str, float]  # the loss and the metrics of some samples, by name


def no_metrics(made: Tensor | None) -> dict[str, Metric]:
    """Return the metrics of a loss that has none of its own."""
    return {}


@dataclass(frozen=True)
class Task:
    """What is minimised and what is measured besides."""

    loss: Loss
    check_labels: Callable[[Array, Shape], None]  # against the shape of the outputs
    metrics: Callable[[Tensor | None], dict[str, Metric]] = no_metrics  # by the op that made the outputs

    def measure(self, made: Tensor | None, loss: float, output: Array, labels: Array) -> Measures:
        """Return the loss and the metrics of a batch; the node of ``made`` tells which op made the output."""
        measures = {"loss": loss}
        for name, metric in self.metrics(made).items():
            measures[name] = _number(name, metric(output, labels))
        return measures


def _number(metric: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        came = f"an array of shape {value.shape}" if isinstance(value, np.ndarray) else repr(value)
        raise ArgumentError(f"metric {metric} must give one number, but gave {came}") from None


def shape_of_batch(shape: Shape) -> str:
    """Write the shape of a batch of n samples: (n, 28, 28)."""
    sizes = ", ".join(["n", *map(str, shape[1:])])
    return f"({sizes})" if len(shape) > 1 else "(n,)"


def _check_classes(labels: Array, shape: Shape) -> None:
    if len(shape) != 2:
        raise ShapeError(
            f"cross_entropy: the model's output must have shape (n, classes), but has {shape_of_batch(shape)}; is a "
            "Flatten or a Dense layer missing?"
        )
    check_classes(labels, shape[0], shape[1])


_tasks = {"cross_entropy": Task(cross_entropy, _check_classes)}


def register_task(name: str, task: Task) -> None:
    """Let `fit` know a loss by a name."""
    _tasks[name] = task


_user_checks: list[Callable[[Loss, Array, Shape], None]] = []


def check_user_losses(check: Callable[[Loss, Array, Shape], None]) -> None:
    """Check labels for a loss of a user's own by a function of the loss, the labels and the shape of the outputs."""
    _user_checks.append(check)


def _checked(loss: Loss, labels: Array, shape: Shape) -> None:
    for check in _user_checks:
        check(loss, labels, shape)


def find_task(loss: str | Loss, metrics: Sequence[Metric] | None = None) -> Task:
    """Find a loss by its name, with its own metrics, or take the user's functions."""
    if isinstance(loss, str) and loss in _tasks:
        task = _tasks[loss]
    elif callable(loss):
        task = Task(loss, partial(_checked, loss))
    else:
        names = ", ".join(f'"{name}"' for name in _tasks)
        raise ArgumentError(f"loss must be {names} or a function of (output, labels) made of ops, but got {loss!r}")
    if metrics is None:
        return task
    by_name: dict[str, Metric] = {}
    for metric in metrics:
        if not callable(metric):
            raise ArgumentError(f"a metric must be a function of (output, labels) as arrays, but got {metric!r}")
        by_name[getattr(metric, "__name__", "metric")] = metric
    return replace(task, metrics=lambda made: by_name)
