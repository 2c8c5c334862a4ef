"""Full-batch optimizers: a direction of descent, and a line search that decides how far to follow it.

Gradient descent goes against the gradient, Newton's method where the Hessian says; it never sees that but in products.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from tinynet.arguments import positive
from tinynet.errors import ArgumentError, DTypeError, NonFiniteError
from tinynet.objective import Objective
from tinynet.optim.optimizer import Array, State
from tinynet.threads import kernel_gate

Vector = npt.NDArray[np.float64]
_NOTHING = 2.0**-100  # a step so small is none, even from parameters that are 0


@dataclass(frozen=True)
class Backtracking:
    """A line search: from ``initial_step``, shrink t by ``beta`` until L(theta) - L(theta + t d) >= -alpha t <g, d>.

    A trial that is not finite counts as one that did not decrease.

    Parameters
    ----------
    alpha : float
        The share of the decrease that the slope promises, above 0 and below 1.
    beta : float
        The factor of each shrinking, above 0 and below 1.
    initial_step : float
        The first t, above 0.

    Raises
    ------
    ArgumentError
        If an argument is out of its range.

    References
    ----------
    Armijo, "Minimization of functions having Lipschitz continuous first partial derivatives", Pacific J. Math. 16,
    1966; Boyd and Vandenberghe, "Convex Optimization", algorithm 9.2.

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.Backtracking().search(lambda t: (1 - 10 * t) ** 2, value=1.0, slope=-20.0, least=0.0)
    (0.125, 0.0625, 4)
    """

    alpha: float = 0.01
    beta: float = 0.5
    initial_step: float = 1.0

    def __post_init__(self) -> None:
        for name in ("alpha", "beta", "initial_step"):
            number = positive("Backtracking", name, getattr(self, name))
            if name != "initial_step" and number >= 1:
                raise ArgumentError(f"Backtracking: {name} must be below 1, but got {number!r}")

    def search(
        self, phi: Callable[[float], float], value: float, slope: float, least: float, slack: float = 0.0
    ) -> tuple[float, float, int]:
        """Find a step along a line.

        Parameters
        ----------
        phi : callable
            The function on the line.
        value, slope : float
            Its value and its slope, below 0, at 0.
        least : float
            Steps up to this one are nothing.
        slack : float
            By how much the decrease may fall short.

        Returns
        -------
        (float, float, int)
            The step, the value there, and the trials; a step of 0 if none was found.
        """
        t, trials = self.initial_step, 0
        while t > least:
            trial, trials = phi(t), trials + 1
            if math.isfinite(trial) and value - trial >= -self.alpha * t * slope - slack:
                return t, trial, trials
            t *= self.beta
        return 0.0, value, trials


@dataclass(frozen=True)
class StepRecord:
    """What a step of a full-batch optimizer did.

    Attributes
    ----------
    loss : float
        After the step.
    gradient_norm : float
        Before it.
    step_size : float
        The t that was accepted; 0 if there was no step.
    trials : int
        Values of t that were tried.
    margin : float
        By how much the decrease exceeds what the search asks for, -alpha t <g, d>.
    evaluations : int
        Of the loss, with its gradient or along the line, and of products with the Hessian.
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
        How far a step goes.
    tolerance : float
        The run ends where the norm of the gradient is no larger.
    weight_decay : float
        The factor of a penalty (weight_decay / 2) |theta|^2 on all parameters that `fit` adds to the loss; the figures
        of a run leave it out. An `Objective` of one's own has its own.

    Raises
    ------
    ArgumentError
        If the line search is none, or a number is below 0.
    """

    line_search: Backtracking = Backtracking()
    tolerance: float = 0.0
    weight_decay: float = 0.0
    round_off: ClassVar[float] = 0.0  # how many roundings of the loss a decrease may fall short by

    def __post_init__(self) -> None:
        name = type(self).__name__
        if not isinstance(self.line_search, Backtracking):
            raise ArgumentError(f"{name}: line_search must be a tn.Backtracking, but got {self.line_search!r}")
        for argument in ("tolerance", "weight_decay"):
            positive(name, argument, getattr(self, argument), zero=True)

    def direction(self, objective: Objective, theta: Array, gradient: Vector) -> tuple[Vector, int]:
        """Give the direction of a step, and the products with the Hessian that it took."""
        raise NotImplementedError(f"{type(self).__name__} has no direction; define it")

    def initial_state(self, theta: Array) -> State:
        """Give the state before the first step: none of its own; what steps carry is the objective's."""
        return {}

    def step(self, objective: Objective, theta: Array) -> StepRecord:
        """Move theta, in place, by one step.

        Parameters
        ----------
        objective : Objective
            What is minimised.
        theta : ndarray
            (P,), floating.

        Returns
        -------
        StepRecord
            What was done.

        Raises
        ------
        DTypeError, ShapeError
            If theta is no floating array, or not of that length.
        NonFiniteError
            If the loss or its gradient is NaN or infinite at theta.
        """
        if not isinstance(theta, np.ndarray) or theta.dtype.kind != "f":
            came = getattr(theta, "dtype", type(theta).__name__)
            raise DTypeError(f"theta must be a floating array, which a step changes in place, but got {came}")
        record = self._step(objective, theta)
        if record.stopped and objective.forget():  # what was carried here has roundings, which may not end a run
            record = replace(again := self._step(objective, theta), evaluations=record.evaluations + again.evaluations)
        return record

    @kernel_gate()  # or BLAS on several threads would round scalar products of long vectors otherwise
    def _step(self, objective: Objective, theta: Array) -> StepRecord:
        loss, gradient = objective.value_and_gradient(theta)
        norm = float(np.linalg.norm(gradient))
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise NonFiniteError(f"the loss is {loss} and the norm of its gradient {norm}, so no step can be made")
        if norm <= self.tolerance:
            return StepRecord(loss, norm, 0.0, 0, 0.0, 1, f"the gradient norm, {norm:.3g}, is within the tolerance")
        d, products = self.direction(objective, theta, gradient)
        slope = float(gradient @ d)
        if not -math.inf < slope < 0:
            return StepRecord(
                loss, norm, 0.0, 0, 0.0, 1 + products, f"no direction of descent: the slope is {slope:.3g}"
            )
        eps = np.finfo(theta.dtype).eps
        least = eps * float(np.abs(theta).max()) / float(np.abs(d).max()) / 4 + _NOTHING
        t, after, trials = self.line_search.search(
            objective.along(theta, d), loss, slope, least, self.round_off * eps * abs(loss)
        )
        theta += (t * d).astype(theta.dtype)
        objective.follow(t)
        margin = loss - after + self.line_search.alpha * t * slope
        stopped = "" if t else f"no decrease along the direction: the step shrank to nothing in {trials} trials"
        return StepRecord(after, norm, t, trials, margin, 1 + products + trials, stopped)

    def minimize(self, objective: Objective, theta: npt.ArrayLike, steps: int = 100) -> tuple[Vector, list[StepRecord]]:
        """Make steps until one says why it is the last.

        Parameters
        ----------
        objective : Objective
            What is minimised.
        theta : array_like
            (P,): where to begin; it is not changed.
        steps : int
            The most steps to make.

        Returns
        -------
        ndarray
            (P,), float64: where the run ended.
        list of StepRecord
            One for each step.
        """
        at, records = np.array(theta, np.float64), list[StepRecord]()
        while len(records) < steps and not (records and records[-1].stopped):
            records.append(self.step(objective, at))
        return at, records


@dataclass(frozen=True)
class GradientDescent(LineSearchOptimizer):
    """Gradient descent on all samples: d = -g, with a line search for the step.

    Parameters
    ----------
    line_search : Backtracking
        How far a step goes.
    tolerance : float
        The run ends where the norm of the gradient is no larger.
    weight_decay : float
        The factor of a penalty (weight_decay / 2) |theta|^2 on all parameters that `fit` adds to the loss; the figures
        of a run leave it out. An `Objective` of one's own has its own.

    Raises
    ------
    ArgumentError
        If the line search is none, or a number is below 0.

    References
    ----------
    Boyd and Vandenberghe, "Convex Optimization", algorithm 9.3.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> model = tn.Sequential([tn.Input((2,)), tn.Dense(1, "sigmoid", kernel_init="zeros")], dtype="float64")
    >>> history = model.fit([[1.0, 0.0], [1.0, 2.0]], [0, 1], epochs=20, batch_size=None, verbose=0,
    ...                     loss="binary_cross_entropy", optimizer=tn.GradientDescent(tn.Backtracking(beta=0.8)))
    >>> bool(history.history["loss"][-1] < history.history["loss"][0] < 0.69)
    True
    """

    def direction(self, objective: Objective, theta: Array, gradient: Vector) -> tuple[Vector, int]:
        """Give the direction against the gradient."""
        return -gradient, 0


@dataclass(frozen=True)
class Newton(LineSearchOptimizer):
    """Newton's method: H d = -g, solved by conjugate gradients that never see H itself, with a line search.

    Parameters
    ----------
    line_search : Backtracking
        How far a step goes; the full step of Newton is t = 1. A decrease may fall short by 4 eps |loss|, which is
        rounding.
    tolerance : float
        The run ends where the norm of the gradient is no larger.
    weight_decay : float
        The factor of a penalty (weight_decay / 2) |theta|^2 on all parameters that `fit` adds to the loss; the figures
        of a run leave it out. An `Objective` of one's own has its own.

    Raises
    ------
    ArgumentError
        If the line search is none, or a number is below 0.

    Notes
    -----
    The system is solved to a residual of min(0.5, |g|) |g|, so that steps converge quadratically near the minimum.
    Where a direction of negative curvature is met, what is solved so far is taken, or -g.

    References
    ----------
    Nocedal and Wright, "Numerical Optimization", 2nd ed., algorithm 7.1 (line search Newton-CG).

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.normal(size=(50, 3)), rng.integers(0, 2, 50)
    >>> model = tn.Sequential([tn.Input((3,)), tn.Dense(1, "sigmoid")], seed=0, dtype="float64")
    >>> objective = tn.Objective(model, x, y, loss="binary_cross_entropy", l2=0.1)
    >>> theta, records = tn.Newton(tolerance=1e-12).minimize(objective, model.theta)
    >>> bool(np.linalg.norm(objective.value_and_gradient(theta)[1]) <= 1e-12), len(records) < 10
    (True, True)
    """

    tolerance: float = 1e-10
    round_off: ClassVar[float] = 4.0

    def direction(self, objective: Objective, theta: Array, gradient: Vector) -> tuple[Vector, int]:
        """Solve H d = -g, about."""
        d, residual, p, products = np.zeros_like(gradient), gradient.copy(), -gradient, 0
        square = float(residual @ residual)
        enough = min(0.5, math.sqrt(square)) * math.sqrt(square)
        while math.sqrt(square) > enough and products < 2 * gradient.size:
            curved, products = objective.hvp(theta, p), products + 1
            curvature = float(p @ curved)
            if not curvature > 0:
                return (d if products > 1 else -gradient), products
            d += square / curvature * p
            residual += square / curvature * curved
            square, before = float(residual @ residual), square
            p = -residual + square / before * p
        return d, products
