"""The sum along a balanced binary tree, whose bits do not depend on which process adds which block."""

from __future__ import annotations

import numpy as np

from tinynet.core.spec import Array


class TreeSum:
    """The sum of lists of arrays along a balanced binary tree over their numbers.

    Sums of blocks of 1, 2, 4, ... neighbours are kept until the next block of the same size is complete, so that there
    are never more of them than the logarithm of the number of lists.
    """

    def __init__(self) -> None:
        self.blocks: list[tuple[int, list[Array] | None]] = []  # the size of each block, and its sum

    def add(self, arrays: list[Array] | None) -> None:
        """Add the next list, or None if there is nothing to add."""
        size, total = 1, None if arrays is None else [np.array(a) for a in arrays]
        while self.blocks and self.blocks[-1][0] == size:
            total = both(self.blocks.pop()[1], total)
            size *= 2
        self.blocks.append((size, total))

    def total(self) -> list[Array] | None:
        """Return the sum of all; None if there was nothing to add."""
        total: list[Array] | None = None
        for _, block in reversed(self.blocks):
            total = both(block, total)
        return total


def both(left: list[Array] | None, right: list[Array] | None) -> list[Array] | None:
    """Return the sum of two blocks, in the memory of the first."""
    if left is None or right is None:
        return right if left is None else left
    for a, b in zip(left, right, strict=True):
        np.add(a, b, out=a)
    return left
