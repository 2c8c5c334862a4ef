"""A loss that is weighted sample by sample."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinynet import ops
from tinynet.core.engine import Tensor
from tinynet.errors import ArgumentError
from tinynet.ops.loss import Loss, _weigh
from tinynet.train.joint import Joint
from tinynet.train.pairing import named_task
from tinynet.train.task import Task


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


def _counted(weights: Any) -> Tensor:
    total = ops.sum(weights)
    return ops.where(total == 0, 1.0, total)


class Weighted:
    """The weighted mean of a loss, of outputs and of pairs of labels and weights: (sum of w l) / (sum of w).

    A weight of k counts as k copies of the sample, and one of 0 as if the sample were not there. Several outputs may
    have weights of their own, in a dict: the mean of each is then divided by its own sum.
    """

    def __init__(self, loss: Loss) -> None:
        self.loss = loss

    @property
    def names(self) -> list[str]:
        """What the measures are called that are weighted."""
        parts = self.loss.outputs if isinstance(self.loss, Joint) else ()
        return ["loss", *(f"{part.name}_loss" for part in parts)]

    def totals(self, output: Any, labels: Any, factors: dict[str, Any] | None = None) -> list[Tensor]:
        """Return the sum of w l, and if there are several outputs that of each, times its factor if there are any."""
        actual, weights = labels
        if not isinstance(self.loss, Joint):
            return [weighted_sum(self.loss, output, actual, weights)]

        def total(task: Task, y: Any, given: Any) -> Tensor:
            t, w, factor = given
            found = weighted_sum(task.loss, y, t, w)
            return found if factor is None else found * factor

        names = [part.name for part in self.loss.outputs]
        of_each = weights if isinstance(weights, dict) else dict.fromkeys(names, weights)
        factor_of = factors or dict.fromkeys(names)
        return self.loss.each(output, {name: (actual[name], of_each[name], factor_of[name]) for name in names}, total)

    def means(self, output: Any, labels: Any) -> list[Tensor]:
        """Return the same, divided by the sum of w, each output by its own; 0 where nothing has weight."""
        if isinstance(labels[1], dict):
            return self.totals(output, labels, {name: 1 / _counted(w) for name, w in labels[1].items()})
        return [total / _counted(labels[1]) for total in self.totals(output, labels)]

    def __call__(self, output: Any, labels: Any) -> Tensor:
        """Return the mean."""
        return self.means(output, labels)[0]


def identity(loss: Any) -> tuple[Any, ...]:
    """Return what tells a loss from others, also where it was made anew from the same ones."""
    if isinstance(loss, Weighted):
        return ("weighted", *identity(loss.loss))
    if isinstance(loss, Joint):
        return tuple((part.name, part.weight, *identity(part.task.loss)) for part in loss.outputs)
    return (id(loss),)
