"""The order of a run whose samples come through a window."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from tinynet.core.spec import Array
from tinynet.train.order import Order


class WindowOrder(Order):
    """The order of a run whose samples come through a window: its indices are rows of the window.

    Parameters
    ----------
    order : Order
        The order of the run, which it replaces.
    filled : callable
        Fills the window with the samples at some indices, piece after piece; yields the start and length of each piece.
    batches : int
        How many batches the window has room for.
    block : int or None
        How many neighbours are kept together if the order is drawn by blocks.
    blocks : int
        How many blocks are mixed.
    """

    def __init__(
        self,
        order: Order,
        filled: Callable[[list[Array]], Iterator[tuple[int, int]]],
        batches: int,
        block: int | None,
        blocks: int,
    ) -> None:
        vars(self).update(vars(order))
        self.filled = filled
        self.in_window = batches * order.batch_size
        self.block = block
        self.blocks = blocks

    def draw(self) -> Iterator[Array]:
        """Draw the order of the epoch under way; returns the rows of the window of each batch that is not done."""
        rest = self.all_indices()[self.batch * self.batch_size :]
        pieces = [rest[start : start + self.in_window] for start in range(0, len(rest), self.in_window)]
        for start, length in self.filled(pieces):
            numbers = np.arange(start, start + length)
            yield from (numbers[at : at + self.batch_size] for at in range(0, length, self.batch_size))

    def all_indices(self) -> Array:
        """Draw the order of an epoch: as `Order` does, or by blocks."""
        if not self.shuffle:
            return np.arange(self.n)
        return self.by_blocks(self.block) if self.block else self.rng.permutation(self.n)

    def by_blocks(self, size: int) -> Array:
        """Draw the order of an epoch in two stages: of blocks, then of the samples in some blocks at a time."""
        starts = size * self.rng.permutation(-(-self.n // size))
        groups = []
        for first in range(0, len(starts), self.blocks):
            group = (starts[first : first + self.blocks, None] + np.arange(size)).ravel()
            groups.append(self.rng.permutation(group[group < self.n]))
        return np.concatenate(groups)
