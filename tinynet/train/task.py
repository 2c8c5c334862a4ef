"""Tasks: what the losses and metrics of training are called, and the labels that they take."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np

from tinynet import ops
from tinynet.core.engine import Tensor
from tinynet.core.spec import Array, Shape
from tinynet.errors import ArgumentError, ShapeError
from tinynet.nn import Input
from tinynet.ops.binary import check_binary
from tinynet.ops.loss import Loss, check_classes
from tinynet.optim.optimizer import HasTheta
from tinynet.train.metrics import accuracy, binary_accuracy

Metric = Callable[[Array, Array], float]


class Trainable(HasTheta, Protocol):
    """What training needs of a model besides."""

    name: str
    dtype: np.dtype[Any]
    output_shape: Shape | None
    rng: np.random.Generator
    plans: dict[Any, Any]  # the latest plans, by what they are for

    @property
    def input(self) -> Input:
        """The layer through which data enter."""

    def configuration(self) -> Hashable:
        """Give what a plan depends on besides the parameters."""


@dataclass(frozen=True)
class Task:
    """What is minimised and what is measured besides."""

    loss: Loss
    check_labels: Callable[[Array, Shape], None]
    metrics: Callable[[Tensor], dict[str, Metric]]  # by what made the output


def _no_check(labels: Array, shape: Shape) -> None:
    """Take any labels: a loss of the user's own knows what it needs."""


def _check_classes(labels: Array, shape: Shape) -> None:
    if len(shape) != 2:
        raise ShapeError(
            f"cross_entropy: the model's output must have shape (n, classes), but has {('n', *shape[1:])}; is a "
            "Flatten or a Dense layer missing?".replace("'n'", "n")
        )
    check_classes(labels, shape[0], shape[1])


def _check_binary(labels: Array, shape: Shape) -> None:
    if shape[1:] not in ((), (1,)):
        raise ShapeError(
            f"binary_cross_entropy: the model's output must have shape (n,) or (n, 1), but has {('n', *shape[1:])}; "
            "for several classes use cross_entropy".replace("'n'", "n")
        )
    check_binary(labels, shape)


def _class_metrics(output: Tensor) -> dict[str, Metric]:
    return {"accuracy": accuracy}


def _binary_metrics(output: Tensor) -> dict[str, Metric]:
    probabilities = output.node is not None and output.node.op is ops.sigmoid
    return {"accuracy": partial(binary_accuracy, threshold=0.5 if probabilities else 0.0)}


_tasks = {
    "cross_entropy": Task(ops.cross_entropy, _check_classes, _class_metrics),
    "binary_cross_entropy": Task(ops.binary_cross_entropy, _check_binary, _binary_metrics),
}


def find_task(loss: str | Loss, metrics: Sequence[Metric] | None) -> Task:
    """Find a loss by its name, with its own metrics, or take the user's functions."""
    if isinstance(loss, str) and loss in _tasks:
        task = _tasks[loss]
    elif callable(loss):
        task = Task(loss, _no_check, lambda output: {})
    else:
        names = ", ".join(f'"{name}"' for name in _tasks)
        raise ArgumentError(f"loss must be {names} or a function of (output, labels) made of ops, but got {loss!r}")
    if metrics is None:
        return task
    named: dict[str, Metric] = {}
    for metric in metrics:
        if not callable(metric):
            raise ArgumentError(f"a metric must be a function of (output, labels) as arrays, but got {metric!r}")
        named[getattr(metric, "__name__", "metric")] = metric
    return Task(task.loss, task.check_labels, lambda output: named)
