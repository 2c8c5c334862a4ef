"""RMSprop."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.checks import check_positive
from tinynet.core.engine import Op, Tensor
from tinynet.core.spec import Array
from tinynet.errors import ArgumentError
from tinynet.optim.optimizer import Optimizer


def _step(theta: Array, square: Array, gradient: Array, rate: Array, rho: float, epsilon: float) -> tuple[Array, ...]:
    square = rho * square + (1 - rho) * (gradient * gradient)
    return theta - rate * (gradient / (np.sqrt(square) + epsilon)), square


def _momentum_step(
    theta: Array,
    square: Array,
    velocity: Array,
    gradient: Array,
    rate: Array,
    momentum: Array,
    rho: float,
    epsilon: float,
) -> tuple[Array, ...]:
    square = rho * square + (1 - rho) * (gradient * gradient)
    velocity = momentum * velocity + gradient / (np.sqrt(square) + epsilon)
    return theta - rate * velocity, square, velocity


rmsprop: Op = Op(
    "rmsprop",
    infer=lambda *inputs, rho, epsilon: inputs[:2],
    compute=_step,
    formula="theta - rate g / (sqrt(s) + epsilon), and s = rho s + (1 - rho) g^2",
)

rmsprop_with_momentum: Op = Op(
    "rmsprop_with_momentum",
    infer=lambda *inputs, rho, epsilon: inputs[:3],
    compute=_momentum_step,
    formula="theta - rate v, s = rho s + (1 - rho) g^2, and v = momentum v + g / (sqrt(s) + epsilon)",
)


class RMSprop(Optimizer):
    """RMSprop: each parameter's step is divided by the root of the mean square of its past gradients.

    With g = gradient + weight_decay theta and from s = v = 0: s = rho s + (1 - rho) g^2;
    v = momentum v + g / (sqrt(s) + epsilon); theta = theta - rate v.

    Parameters
    ----------
    learning_rate : float
        The rate, above 0.
    rho : float
        The share of the mean square that is kept in a step, from 0 to below 1.
    momentum : float
        The share of the last step's direction that is kept, from 0 to below 1. Like the learning rate, it may be
        changed between steps.
    epsilon : float
        Keeps the quotient finite, above 0; outside of the root, as in PyTorch.
    weight_decay : float
        The factor of an L2 penalty, ``(weight_decay / 2) |theta|^2``, 0 or more.
    decay, clip_norm, clip_value
        As for `Optimizer`.

    Raises
    ------
    ArgumentError
        If an argument is out of its range.

    References
    ----------
    Tieleman and Hinton, "Neural networks for machine learning", lecture 6.5, 2012; the momentum as in PyTorch.

    Examples
    --------
    >>> import tinynet as tn
    >>> model = tn.Sequential([tn.Input((2,)), tn.Dense(1, kernel_init="zeros")])
    >>> loss = (model([[1.0, 2.0]]) - 1.0).sum()
    >>> loss.backward()
    >>> tn.RMSprop(0.1, rho=0.75).step(model)
    >>> model.theta
    array([-0.2, -0.2, -0.2], dtype=float32)
    """

    live = ("momentum",)
    momentum = 0.0

    def __init__(
        self,
        learning_rate: float = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
        decay: str = "all",
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay, decay, clip_norm, clip_value)
        self.rho = check_positive("RMSprop", "rho", rho, zero=True)
        self.momentum = check_positive("RMSprop", "momentum", momentum, zero=True)
        if max(self.rho, self.momentum) >= 1:
            raise ArgumentError(f"RMSprop: rho and momentum must be below 1, but got {rho!r} and {momentum!r}")
        self.epsilon = check_positive("RMSprop", "epsilon", epsilon)

    @property
    def slots(self) -> tuple[str, ...]:  # type: ignore[override]
        """The mean square and, where there is a momentum, the velocity."""
        return ("mean_square", "velocity") if self.momentum else ("mean_square",)

    def update(self, theta: Tensor, gradient: Tensor, learning_rate: Any, **state: Tensor) -> tuple[Tensor, ...]:
        """Return the new theta, the new mean square and, with momentum, the new velocity."""
        gradient = self.penalised(theta, gradient)
        square, numbers = state["mean_square"], {"rho": self.rho, "epsilon": self.epsilon}
        new: tuple[Tensor, ...]
        if self.momentum:
            inputs = theta, square, state["velocity"], gradient, learning_rate, state["momentum"]
            new = rmsprop_with_momentum(*inputs, **numbers)
        else:
            new = rmsprop(theta, square, gradient, learning_rate, **numbers)
        return new
