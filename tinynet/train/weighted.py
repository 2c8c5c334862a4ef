"""A loss with a weight for each sample."""

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
    """Return the sum of w l over some samples; a sample of weight 0 adds nothing, also if its loss is not finite.

    Parameters
    ----------
    loss : callable
        A loss of tinynet, a partial of one, or a user's that returns a loss for each sample.
    output, labels : Tensor
        As the loss takes them.
    weights : Tensor
        (n, ...): with as many axes as the losses, or fewer. The mean is taken over the other axes of the losses.

    Returns
    -------
    Tensor
        Of no axes.

    Raises
    ------
    ArgumentError
        If the loss does not return a number for each weight.
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

    A weight of k counts as k copies of the sample, and a weight of 0 as if the sample were left out. Several outputs
    may have weights of their own, in a dict: the sum of each is then divided by the sum of its own weights.
    """

    def __init__(self, loss: Loss) -> None:
        self.loss = loss

    @property
    def names(self) -> list[str]:
        """The names of the weighted measures."""
        parts = self.loss.outputs if isinstance(self.loss, Joint) else ()
        return ["loss", *(f"{part.name}_loss" for part in parts)]

    def totals(self, output: Any, labels: Any, factors: dict[str, Any] | None = None) -> list[Tensor]:
        """Return the sum of w l, then that of each output if there are several, times its factor if it has one."""
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
        """Return the same, divided by the sum of w, for each output its own; 0 if that sum is 0."""
        if isinstance(labels[1], dict):
            return self.totals(output, labels, {name: 1 / _counted(w) for name, w in labels[1].items()})
        return [total / _counted(labels[1]) for total in self.totals(output, labels)]

    def __call__(self, output: Any, labels: Any) -> Tensor:
        """Return the mean."""
        return self.means(output, labels)[0]


def identity(loss: Any) -> tuple[Any, ...]:
    """Return a key of a loss that is equal for losses made of the same parts."""
    if isinstance(loss, Weighted):
        return ("weighted", *identity(loss.loss))
    if isinstance(loss, Joint):
        return tuple((part.name, part.weight, *identity(part.task.loss)) for part in loss.outputs)
    return (id(loss),)
