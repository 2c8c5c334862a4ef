"""An objective that is divided into parts of the samples, whose sums go along a tree, whoever computes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from tinynet.core.spec import Array
from tinynet.fullbatch.objective import Line, Objective, Vector, _dot
from tinynet.fullbatch.trail import Trail
from tinynet.nn.layer import nested
from tinynet.nn.network import Network
from tinynet.train.block import Block, Whole, slices
from tinynet.train.tree import TreeSum


class DividedObjective:
    """What an `Objective` is, as the sum of those of so many parts of the samples, each by its share of all weight.

    Its ``partners`` say which parts are computed here, and add them up. What the parts carry from point to point, where
    the model is affine, no process has of all. So a checkpoint keeps the `Trail` by which each makes its own again.

    Parameters
    ----------
    model, x, y, loss
        As `Objective` takes them; x is a tuple of arrays.
    count : int
        The number of parts.
    weights : array_like, optional
        Of the samples.
    l2 : float
        The factor of the penalty.
    compiled : bool
        Whether the parts are traced and replayed.
    """

    def __init__(
        self,
        model: Network,
        x: tuple[Array, ...],
        y: Any,
        loss: Any,
        count: int,
        weights: Any,
        l2: float,
        compiled: bool,
    ) -> None:
        self.model, self.l2 = model, l2
        self.partners: Any = Whole()
        self._parts: list[Objective | None] = []
        size, sums = None, []
        for rows in slices(len(x[0]), count):
            samples, labels, weight = _rows((x, y, weights), rows)
            n = rows.stop - rows.start
            sums.append(float(weight.sum(dtype=np.float64)) if isinstance(weight, np.ndarray) else float(n))
            if not sums[-1]:  # no samples, or none that counts
                self._parts.append(None)
                continue
            samples = samples if len(samples) > 1 else samples[0]
            options = {"batch_size": size, "compiled": compiled, "sample_weight": weight}
            part = Objective(model, samples, labels, loss, **options)
            size = size or part.batches[0].stop
            self._parts.append(part)
        self.size = size or 1  # samples at a time
        self._shares = [total / sum(sums) for total in sums]
        self._carries = bool(next((part.carried for part in self._parts if part is not None), {}))
        self._trail = Trail(model.theta.size if self._carries else 0)
        self._known = np.full(model.theta.size, np.nan)  # where the parts that are computed here have their values
        self._line: tuple[Vector, Vector] | None = None  # the last one

    @property
    def carried(self) -> dict[str, Array]:
        """What a step leaves to the next one, in place."""
        return self._trail.arrays if self._carries else {}

    def value_and_gradient(self, theta: npt.ArrayLike) -> tuple[float, Vector]:
        """Return the loss at theta (P,) and its gradient (P,), in float64."""
        at = np.array(theta, np.float64)
        self._go_to(at)
        value, gradient = self._total(lambda part: list(part.value_and_gradient(at)))
        return float(value) + self.penalty(at), gradient + self.l2 * at

    def _go_to(self, theta: Vector) -> None:
        """Let the parts compute at a point: where the trail has led them, or anew."""
        if not self._carries:
            return
        if self._trail.full or not np.array_equal(self._trail.end, theta):
            self._trail.begin(theta)
            for part in self._here():
                part.forget()
        elif not np.array_equal(self._known, theta):  # in a run that goes on from a checkpoint
            for part in self._here():
                self._trail.lead(part)
        self._known[...] = theta

    def penalty(self, theta: npt.ArrayLike) -> float:
        """Return the part (l2 / 2) |theta|^2 of the loss at theta (P,)."""
        vector = np.asarray(theta, np.float64)
        return self.l2 / 2 * _dot(vector, vector)

    def hvp(self, theta: npt.ArrayLike, vector: npt.ArrayLike) -> Vector:
        """Return the product (P,) of the Hessian at theta (P,) with a vector (P,), in float64."""
        (product,) = self._total(lambda part: [part.hvp(theta, vector)])
        return product + self.l2 * np.asarray(vector, np.float64)

    def along(self, theta: npt.ArrayLike, direction: npt.ArrayLike) -> Line:
        """Return the function t -> the loss at theta + t direction; the gradient at theta was computed last."""
        start, d = np.array(theta, np.float64), np.array(direction, np.float64)
        lines = {id(part): part.along(start, d) for part in self._here()}
        self._line = start, d
        tt, td, dd = _dot(start, start), _dot(start, d), _dot(d, d)

        def phi(t: float) -> float:
            (value,) = self._total(lambda part: [lines[id(part)](t)])
            return float(value) + self.l2 / 2 * (tt + 2 * t * td + t * t * dd)

        return phi

    def follow(self, t: float) -> None:
        """Say that the point moved along the line that `along` returned last, as `Objective.follow` takes it."""
        if self._line is None or not self._carries:
            return
        theta, d = self._line
        self._trail.add(t, d)
        for part in self._here():
            part.follow(t)
        self._known[...] = theta + t * d

    def forget(self) -> bool:
        """Compute the gradient at the point anew when it is asked for next; returns whether that may change it."""
        moved = self._carries and self._trail.moves > 0
        self._trail.begin(np.nan)
        return moved

    def _here(self) -> list[Objective]:
        """Return the parts that are computed here, without those of no samples."""
        parts = [self._parts[number] for number in self.partners.numbers(len(self._parts))]
        return [part for part in parts if part is not None]

    def _total(self, of: Callable[[Objective], list[Any]]) -> list[Array]:
        """Return the sums over all parts of some numbers and vectors, each by the share of its part."""
        total = TreeSum()
        for number in self.partners.numbers(len(self._parts)):
            part, share = self._parts[number], self._shares[number]
            total.add(None if part is None else [np.multiply(share, found) for found in of(part)])
        found: Block = self.partners.total(Block(total.total(), None, None))
        return found.sums or []


def _rows(data: Any, rows: slice) -> Any:
    """Return some of the rows of arrays that are nested; None stays None."""
    return nested(data, lambda whole: None if whole is None else whole[rows])
