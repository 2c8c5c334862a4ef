"""A loss that is weighted sample by sample, and its task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from tinynet import ops
from tinynet.core.engine import Tensor
from tinynet.core.spec import Array
from tinynet.errors import ArgumentError, DataError
from tinynet.ops.loss import Loss, _weigh, scalar_loss
from tinynet.train.compound import CompoundTask
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
class WeightedTask(CompoundTask):
    """A task whose labels come in pairs with their weights. The weights concern the loss; metrics count all alike."""

    loss: Weighted

    @property
    def plain(self) -> Task:
        """The task without weights."""
        return self.parts[""]

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


def weight_of(task: Task, labels: Any, n: int) -> float:
    """Return how much n samples count in the mean loss; it may be 0."""
    return float(labels[1].sum()) if isinstance(task, WeightedTask) else n


def total_loss(task: Task, output: Any, labels: Any, n: int) -> Tensor:
    """Return the sum of the losses of n samples, each by its weight."""
    if isinstance(task, WeightedTask):
        return task.loss.total(output, labels)[0]
    return scalar_loss(task.loss, output, labels) * float(n)
