"""The path of a point since its values were last computed from the data, from which they can be computed again."""

from __future__ import annotations

import numpy as np

from tinynet.core.spec import Array
from tinynet.fullbatch.objective import Objective, Vector

_MOVES = 16  # the most moves before values are computed from the data


class Trail:
    """A start and the moves from there, in arrays that a checkpoint keeps.

    Parameters
    ----------
    size : int
        P, the length of a point.
    """

    def __init__(self, size: int) -> None:
        self.start = np.full(size, np.nan)
        self.steps = np.full(_MOVES, np.nan)  # moves that were not made yet are NaN
        self.directions = np.zeros((_MOVES, size))

    @property
    def arrays(self) -> dict[str, Array]:
        """The arrays of the trail."""
        return {"start": self.start, "steps": self.steps, "directions": self.directions}

    @property
    def moves(self) -> int:
        """The number of moves."""
        return int(np.isfinite(self.steps).sum())

    @property
    def full(self) -> bool:
        """Whether there is no room for a further move."""
        return self.moves == _MOVES

    @property
    def end(self) -> Vector:
        """The end of the path; NaN if there is no start."""
        theta = self.start.copy()
        for step, direction in zip(self.steps[: self.moves], self.directions, strict=False):
            theta = theta + step * direction
        return theta

    def begin(self, theta: Vector | float) -> None:
        """Begin a new path at a point."""
        self.start[...] = theta
        self.steps.fill(np.nan)
        self.directions.fill(0)

    def add(self, step: float, direction: Vector) -> None:
        """Add a move."""
        number = self.moves
        self.directions[number] = direction
        self.steps[number] = step

    def lead(self, part: Objective) -> None:
        """Make an objective compute its values along this path again, to the bit."""
        theta = self.start.copy()
        part.forget()
        part.value_and_gradient(theta)
        for step, direction in zip(self.steps[: self.moves], self.directions, strict=False):
            part.along(theta, direction)
            part.follow(float(step))
            theta = theta + step * direction
