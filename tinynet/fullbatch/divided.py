"""An objective that is divided into parts of the samples, whose sums are added along a tree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from tinynet.checks import defined_in
from tinynet.core.spec import Array
from tinynet.fullbatch.objective import Line, Objective, Vector, dot
from tinynet.fullbatch.trail import Trail
from tinynet.nn.layer import nested
from tinynet.train.block import Block, Whole, slices
from tinynet.train.task import Task
from tinynet.train.tree import TreeSum
from tinynet.train.weighing import WeightedTask


class DividedObjective(Objective):
    """An `Objective` as the sum of those of some parts of the samples, each weighted by its share of all weights.

    Its ``partners`` decide which parts are computed here, and add them up. If the model is affine, each part keeps
    values from point to point, and no process has those of all parts. So a checkpoint keeps the `Trail`, from which
    each process computes its own values again.
    """

    partners_in: ClassVar[Callable[[Any, DividedObjective], Any]] = defined_in("tinynet.distributed.objective")

    def _prepare(self, task: Task, size: int | None, micro_batches: int, world: Any) -> None:
        """Make the parts, and find the partners."""
        model, labels, weights = self.model, self.labels, None
        if isinstance(task, WeightedTask):
            task, (labels, weights) = task.plain, labels
        self._parts: list[Objective | None] = []
        sums = []
        for rows in slices(len(self.samples[0]), micro_batches):
            given, own, weight = _rows((self.samples, labels, weights), rows)
            n = rows.stop - rows.start
            sums.append(float(weight.sum(dtype=np.float64)) if isinstance(weight, np.ndarray) else float(n))
            if not sums[-1]:  # no samples, or none that counts
                self._parts.append(None)
                continue
            options = {"batch_size": size, "compiled": self.compiled, "sample_weight": weight}
            part = Objective(model, given if len(given) > 1 else given[0], own, task, **options)
            size = part.size
            self._parts.append(part)
        self.size = size or 1  # samples at a time
        self._shares = [total / sum(sums) for total in sums]
        self._carries_parts = bool(next((part.carried for part in self._parts if part is not None), {}))
        self._trail = Trail(model.theta.size if self._carries_parts else 0)
        self._known_at = np.full(model.theta.size, np.nan)  # where the parts computed here have their values
        self._last_line: tuple[Vector, Vector] | None = None  # the last line
        self.partners: Any = Whole() if world is None else DividedObjective.partners_in(world, self)

    @property
    def carried(self) -> dict[str, Array]:
        """The values that a step keeps for the next one, in place."""
        return self._trail.arrays if self._carries_parts else {}

    @property
    def affine(self) -> bool:
        """Whether the model is affine in theta, up to functions of each sample's outputs, so that `along` is cheap."""
        return next((part.affine for part in self._parts if part is not None), False)

    def value(self, theta: npt.ArrayLike) -> float:
        """Return the loss at theta (P,)."""
        at = self._vector(theta)
        (value,) = self._total("value", at, lambda part: [part.value(at)])
        return float(value) + self.penalty(at)

    def value_and_gradient(self, theta: npt.ArrayLike) -> tuple[float, Vector]:
        """Return the loss at theta (P,) and its gradient (P,), in float64."""
        at = self._vector(theta)
        self._go_to(at)
        value, gradient = self._total("gradient", at, lambda part: list(part.value_and_gradient(at)))
        return float(value) + self.penalty(at), gradient + self.l2 * at

    def _go_to(self, theta: Vector) -> None:
        """Prepare the parts for a point: by the trail, or from the data."""
        if not self._carries_parts:
            return
        if self._trail.full or not np.array_equal(self._trail.end, theta):
            self._trail.begin(theta)
            for part in self._here():
                part.forget()
        elif not np.array_equal(self._known_at, theta):  # in a run that is resumed from a checkpoint
            for part in self._here():
                self._trail.lead(part)
        self._known_at[...] = theta

    def hvp(self, theta: npt.ArrayLike, vector: npt.ArrayLike) -> Vector:
        """Return the product (P,) of the Hessian at theta (P,) with a vector (P,), in float64."""
        at, v = self._vector(theta), self._vector(vector)
        (product,) = self._total("hvp", np.stack([at, v]), lambda part: [part.hvp(at, v)])
        return product + self.l2 * v

    def along(self, theta: npt.ArrayLike, direction: npt.ArrayLike) -> Line:
        """Return the function t -> the loss at theta + t direction."""
        start, d = self._vector(theta), self._vector(direction)
        lines = {id(part): part.along(start, d) for part in self._here()}
        self._last_line = start, d
        tt, td, dd = dot(start, start), dot(start, d), dot(d, d)

        def phi(t: float) -> float:
            (value,) = self._total("line", np.array(t), lambda part: [lines[id(part)](t)])
            return float(value) + self.l2 / 2 * (tt + 2 * t * td + t * t * dd)

        return phi

    def follow(self, t: float) -> None:
        """Note that the point moved along the last line of `along`; see `Objective.follow`."""
        if self._last_line is None or not self._carries_parts:
            return
        theta, d = self._last_line
        self._trail.add(t, d)
        for part in self._here():
            part.follow(t)
        self._known_at[...] = theta + t * d

    def forget(self) -> bool:
        """Compute the next gradient at the point from the data; returns whether that may change it."""
        moved = self._carries_parts and self._trail.moves > 0
        self._trail.begin(np.nan)
        return moved

    def _here(self) -> list[Objective]:
        """Return the parts that are computed here and have samples."""
        parts = [self._parts[number] for number in self.partners.numbers(len(self._parts))]
        return [part for part in parts if part is not None]

    def _total(self, what: str, at: Array, of: Callable[[Objective], list[Any]]) -> list[Array]:
        """Return the sums over all parts of some numbers and vectors, weighted by the share of each part."""
        total = TreeSum()
        try:
            for number in self.partners.numbers(len(self._parts)):
                part, share = self._parts[number], self._shares[number]
                total.add(None if part is None else [np.multiply(share, found) for found in of(part)])
        except BaseException as error:
            self.partners.fail(error)
            raise
        found: Block = self.partners.total(Block(total.total()), what, at)
        return found.sums or []


def _rows(data: Any, rows: slice) -> Any:
    """Return some rows of nested arrays; None stays None."""
    return nested(data, lambda whole: None if whole is None else whole[rows])


Objective.in_parts = DividedObjective
