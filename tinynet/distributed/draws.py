"""The counts of random draws within a step of training, of which each process computes only a part."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tinynet.core.managed import managed


class Draws(dict[tuple[str, int], int]):
    """The number of the last draw in each layer and micro-batch; before any draw, the number before the start.

    Examples
    --------
    >>> draws = Draws(3)
    >>> draws.get(("dropout", 0), -1), draws.end
    (2, 3)
    >>> draws["dropout", 0] = 5
    >>> draws.get(("dropout", 0), -1), draws.end
    (5, 6)
    """

    def __init__(self, start: int) -> None:
        super().__init__()
        self.start = start

    def get(self, key: Any, default: Any = None) -> Any:
        """Return the number of the last draw; the default is that of a step without a start."""
        return super().get(key, self.start - 1)

    @property
    def end(self) -> int:
        """The first number that was not drawn."""
        return max([self.start, *(last + 1 for last in self.values())])


@managed
def apart(transaction: Any) -> Iterator[Draws]:
    """Count draws that other processes do not make separately, from the number after those of the step so far."""
    before = transaction.draws
    transaction.draws = Draws(1 + max(before.values(), default=getattr(before, "start", 0) - 1))
    try:
        yield transaction.draws
    finally:
        transaction.draws = before
