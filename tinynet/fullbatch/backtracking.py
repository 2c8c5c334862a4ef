"""Line search by backtracking."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from tinynet.checks import check_positive
from tinynet.errors import ArgumentError


@dataclass(frozen=True)
class Backtracking:
    """A line search: from ``initial_step``, shrink t by ``beta`` until L(theta) - L(theta + t d) >= -alpha t <g, d>.

    A trial that is not finite counts as one that did not decrease.

    Parameters
    ----------
    alpha : float
        The required share of the decrease that the slope predicts, above 0 and below 1.
    beta : float
        The factor by which t shrinks, above 0 and below 1.
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
            number = check_positive("Backtracking", name, getattr(self, name))
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
            Steps up to this one count as 0.
        slack : float
            The amount by which the decrease may fall short.

        Returns
        -------
        (float, float, int)
            The step, the value there, and the number of trials; a step of 0 if none was found.
        """
        t, trials = self.initial_step, 0
        while t > least:
            trial, trials = phi(t), trials + 1
            if math.isfinite(trial) and value - trial >= -self.alpha * t * slope - slack:
                return t, trial, trials
            t *= self.beta
        return 0.0, value, trials
