"""A step cut into micro-batches: less memory for the same batch, and who computes which does not change a bit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinynet.core.engine import Tensor
from tinynet.core.spec import Array
from tinynet.core.transaction import train_transaction
from tinynet.errors import ArgumentError
from tinynet.nn.layer import nested
from tinynet.ops.shape import _index
from tinynet.optim.optimizer import Optimizer
from tinynet.train.nests import joined
from tinynet.train.step import BatchStep, engine_room, register_step
from tinynet.train.task import Measures
from tinynet.train.tree import TreeSum
from tinynet.train.weighing import share_of, total_losses


def cut(indices: Array, count: int) -> Iterator[Array]:
    """Cut the indices of a batch into micro-batches, as equal as can be; the first ones are longer by one."""
    return iter(np.array_split(indices, count))


class MicroBatchStep(BatchStep):
    """The step on a batch, a micro-batch at a time: gradients are summed along a tree, and then there is one update.

    Each micro-batch draws random numbers of its own, and batch normalisation takes its moments within it; new values of
    floating states are averaged over the samples.

    References
    ----------
    Hoffer et al., "Train longer, generalize better: closing the generalization gap in large batch training of neural
    networks", NeurIPS 2017 (ghost batch normalisation).
    """

    def __init__(self, *arguments: Any, micro_batches: int, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.micro_batches = micro_batches
        self.states = list(self.model.states.values())
        self.differentiate: Callable[..., Any] = self._differentiate
        self.finish: Callable[..., Any] = self._finish
        if self.compiled:
            self.differentiate = engine_room().Compiled(self._differentiate, "a micro-batch of fit").replay
            self.finish = engine_room().Compiled(self._finish, "the update of fit").replay

    def _differentiate(self, indices: Array | Tensor, factors: Any = None) -> Any:
        """Return the outputs and labels of a micro-batch, its gradient, its states, and the sum of its losses."""
        samples, labels = nested(self.data, lambda whole: _index(whole, indices, checked=True))
        output = self.model(*samples)
        losses = total_losses(self.task, output, labels, len(indices), factors)
        self.check_loss(losses[0])
        vectors = self.optimizer.gradients(losses[0], self.model)
        return output, labels, vectors, train_transaction("a micro-batch").withdraw(self.states), losses

    def _finish(self, loss: Tensor, vectors: list[Tensor], states: list[Tensor]) -> Tensor:
        """Make the update from the mean gradient, and write the states."""
        self.optimizer.descend(loss, vectors, self.model)
        for state, new in zip(self.states, states, strict=True):
            state.assign(new)
        return loss

    def __call__(self, indices: Array) -> Measures:
        """Train on the samples at some indices."""
        sums, seen = TreeSum(), []
        share = share_of(self.task, self.labels, indices)
        whole: list[Array] | None = None  # new values of the states that are not floating
        with self.mode:
            for number, part in enumerate(cut(indices, self.micro_batches)):
                if not len(part):
                    sums.add(None)
                    continue
                self.mode.micro_batch = number
                output, labels, vectors, states, losses = nested(self.differentiate(part, *share.factors), _array)
                seen.append(nested((output, labels), np.array))
                weighted = [s * s.dtype.type(len(part)) for s in states if s.dtype.kind == "f"]
                sums.add([*losses, *vectors, *weighted])
                whole = _agreeing(whole, [s.copy() for s in states if s.dtype.kind != "f"])
            self.mode.micro_batch = 0
            totals, end = sums.total(), len(losses) + len(vectors)
            means = [a / a.dtype.type(share.weight) for a in totals[:end]]
            losses, vectors = means[: len(losses)], means[len(losses) :]
            floating, others = iter([a / a.dtype.type(len(indices)) for a in totals[end:]]), iter(whole or [])
            states = [next(floating if s.dtype.kind == "f" else others) for s in self.states]
            self.finish(np.asarray(losses[0]), vectors, states)
            return self.task.measure(self.model.made, losses, *joined(seen))


def _array(result: Array | Tensor) -> Array:
    """Return the array of an eager or a compiled result."""
    return result.data if isinstance(result, Tensor) else result


def _agreeing(before: list[Array] | None, now: list[Array]) -> list[Array]:
    if before is not None and not all(map(np.array_equal, before, now)):
        raise ArgumentError(
            "a state of the model that is not floating has different new values in the micro-batches of one step; only "
            "floating states are averaged, so let it depend on the step alone"
        )
    return now


register_step(Optimizer, MicroBatchStep, micro_batches=True)
