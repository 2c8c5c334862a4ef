"""Full-batch optimizers: a direction of descent, and a line search that finds how far to go.

The direction of gradient descent is the negative gradient. That of Newton's method depends on the Hessian, but only on
products with it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from tinynet.checks import check_positive
from tinynet.core.spec import Array
from tinynet.errors import ArgumentError, DTypeError, NonFiniteError
from tinynet.fullbatch.backtracking import Backtracking
from tinynet.fullbatch.objective import Objective, dot, length
from tinynet.optim.optimizer import Slots

Vector = npt.NDArray[np.float64]
_NOTHING = 2.0**-100  # a step so small counts as 0, even if the parameters are 0


def computed_in(objective: Objective, theta: Array) -> np.dtype[Any]:
    """Return the dtype in which a loss is computed: that of its model, or of theta for a function without a model."""
    model = getattr(objective, "model", None)
    return theta.dtype if model is None else model.dtype


@dataclass(frozen=True)
class StepRecord:
    """The record of a step of a full-batch optimizer.

    Attributes
    ----------
    loss : float
        The loss after the step.
    gradient_norm : float
        The norm of the gradient before the step.
    step_size : float
        The accepted t; 0 if there was no step.
    trials : int
        The number of values of t that were tried.
    margin : float
        The decrease minus the decrease that the search requires, -alpha t <g, d>.
    evaluations : int
        The number of evaluations of the loss, with its gradient or along the line, and of products with the Hessian.
    stopped : str
        Why there is no further step; empty if there is.
    """

    loss: float
    gradient_norm: float
    step_size: float
    trials: int
    margin: float
    evaluations: int
    stopped: str = ""


@dataclass(frozen=True)
class LineSearchOptimizer:
    """A full-batch optimizer: all samples in each step. A subclass has a ``direction``.

    Parameters
    ----------
    line_search : Backtracking
        Finds the length of a step.
    tolerance : float
        The run ends when the norm of the gradient is at most this.
    weight_decay : float
        The factor of a penalty (weight_decay / 2) |theta|^2 on all parameters, which `fit` adds to the loss; the
        measures of a run do not include it. An `Objective` that you make yourself has its own penalty.

    Raises
    ------
    ArgumentError
        If ``line_search`` is not a line search, or a number is below 0.
    """

    line_search: Backtracking = Backtracking()
    tolerance: float = 0.0
    weight_decay: float = 0.0
    round_off: ClassVar[float] = 0.0  # the number of roundings of the loss by which a decrease may fall short

    def __post_init__(self) -> None:
        name = type(self).__name__
        if not isinstance(self.line_search, Backtracking):
            raise ArgumentError(f"{name}: line_search must be a tn.Backtracking, but got {self.line_search!r}")
        for argument in ("tolerance", "weight_decay"):
            check_positive(name, argument, getattr(self, argument), zero=True)

    def direction(self, objective: Objective, theta: Array, gradient: Vector) -> tuple[Vector, int]:
        """Return the direction of a step, and the products with the Hessian that it took."""
        raise NotImplementedError(f"{type(self).__name__} has no direction; define it")

    def initial_state(self, theta: Array) -> Slots:
        """Return the state before the first step, which is empty: the objective keeps values from step to step."""
        return {}

    def step(self, objective: Objective, theta: Array) -> StepRecord:
        """Move theta, in place, by one step.

        Parameters
        ----------
        objective : Objective
            The function to minimise.
        theta : ndarray
            (P,), floating.

        Returns
        -------
        StepRecord
            The record of the step.

        Raises
        ------
        DTypeError, ShapeError
            If theta is not a floating array, or not of that length.
        NonFiniteError
            If the loss or its gradient is NaN or infinite at theta.
        """
        if not isinstance(theta, np.ndarray) or theta.dtype.kind != "f":
            came = getattr(theta, "dtype", type(theta).__name__)
            raise DTypeError(f"theta must be a floating array, which a step changes in place, but got {came}")
        with np.errstate(over="ignore", invalid="ignore"):  # which this class tells
            record = self._step(objective, theta)
            if record.stopped and objective.forget():  # kept values are rounded, which must not end a run
                again = self._step(objective, theta)
                record = replace(again, evaluations=record.evaluations + again.evaluations)
        return record

    def _step(self, objective: Objective, theta: Array) -> StepRecord:
        loss, gradient = objective.value_and_gradient(theta)
        norm = length(gradient)
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise NonFiniteError(
                f"the loss is {loss} and the norm of its gradient {norm}, so no step can be made; scale inputs and "
                "targets to around 1, begin from smaller parameters, or compute the loss from logits"
            )
        if norm <= self.tolerance:
            return StepRecord(loss, norm, 0.0, 0, 0.0, 1, f"the gradient norm, {norm:.3g}, is within the tolerance")
        d, products = self.direction(objective, theta, gradient)
        slope = dot(gradient, d)
        if not -math.inf < slope < 0:
            return StepRecord(
                loss, norm, 0.0, 0, 0.0, 1 + products, f"no direction of descent: the slope is {slope:.3g}"
            )
        dtype = computed_in(objective, theta)
        eps = float(np.finfo(dtype).eps)
        least = np.finfo(theta.dtype).eps * float(np.abs(theta).max()) / float(np.abs(d).max()) / 4 + _NOTHING
        t, after, trials = self.line_search.search(
            objective.along(theta, d), loss, slope, least, slack := self.round_off * eps * abs(loss)
        )
        hint = ""
        if dtype == np.float32:
            hint = ', as rounding in float32 lets it; make the model with dtype="float64", and scale inputs to around 1'
        before = theta.copy()
        theta += (t * d).astype(theta.dtype)
        objective.follow(t)
        if t and loss - after <= slack and not self._closer(objective, theta, norm):
            theta[...] = before
            why = f"the loss and its gradient, of norm {norm:.3g}, no longer decrease{hint}"
            return StepRecord(loss, norm, 0.0, trials, 0.0, 2 + products + trials, why)
        margin = loss - after + self.line_search.alpha * t * slope
        stopped = "" if t else f"no decrease along the direction: the step shrank to nothing in {trials} trials{hint}"
        return StepRecord(after, norm, t, trials, margin, 1 + products + trials, stopped)

    def _closer(self, objective: Objective, theta: Array, norm: float) -> bool:
        """Return whether a step has halved the gradient, which shows progress that rounding hides in the loss."""
        return length(objective.value_and_gradient(theta)[1]) <= norm / 2

    def minimize(self, objective: Objective, theta: npt.ArrayLike, steps: int = 100) -> tuple[Vector, list[StepRecord]]:
        """Make steps until one of them is the last, for the reason in its record.

        Parameters
        ----------
        objective : Objective
            The function to minimise.
        theta : array_like
            (P,): the point to begin at; it is not changed.
        steps : int
            The largest number of steps.

        Returns
        -------
        ndarray
            (P,), float64: the last point.
        list of StepRecord
            One for each step.
        """
        at, records = np.array(theta, np.float64), list[StepRecord]()
        while len(records) < steps and not (records and records[-1].stopped):
            records.append(self.step(objective, at))
        return at, records
