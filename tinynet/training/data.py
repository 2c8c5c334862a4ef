"""What goes into training: the checks of the arrays that a user gives, and what the losses and metrics are called."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from tinynet import ops
from tinynet.arguments import check_numbers
from tinynet.autograd import Array, Shape, Tensor
from tinynet.compile.trace import Loss, Traceable
from tinynet.errors import ArgumentError, DataError, ShapeError, TinynetError
from tinynet.layers import Input
from tinynet.metrics import accuracy, binary_accuracy
from tinynet.ops.loss import check_binary, check_classes

Metric = Callable[[Array, Array], float]


class Trainable(Traceable, Protocol):
    """What training needs of a model, besides what tracing does."""

    name: str
    dtype: np.dtype[Any]
    output_shape: Shape | None
    rng: np.random.Generator
    plans: dict[Any, Any]  # the latest plans, by what they are for

    @property
    def input(self) -> Input:
        """The layer through which data enter."""

    @property
    def gradient(self) -> Array:
        """The gradients in one vector."""

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


def check_samples(model: Trainable, x: npt.ArrayLike) -> Array:
    """Check samples against a model: numbers, at least one, of its shape, finite."""
    array = check_numbers("x", x)
    model.input.check(array.shape)
    model.parameters  # noqa: B018 - the model is built now, outside of any trace, and knows the shape of its output
    if not len(array):
        raise DataError(f"x is empty: it has shape {array.shape}; give at least one sample")
    if array.dtype.kind == "f":
        for start in range(0, len(array), 1024):  # in pieces, so that a memory-mapped set is not copied whole
            finite = np.isfinite(array[start : start + 1024])
            if not finite.all():
                sample = start + int(np.argmin(finite.reshape(len(finite), -1).all(axis=1)))
                raise DataError(f"x has NaN or infinite values, the first in sample {sample}; clean the data first")
    return array


def check_labelled(model: Trainable, x: npt.ArrayLike, y: npt.ArrayLike, task: Task) -> tuple[Array, Array]:
    """Check samples and their labels against a model and a loss."""
    samples, labels = check_samples(model, x), check_numbers("y", y)
    if not labels.ndim or len(labels) != len(samples):
        raise ShapeError(f"x has {len(samples)} samples, but y has shape {labels.shape}; each sample needs one label")
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise DataError("y has NaN or infinite values; clean the data first")
    assert model.output_shape is not None
    task.check_labels(labels, (len(samples), *model.output_shape))
    return samples, labels


def check_validation(model: Trainable, data: Any, task: Task) -> tuple[Array, Array]:
    """Check a pair of samples and labels to validate on; errors say that they are about these."""
    if not isinstance(data, tuple | list) or len(data) != 2:
        came = f"{len(data)} of them" if isinstance(data, tuple | list) else f"a {type(data).__name__}"
        raise ArgumentError(f"validation_data must be a pair of samples and labels, (x, y), but got {came}")
    x, y = data
    try:
        return check_labelled(model, x, y, task)
    except TinynetError as error:
        raise type(error)(f"validation_data: {error}") from error
