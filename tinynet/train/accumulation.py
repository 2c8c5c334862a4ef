"""Gradients of micro-batches, which add up along a tree before the one update of a step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinynet.core.engine import Tensor
from tinynet.core.spec import Array
from tinynet.core.transaction import Transaction, train_transaction
from tinynet.nn.layer import nested
from tinynet.nn.network import Network
from tinynet.optim.optimizer import Optimizer
from tinynet.train.block import Block, Whole, agreeing
from tinynet.train.step import engine_room
from tinynet.train.tree import TreeSum


class Accumulation:
    """The gradients of micro-batches, added up along a tree, and the update that they make together.

    Parameters
    ----------
    forward : callable
        Takes a micro-batch; returns its losses, each summed over the samples, and the outputs and labels to measure.
    optimizer : Optimizer
        Makes the update.
    models : Model or sequence of Model
        The models whose parameters move.
    states : sequence of State
        The states that the forward may assign.
    compiled : bool
        Whether the gradient and the update are traced and replayed.
    name : str
        What errors call it.

    Attributes
    ----------
    partners : object
        Decides who computes which micro-batches, and adds them up.
    measure : callable
        Takes the losses of a micro-batch and its outputs and labels; returns means over its samples, by name.
    plans : list
        The compiled functions.
    """

    def __init__(
        self,
        forward: Callable[..., Any],
        optimizer: Optimizer,
        models: Network | Sequence[Network],
        states: Sequence[Tensor],
        compiled: bool,
        name: str,
    ) -> None:
        self.forward, self.optimizer, self.models, self.states = forward, optimizer, models, list(states)
        self.partners: Any = Whole()
        self.measure: Callable[[list[Array], Any], dict[str, float]] = lambda losses, kept: {}
        self.differentiate: Callable[..., Any] = self._differentiate
        self.finish: Callable[..., Any] = self._finish
        self.plans: list[Any] = []
        if compiled:
            compile_ = engine_room().Compiled
            self.plans = [
                compile_(self._differentiate, f"a micro-batch of {name}"),
                compile_(self._finish, f"the update of {name}"),
            ]
            self.differentiate, self.finish = (plans.replay for plans in self.plans)

    def _differentiate(self, *part: Any) -> Any:
        """Return what is kept of a micro-batch, its gradient, its states, and the sums of its losses."""
        losses, kept = self.forward(*part)
        vectors = self.optimizer.gradients(losses[0], self.models)
        return kept, vectors, _withdrawn(train_transaction("a micro-batch"), self.states), losses

    def _finish(self, loss: Tensor, vectors: list[Tensor], states: list[Tensor]) -> Tensor:
        """Make the update from the mean gradient, and write the states."""
        self.optimizer.descend(loss, vectors, self.models)
        for state, new in zip(self.states, states, strict=True):
            state.assign(new)  # type: ignore[attr-defined]
        return loss

    def block(self, mode: Any, sizes: Sequence[int], part: Callable[[int], tuple[Any, ...]]) -> Block:
        """Compute the micro-batches that are computed here.

        Parameters
        ----------
        mode : TrainMode
            The mode whose step is under way.
        sizes : sequence of int
            The number of samples in each micro-batch.
        part : callable
            Takes the number of a micro-batch; returns the arguments of the forward.

        Returns
        -------
        Block
            Their sums.
        """
        sums, measured = TreeSum(), {}
        others: list[Array] | None = None
        try:
            for number in self.partners.numbers(len(sizes)):
                if not sizes[number]:
                    sums.add(None)
                    continue
                mode.micro_batch = number
                kept, vectors, states, losses = nested(self.differentiate(*part(number)), _array)
                measured = self.measure(losses, kept)
                counted = [np.array(value * sizes[number]) for value in measured.values()]
                weighted = [s * s.dtype.type(sizes[number]) for s in states if s.dtype.kind == "f"]
                sums.add([*counted, *losses, *vectors, *weighted])
                others = agreeing(others, [s.copy() for s in states if s.dtype.kind != "f"])
        finally:
            mode.micro_batch = 0
        total, end = sums.total(), len(measured)
        if total is None:
            return Block(None)
        return Block(total[end:], others, {name: float(a) for name, a in zip(measured, total[:end], strict=True)})

    def update(self, whole: Block, weight: float, n: int) -> list[Array]:
        """Make the update by the sums of all micro-batches; returns the mean losses.

        Parameters
        ----------
        whole : Block
            The sums of all micro-batches.
        weight : float
            The sum of the weights of the samples.
        n : int
            How many samples there are.
        """
        means, states = whole.means(weight, n, [state.dtype for state in self.states])
        at = len(means) - len(self.optimizer.spans_of(self.models))
        self.finish(np.asarray(means[0]), means[at:], states)
        return means[:at]


def _array(result: Array | Tensor) -> Array:
    """Return the array of an eager or a compiled result."""
    return result.data if isinstance(result, Tensor) else result


def _withdrawn(step: Transaction, variables: Sequence[Tensor]) -> list[Tensor]:
    """Return the newest values of some variables, which are then as if the step had not written them."""
    newest = [step.current(x) for x in variables]
    for x in variables:
        step._variables.pop(id(x), None)
        step._new.pop(id(x), None)
    return newest
