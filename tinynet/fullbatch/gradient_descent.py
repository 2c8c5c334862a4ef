"""Gradient descent on all samples."""

from __future__ import annotations

from dataclasses import dataclass

from tinynet.core.spec import Array
from tinynet.fullbatch.line_search import LineSearchOptimizer, Vector
from tinynet.fullbatch.objective import Objective


@dataclass(frozen=True)
class GradientDescent(LineSearchOptimizer):
    """Gradient descent on all samples: d = -g, with a line search for the step.

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
        """Return the direction against the gradient."""
        return -gradient, 0
