"""Newton's method, which uses the Hessian only in products."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tinynet.core.spec import Array
from tinynet.fullbatch.line_search import LineSearchOptimizer, Vector, computed_in
from tinynet.fullbatch.objective import Objective, dot


@dataclass(frozen=True)
class Newton(LineSearchOptimizer):
    """Newton's method: H d = -g, solved by conjugate gradients, which need only products with H, and a line search.

    Parameters
    ----------
    line_search : Backtracking
        Finds the length of a step; the full step of Newton's method is t = 1. A decrease may fall short by 4 eps
        |loss|, which is rounding.
    tolerance : float
        The run ends when the norm of the gradient is at most this.
    weight_decay : float
        The factor of a penalty (weight_decay / 2) |theta|^2 on all parameters, which `fit` adds to the loss; the
        measures of a run do not include it. An `Objective` that you make yourself has its own penalty.

    Raises
    ------
    ArgumentError
        If ``line_search`` is not a line search, or a number is below 0.

    Notes
    -----
    The system is solved to a residual of min(0.5, |g|) |g|, so that steps converge quadratically near the minimum. If a
    direction has negative curvature, or one that rounding hides, the solution so far is used, or -g: a network with
    more parameters than it needs has directions along which the loss is flat.

    A small gradient does not prove a minimum. If the classes can be separated and there is no penalty, the loss falls
    for ever while the parameters grow. With ``l2``, the objective has a minimum.

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
        """Solve H d = -g approximately."""
        d, residual, p, products = np.zeros_like(gradient), gradient.copy(), -gradient, 0
        square = dot(residual, residual)
        enough = min(0.5, math.sqrt(square)) * math.sqrt(square)
        most, flat = 0.0, 8 * np.finfo(computed_in(objective, theta)).eps
        while math.sqrt(square) > enough and products < 2 * gradient.size:
            curved, products = objective.hvp(theta, p), products + 1
            curvature = dot(p, curved)
            most = max(most, curvature / dot(p, p))
            if not curvature > flat * most * dot(p, p):
                return (d if products > 1 else -gradient), products
            d += square / curvature * p
            residual += square / curvature * curved
            square, before = dot(residual, residual), square
            p = -residual + square / before * p
        return d, products
