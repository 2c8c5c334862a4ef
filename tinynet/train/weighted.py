"""A loss that is weighted sample by sample, and its task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tinynet import ops
from tinynet.core.engine import Tensor
from tinynet.core.spec import Array
from tinynet.errors import ArgumentError, DataError
from tinynet.ops.loss import Loss, _weigh
from tinynet.train.compound import CompoundTask
from tinynet.train.joint import Joint
from tinynet.train.pairing import named_task
from tinynet.train.task import Measures, Task


def weighted_sum(loss: Loss, output: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Return the sum of w l over some samples; one whose weight is 0 adds nothing, whatever its loss.

    Parameters
    ----------
    loss : callable
        One of tinynet, a partial of one, or a user's that returns numbers for each sample.
    output, labels : Tensor
        As the loss takes them.
    weights : Tensor
        (n, ...): of as many axes as the losses, or fewer; over the others the mean is taken.

    Returns
    -------
    Tensor
        Of no axes.

    Raises
    ------
    ArgumentError
        If the loss returns no numbers for each weight.
    """
    each: Callable[..., Tensor] = loss
    losses = each(output, labels, reduction="none") if named_task(loss) else each(output, labels)
    if not isinstance(losses, Tensor) or losses.shape[: weights.ndim] != weights.shape:
        came = f"shape {losses.shape}" if isinstance(losses, Tensor) else f"a {type(losses).__name__}"
        raise ArgumentError(
            f"with weights, the loss must return a number for each of them, without a mean over the batch: shape "
            f"{weights.shape}, or further axes; but it returned {came}"
        )
    weights = weights.astype(losses.dtype)
    spread = ops.broadcast_to(weights.reshape(*weights.shape, *[1] * (losses.ndim - weights.ndim)), losses.shape)
    return ops.sum(_weigh(spread, losses)) * (weights.size / losses.size)


class Weighted:
    """The weighted mean of a loss, of outputs and of pairs of labels and weights: (sum of w l) / (sum of w).

    A weight of k counts as k copies of the sample, and one of 0 as if the sample were not there.
    """

    def __init__(self, loss: Loss) -> None:
        self.loss = loss

    @property
    def names(self) -> list[str]:
        """What the measures are called that are weighted."""
        parts = self.loss.parts if isinstance(self.loss, Joint) else ()
        return ["loss", *(f"{part.name}_loss" for part in parts)]

    def totals(self, output: Any, labels: Any) -> list[Tensor]:
        """Return the sum of w l, and if there are several outputs that of each."""
        actual, weights = labels
        if isinstance(self.loss, Joint):
            return self.loss.each(output, actual, lambda task, y, t: weighted_sum(task.loss, y, t, weights))
        return [weighted_sum(self.loss, output, actual, weights)]

    def means(self, output: Any, labels: Any) -> list[Tensor]:
        """Return the same, divided by the sum of w; 0 where nothing has weight."""
        weight = ops.sum(labels[1])
        return [total / ops.where(weight == 0, 1.0, weight) for total in self.totals(output, labels)]

    def __call__(self, output: Any, labels: Any) -> Tensor:
        """Return the mean."""
        return self.means(output, labels)[0]


def identity(loss: Any) -> tuple[Any, ...]:
    """Return what tells a loss from others, also where it was made anew from the same ones."""
    if isinstance(loss, Weighted):
        return ("weighted", *identity(loss.loss))
    if isinstance(loss, Joint):
        return tuple((part.name, part.weight, *identity(part.task.loss)) for part in loss.parts)
    return (id(loss),)


@dataclass(frozen=True)
class WeightedTask(CompoundTask):
    """A task whose labels come in pairs with their weights. The weights concern the loss; metrics count all alike."""

    loss: Weighted

    @property
    def plain(self) -> Task:
        """The task without weights."""
        return self.parts[""]

    def losses(self, output: Any, labels: Any) -> list[Tensor]:
        """Return the weighted mean, and if there are several outputs that of each."""
        return self.loss.means(output, labels)

    def measure(self, made: Any, losses: list[Array], output: Any, labels: Any) -> Measures:
        """Return what the task without weights measures, by the weighted losses."""
        return self.plain.measure(made, losses, output, labels[0])

    def weigh(self, labels: Any, indices: Array) -> dict[str, float]:
        """Return the sum of the weights of a batch, which must not be 0: there is no mean of nothing."""
        weights = weights_of(self, (None, labels[1][indices]))
        if not weights["loss"]:
            raise DataError(
                f"all {len(indices)} samples of a batch have the weight 0, so there is no mean of their losses; leave "
                "out the samples of weight 0, as in x[weights > 0], or take larger batches"
            )
        return weights


def weights_of(task: Task, labels: Any) -> dict[str, float]:
    """Return how much some samples count in the mean losses, by their names; it may be 0."""
    return dict.fromkeys(task.loss.names, float(labels[1].sum())) if isinstance(task, WeightedTask) else {}


def total_losses(task: Task, output: Any, labels: Any, n: int) -> list[Tensor]:
    """Return the sums of the losses of n samples, each by its weight."""
    if isinstance(task, WeightedTask):
        return task.loss.totals(output, labels)
    return [loss * float(n) for loss in task.losses(output, labels)]
