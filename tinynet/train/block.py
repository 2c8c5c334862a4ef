"""What neighbouring micro-batches of a step add up to, wherever they are computed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np

from tinynet.core.spec import Array
from tinynet.errors import ArgumentError
from tinynet.train.task import Task

T = TypeVar("T")


def slices(n: int, count: int) -> list[slice]:
    """Return where the micro-batches of n samples lie: as equal as can be, the first ones longer by one.

    Examples
    --------
    >>> slices(5, 2)
    [slice(0, 3, None), slice(3, 5, None)]
    """
    length, longer = divmod(n, count)
    starts = [i * length + min(i, longer) for i in range(count + 1)]
    return [slice(start, stop) for start, stop in pairwise(starts)]


def cut(indices: Array, count: int) -> Iterator[Array]:
    """Cut the indices of a batch into micro-batches."""
    return (indices[part] for part in slices(len(indices), count))


@dataclass
class Block:
    """What neighbouring micro-batches add up to.

    Attributes
    ----------
    sums : list of ndarray or None
        Of the losses, of the gradients, and of the new values of floating states, each by its number of samples. None
        where the micro-batches are empty.
    others : list of ndarray or None
        The new values of the states that are not floating, which all micro-batches have in common.
    measured : dict of str to float
        Sums of the measures, by name, each by its number of samples; empty where the micro-batches are.
    """

    sums: list[Array] | None
    others: list[Array] | None = None
    measured: dict[str, float] = field(default_factory=dict)

    def means(self, weight: float, n: int, states: Sequence[np.dtype[Any]]) -> tuple[list[Array], list[Array]]:
        """Return the mean losses and gradients, by the sum of the weights, and the new states of n samples."""
        floating = [dtype.kind == "f" for dtype in states]
        totals, others = self.sums or [], iter(self.others or [])
        end = len(totals) - sum(floating)
        averaged = iter([a / a.dtype.type(n) for a in totals[end:]])
        return [a / a.dtype.type(weight) for a in totals[:end]], [next(averaged if f else others) for f in floating]


class Whole:
    """A run that is computed here as a whole; what several processes do in its place, they do together."""

    is_first = True  # who does what only one of them does

    def numbers(self, count: int) -> Iterable[int]:
        """Return which of so many micro-batches are computed here."""
        return range(count)

    def total(self, block: Block, what: str = "", at: Array | None = None) -> Block:
        """Return what all micro-batches add up to; of an objective, what is asked for, and where."""
        return block

    def fail(self, error: BaseException) -> None:
        """Let the others know of an error."""

    def share(self, count: int) -> Iterable[int]:
        """Return which of so many parts of other work are done here: neighbours."""
        return range(count)

    def in_order(self, found: list[Any]) -> list[Any]:
        """Return what all have found, in the order of their numbers."""
        return found

    def in_one(self, act: Callable[[], T]) -> T:
        """Return what one of them finds, for all."""
        return act()

    def collect(self, task: Task) -> None:
        """Let one have the outputs that all have kept for metrics of a set."""


def agreeing(before: list[Array] | None, now: list[Array] | None) -> list[Array] | None:
    """Return new values of states that are not floating, of which all micro-batches have the same."""
    if before is None or now is None:
        return now if before is None else before
    if not all(map(np.array_equal, before, now)):
        raise ArgumentError(
            "a state of the model that is not floating has different new values in the micro-batches of one step; only "
            "floating states are averaged, so let it depend on the step alone"
        )
    return now
