"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from tinynet.checks import check_positive
from tinynet.core.engine import Tensor
from tinynet.errors import ArgumentError
from tinynet.optim.optimizer import Optimizer


class SGD(Optimizer):
    """Stochastic gradient descent: g = gradient + weight_decay theta; v = momentum v + g; theta = theta - rate v.

    Parameters
    ----------
    learning_rate : float
        The rate, above 0.
    momentum : float
        How much of the last step's direction is kept, from 0 to below 1.
    weight_decay : float
        The factor of an L2 penalty, ``(weight_decay / 2) |theta|^2``, on all parameters, 0 or more.

    Raises
    ------
    ArgumentError
        If an argument is out of its range.

    References
    ----------
    Sutskever et al., "On the importance of initialization and momentum in deep learning", ICML 2013, with the learning
    rate outside of the velocity, as in PyTorch.

    Examples
    --------
    >>> import tinynet as tn
    >>> model = tn.Sequential([tn.Input((2,)), tn.Dense(1, kernel_init="zeros")])
    >>> loss = (model([[1.0, 2.0]]) - 1.0).sum()
    >>> loss.backward()
    >>> tn.SGD(0.1).step(model)
    >>> model.theta
    array([-0.1, -0.2, -0.1], dtype=float32)
    """

    def __init__(self, learning_rate: float = 0.01, momentum: float = 0.0, weight_decay: float = 0.0) -> None:
        super().__init__(learning_rate)
        self.momentum = check_positive("SGD", "momentum", momentum, zero=True)
        if self.momentum >= 1:
            raise ArgumentError(f"SGD: momentum must be below 1, but got {momentum!r}")
        self.weight_decay = check_positive("SGD", "weight_decay", weight_decay, zero=True)
        self.slots = ("velocity",) if self.momentum else ()

    def update(self, theta: Tensor, gradient: Tensor, learning_rate: Any, **state: Tensor) -> tuple[Tensor, ...]:
        """Return the new theta and, with momentum, the new velocity."""
        if self.weight_decay:
            gradient = gradient + self.weight_decay * theta
        if not self.momentum:
            return (theta - learning_rate * gradient,)
        velocity = self.momentum * state["velocity"] + gradient
        return theta - learning_rate * velocity, velocity
