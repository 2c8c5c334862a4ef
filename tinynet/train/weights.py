"""Weights of samples and of classes: a loss weighted by them, and its task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from tinynet import ops
from tinynet.checks import check_numbers
from tinynet.core.engine import Tensor
from tinynet.core.spec import Array
from tinynet.errors import ArgumentError, DataError, ShapeError
from tinynet.ops.loss import Loss, _weigh, scalar_loss
from tinynet.train.classes import weights_by_class
from tinynet.train.pairing import named_task
from tinynet.train.task import Measures, Task


class Weighted:
    """The weighted mean of a loss, of outputs and of pairs of labels and weights w: (sum of w l) / (sum of w).

    A weight of k counts as k copies of the sample, and one of 0 as if the sample were not there, whatever its loss.

    Parameters
    ----------
    loss : callable
        One of tinynet, a partial of one, or a user's that returns numbers for each sample.
    """

    def __init__(self, loss: Loss) -> None:
        self.loss = loss
        each: Callable[..., Tensor] = loss
        self.each = partial(each, reduction="none") if named_task(loss) else each

    def total(self, output: Any, labels: Any) -> tuple[Tensor, Tensor]:
        """Return the sum of w l, and the sum of w."""
        actual, weights = labels
        losses = self.each(output, actual)
        if not isinstance(losses, Tensor) or losses.shape[: weights.ndim] != weights.shape:
            came = f"shape {losses.shape}" if isinstance(losses, Tensor) else f"a {type(losses).__name__}"
            raise ArgumentError(
                f"with weights, the loss must return a number for each of them, without a mean over the batch: shape "
                f"{weights.shape}, or further axes; but it returned {came}"
            )
        weights = weights.astype(losses.dtype)
        spread = ops.broadcast_to(weights.reshape(*weights.shape, *[1] * (losses.ndim - weights.ndim)), losses.shape)
        return ops.sum(_weigh(spread, losses)) * (weights.size / losses.size), ops.sum(weights)

    def __call__(self, output: Any, labels: Any) -> Tensor:
        """Return the mean; 0 where nothing has weight."""
        total, weight = self.total(output, labels)
        return total / ops.where(weight == 0, 1.0, weight)


def identity(loss: Any) -> tuple[int, ...]:
    """Return what tells a loss from others, also where it was made anew from the same one."""
    return (1, id(loss.loss)) if isinstance(loss, Weighted) else (id(loss),)


@dataclass(frozen=True)
class WeightedTask(Task):
    """A task whose labels come in pairs with their weights. The weights concern the loss; metrics count all alike."""

    loss: Weighted
    plain: Task

    def measure(self, made: Tensor | None, loss: float, output: Array, labels: Any) -> Measures:
        """Return what the task without weights measures, by the weighted loss."""
        return self.plain.measure(made, loss, output, labels[0])

    def weigh(self, labels: Any, indices: Array) -> float:
        """Return the sum of the weights of a batch, which must not be 0: there is no mean of nothing."""
        weight = float(labels[1][indices].sum())
        if not weight:
            raise DataError(
                f"all {len(indices)} samples of a batch have the weight 0, so there is no mean of their losses; leave "
                "out the samples of weight 0, as in x[weights > 0], or take larger batches"
            )
        return weight


def total_loss(task: Task, output: Any, labels: Any, n: int) -> Tensor:
    """Return the sum of the losses of n samples, each by its weight."""
    if isinstance(task, WeightedTask):
        return task.loss.total(output, labels)[0]
    return scalar_loss(task.loss, output, labels) * float(n)


def with_weights(
    task: Task, labels: Array, sample_weight: Any, class_weight: Any, dtype: npt.DTypeLike
) -> tuple[Task, Any]:
    """Return a task with labels and weights, or as it was where there are none.

    Parameters
    ----------
    task : Task
        What is minimised.
    labels : ndarray
        (n, ...).
    sample_weight : array_like or None
        (n,), or further axes of the labels: numbers of 0 or more, not all of them 0.
    class_weight : mapping, array_like, "balanced" or None
        See `tinynet.train.classes.weights_by_class`; multiplied with the former.
    dtype : dtype_like
        Of the weights.

    Returns
    -------
    Task, and ndarray or (ndarray, ndarray)
        The task, and what its loss takes as labels.

    Raises
    ------
    ArgumentError, DataError, ShapeError, DTypeError
        If the weights are not of that form, or labels are no classes though classes have weights.
    """
    if sample_weight is None and class_weight is None:
        return task, labels
    weights = np.ones(len(labels))
    if sample_weight is not None:
        weights = _checked(check_numbers("sample_weight", sample_weight), labels)
    if class_weight is not None:
        named = named_task(task.loss)
        by_class = weights_by_class(labels, class_weight, rows=named is not None and named.loss is ops.cross_entropy)
        weights = weights * by_class.reshape(-1, *[1] * (weights.ndim - 1))
    weights = weights.astype(dtype)
    if not weights.any():
        raise DataError("all weights are 0, so there is no mean of the losses")
    return WeightedTask(Weighted(task.loss), task.check_labels, task), (labels, weights)


def _checked(weights: Array, labels: Array) -> Array:
    if not weights.ndim or labels.shape[: weights.ndim] != weights.shape:
        column = "; take its only column, w[:, 0]" if weights.shape == (len(labels), 1) else ""
        raise ShapeError(
            f"sample_weight must have one number for each sample, so shape ({len(labels)},), but has shape "
            f"{weights.shape}{column}"
        )
    wrong = ~(weights >= 0) | (weights == np.inf)
    if wrong.any():
        at = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise DataError(
            f"sample_weight must have finite numbers of 0 or more, but has {weights[at]} at {at if at[1:] else at[0]}"
        )
    return weights


def weigh_samples(arguments: dict[str, Any]) -> list[Any]:
    """Let a run weigh its samples, if `fit` was given weights."""
    given = arguments["sample_weight"], arguments["class_weight"]
    found = with_weights(arguments["task"], arguments["y"], *given, arguments["model"].dtype)
    arguments["task"], arguments["y"] = found
    return []
