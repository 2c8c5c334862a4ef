"""How many threads pay: tried on the calls of a function themselves, since results do not depend on it."""

from __future__ import annotations

import time
from itertools import pairwise
from statistics import median

_CALLS = 6  # in a row with one number of threads; the first one moves the data to where they are used
_AGAIN, _PAUSE = 600, 2.0  # a trial is repeated after so many calls, or seconds if these are fewer
_EQUAL = 1.05  # fewer threads are taken where they take up to so many times as long
_HOPELESS = 2.0  # a number of threads is given up where two calls take more than so many times as long


class Trial:
    """A comparison of the speed of calls with one thread, with more, and so on up to all, each time twice as many.

    What two threads share has to travel between their cores, which may cost more than the second one brings. How much
    depends on where the cores lie, and a virtual machine may move them. So the time from the beginning of one call to
    that of the next is measured for a few calls with each number of threads, again and again. If another program holds
    a core, calls on all threads take milliseconds longer; after two of these, their number is given up.

    Attributes
    ----------
    best : int
        The number of threads that the last trial has found.
    """

    def __init__(self) -> None:
        self.best = 1
        self._due = 0.0
        self._times: list[float] = []  # of a call with each number that was tried in the trial under way
        self._begun: list[float] = []  # when the calls with the next number began

    def threads(self, most: int) -> int:
        """Return how many threads the call that begins now is to use, of those that can be had."""
        now = time.perf_counter()
        if most == 1 or now < self._due:
            return min(self.best, most)
        self._begun.append(now)
        numbers = [most >> halved for halved in reversed(range(most.bit_length()))]  # the last one is all
        taken = [end - start for start, end in pairwise(self._begun)]
        if len(taken) == _CALLS or (self._times and len(taken) > 1 and min(taken) > _HOPELESS * min(self._times)):
            self._times.append(median(taken[1:]))
            self._begun = [now]
        if len(self._times) < len(numbers):
            return numbers[len(self._times)]
        least = min(self._times)
        # There may have been more numbers before.
        found = next((n for n, seconds in zip(numbers, self._times, strict=False) if seconds <= _EQUAL * least), most)
        # A change, which a short disturbance may have made, is tried again ten times as soon.
        pause = min(_PAUSE, _AGAIN * least) / (1 if found == self.best else 10)
        self.best, self._due, self._times, self._begun = found, now + pause, [], []
        return self.best
