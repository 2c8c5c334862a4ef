"""How many threads pay: tried on the calls of a function themselves, since results do not depend on it."""

from __future__ import annotations

import time
from itertools import pairwise
from statistics import median

_CALLS = 6  # in a row with one number of threads; the first one moves the data to where they are used
_PAUSE = 2.0  # seconds from one trial to the next
_LONG = 0.004  # seconds; where calls take longer, more threads have always paid
_EQUAL = 1.05  # fewer threads are taken where they take up to so many times as long


class Trial:
    """A comparison of the speed of calls with all threads, half of them, and so on down to one.

    What two threads share has to travel between their cores, which may cost more than the second one brings. How much
    depends on where the cores lie, and a virtual machine may move them. So the time from the beginning of one call to
    that of the next is measured for a few calls with each number of threads, again and again.

    Attributes
    ----------
    best : int
        The number of threads that the last trial has found.
    """

    def __init__(self) -> None:
        self.best = 1
        self._due = 0.0
        self._begun: list[float] = []  # when the calls of the trial under way began

    def threads(self, most: int) -> int:
        """Return how many threads the call that begins now is to use, of those that can be had."""
        now = time.perf_counter()
        if most == 1 or now < self._due:
            return min(self.best, most)
        begun = self._begun = [*self._begun, now]
        whole = range(1, len(begun) - _CALLS + 1, _CALLS)  # of the numbers that were tried, each without its first call
        times = [median(end - start for start, end in pairwise(begun[i : i + _CALLS])) for i in whole]
        tried = most >> len(times)
        if tried and not (times and times[0] > _LONG):
            return tried
        self.best = most >> max(i for i, seconds in enumerate(times) if seconds <= _EQUAL * min(times))
        self._due, self._begun = now + _PAUSE, []
        return self.best
