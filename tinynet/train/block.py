"""The sums of neighbouring micro-batches of a step, wherever they are computed."""

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
    """Return the slices of the micro-batches of n samples: of equal length, or the first ones longer by one.

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
    """The sums of neighbouring micro-batches.

    Attributes
    ----------
    sums : list of ndarray or None
        Sums of the losses, of the gradients, and of the new values of floating states, weighted by the number of
        samples. None if the micro-batches are empty.
    others : list of ndarray or None
        The new values of the states that are not floating, which must be equal in all micro-batches.
    measured : dict of str to float
        Sums of the measures, by name, weighted by the number of samples; empty if the micro-batches are empty.
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
    """The only partner of a run in one process; in a run of several processes, they do these things together."""

    is_first = True  # whether this process does the work that only one of them does

    def numbers(self, count: int) -> Iterable[int]:
        """Return the numbers of the micro-batches that are computed here."""
        return range(count)

    def total(self, block: Block, what: str = "", at: Array | None = None) -> Block:
        """Return the sums of all micro-batches; an objective also passes what it asks for, and at which point."""
        return block

    def fail(self, error: BaseException) -> None:
        """Tell the other processes of an error."""

    def share(self, count: int) -> Iterable[int]:
        """Return the numbers of the parts of other work that are done here: a run of neighbours."""
        return range(count)

    def in_order(self, found: list[Any]) -> list[Any]:
        """Return the results of all processes, in the order of their numbers."""
        return found

    def in_one(self, act: Callable[[], T]) -> T:
        """Return the result of one process, in all of them."""
        return act()

    def collect(self, task: Task) -> None:
        """Send the outputs that are kept for metrics of a set to one process."""


def agreeing(before: list[Array] | None, now: list[Array] | None) -> list[Array] | None:
    """Return new values of states that are not floating, which must be the same in all micro-batches."""
    if before is None or now is None:
        return now if before is None else before
    if not all(map(np.array_equal, before, now)):
        raise ArgumentError(
            "a state of the model that is not floating has different new values in the micro-batches of one step; only "
            "floating states are averaged, so let it depend on the step alone"
        )
    return now
