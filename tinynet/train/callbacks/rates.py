"""Learning rates as functions of time, in epochs, and of the rate that a run began with."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from tinynet.checks import check_count, check_positive
from tinynet.errors import ArgumentError

Rate = Callable[[float, float], float]


def half_cosine(start: float, end: float, part: float) -> float:
    """Go from one number to another along half a period of a cosine, and stay there."""
    return end + (start - end) * (1 + math.cos(math.pi * min(part, 1))) / 2


def in_steps(every: int, factor: float) -> Rate:
    """Multiply the rate by a factor after every so many epochs."""
    every = check_count("step: every", every)
    factor = check_positive("step", "factor", factor)
    return lambda now, first: float(first * factor ** (now // every))


def at_milestones(epochs: Sequence[float], factor: float) -> Rate:
    """Multiply the rate by a factor after each of some numbers of epochs."""
    factor = check_positive("milestones", "factor", factor)
    if not isinstance(epochs, list | tuple) or not epochs:
        raise ArgumentError(
            f"milestones: epochs must be a list of numbers of epochs, such as [30, 60], but got {epochs!r}"
        )
    given = [check_positive("milestones", "each of the epochs", epoch) for epoch in epochs]
    return lambda now, first: float(first * factor ** sum(now >= epoch for epoch in given))


def exponential(factor: float) -> Rate:
    """Multiply the rate by a factor in each epoch."""
    factor = check_positive("exponential", "factor", factor)
    return lambda now, first: float(first * factor**now)


def polynomial(epochs: float, least: float, power: float) -> Rate:
    """Go from the first rate to the least one in so many epochs, by a power of the time that is left."""
    epochs = check_positive("polynomial", "epochs", epochs)
    least = check_positive("polynomial", "least", least, zero=True)
    power = check_positive("polynomial", "power", power)
    return lambda now, first: float(least + (first - least) * (1 - min(now / epochs, 1)) ** power)


def cosine_restarts(epochs: int, growth: int, least: float) -> Rate:
    """Fall along half a period of a cosine again and again, each time in ``growth`` times as many epochs."""
    epochs = check_count("cosine_restarts: epochs", epochs)
    growth = check_count("cosine_restarts: growth", growth)
    least = check_positive("cosine_restarts", "least", least, zero=True)

    def rate(now: float, first: float) -> float:
        period = epochs
        while now >= period:
            now -= period
            period *= growth
        return half_cosine(first, least, now / period)

    return rate
