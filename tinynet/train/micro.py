"""A step cut into micro-batches: less memory for the same batch, and who computes which does not change a bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinynet.core.engine import Tensor
from tinynet.core.spec import Array
from tinynet.core.transaction import train_transaction
from tinynet.nn.layer import nested
from tinynet.ops.shape import _index
from tinynet.optim.optimizer import Optimizer
from tinynet.train.block import Block, Whole, agreeing, cut
from tinynet.train.nests import joined, leaves
from tinynet.train.step import BatchStep, engine_room, register_step
from tinynet.train.task import Measures
from tinynet.train.tree import TreeSum
from tinynet.train.weighing import Share, share_of, total_losses


class MicroBatchStep(BatchStep):
    """The step on a batch, a micro-batch at a time: gradients are summed along a tree, and then there is one update.

    Each micro-batch draws random numbers of its own, and batch normalisation takes its moments within it; new values of
    floating states are averaged over the samples. Its ``partners`` say which of them are computed here.

    References
    ----------
    Hoffer et al., "Train longer, generalize better: closing the generalization gap in large batch training of neural
    networks", NeurIPS 2017 (ghost batch normalisation).
    """

    def __init__(self, *arguments: Any, micro_batches: int, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.micro_batches = micro_batches
        self.partners: Any = Whole()  # who computes which of them, and adds them up
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

    def _block(self, indices: Array, share: Share) -> Block:
        """Compute the micro-batches of a batch that are computed here."""
        parts, sums, seen = list(cut(indices, self.micro_batches)), TreeSum(), []
        others: list[Array] | None = None
        for number in self.partners.numbers(self.micro_batches):
            if not len(parts[number]):
                sums.add(None)
                continue
            self.mode.micro_batch = number
            output, labels, vectors, states, losses = nested(self.differentiate(parts[number], *share.factors), _array)
            seen.append(nested((output, labels), np.array))
            weighted = [s * s.dtype.type(len(parts[number])) for s in states if s.dtype.kind == "f"]
            sums.add([*losses, *vectors, *weighted])
            others = agreeing(others, [s.copy() for s in states if s.dtype.kind != "f"])
        self.mode.micro_batch = 0
        return Block(sums.total(), others, leaves(joined(seen)) if seen else None)

    def __call__(self, indices: Array) -> Measures:
        """Train on the samples at some indices."""
        share = share_of(self.task, self.labels, indices)
        with self.mode:
            whole = self.partners.total(self._block(indices, share))
            means, states = whole.means(share.weight, len(indices), [s.dtype for s in self.states])
            seen = iter(whole.seen or [])
            at = len(means) - len(self.optimizer.parts_of(self.model))
            self.finish(np.asarray(means[0]), means[at:], states)
            output, labels = nested((self.model.made, self.data[1]), lambda _: next(seen))
            return self.task.measure(self.model.made, means[:at], output, labels)


def _array(result: Array | Tensor) -> Array:
    """Return the array of an eager or a compiled result."""
    return result.data if isinstance(result, Tensor) else result


register_step(Optimizer, MicroBatchStep, micro_batches=True)
