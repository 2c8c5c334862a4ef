"""The way of a point since it was last computed anew: enough to make all that was carried along it again."""

from __future__ import annotations

import numpy as np

from tinynet.core.spec import Array
from tinynet.fullbatch.objective import Objective, Vector

_MOVES = 16  # at most, before a point is computed anew


class Trail:
    """A start and the moves from there, in arrays that a checkpoint keeps.

    Parameters
    ----------
    size : int
        P, the length of a point.
    """

    def __init__(self, size: int) -> None:
        self.start = np.full(size, np.nan)
        self.steps = np.full(_MOVES, np.nan)  # those that were not made yet are NaN
        self.directions = np.zeros((_MOVES, size))

    @property
    def arrays(self) -> dict[str, Array]:
        """What it is made of."""
        return {"start": self.start, "steps": self.steps, "directions": self.directions}

    @property
    def moves(self) -> int:
        """How many moves it has."""
        return int(np.isfinite(self.steps).sum())

    @property
    def full(self) -> bool:
        """Whether it takes no further move."""
        return self.moves == _MOVES

    @property
    def end(self) -> Vector:
        """Where it leads; NaN where it has no start."""
        theta = self.start.copy()
        for step, direction in zip(self.steps[: self.moves], self.directions, strict=False):
            theta = theta + step * direction
        return theta

    def begin(self, theta: Vector | float) -> None:
        """Begin anew at a point."""
        self.start[...] = theta
        self.steps.fill(np.nan)
        self.directions.fill(0)

    def add(self, step: float, direction: Vector) -> None:
        """Move on."""
        number = self.moves
        self.directions[number] = direction
        self.steps[number] = step

    def lead(self, part: Objective) -> None:
        """Let an objective compute and carry what it has on this way, to the bit."""
        theta = self.start.copy()
        part.forget()
        part.value_and_gradient(theta)
        for step, direction in zip(self.steps[: self.moves], self.directions, strict=False):
            part.along(theta, direction)
            part.follow(float(step))
            theta = theta + step * direction
