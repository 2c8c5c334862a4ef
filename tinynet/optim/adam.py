"""Adam."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.checks import check_positive
from tinynet.core.engine import Op, Tensor
from tinynet.core.spec import Array
from tinynet.errors import ArgumentError
from tinynet.optim.optimizer import Optimizer, Slots


def _step(
    theta: Array,
    first: Array,
    second: Array,
    steps: Array,
    gradient: Array,
    rate: Array,
    beta1: float,
    beta2: float,
    epsilon: float,
    decay: float = 0.0,
) -> tuple[Array, ...]:
    theta = theta * theta.dtype.type(1 - rate * decay)
    first = beta1 * first + (1 - beta1) * gradient
    second = beta2 * second + (1 - beta2) * (gradient * gradient)
    mean, square = first / theta.dtype.type(1 - beta1**steps), second / theta.dtype.type(1 - beta2**steps)
    return theta - rate * mean / (np.sqrt(square) + epsilon), first, second


adam: Op = Op(
    "adam",
    infer=lambda *inputs, **betas: inputs[:3],
    compute=_step,
    formula="theta - rate m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon), and the new m and v; first of "
    "all theta (1 - rate decay) in place of theta",
    source="Kingma and Ba, arXiv:1412.6980, algorithm 1",
)


class Adam(Optimizer):
    """Adam: a step along the mean of past gradients, divided for each parameter by the root of its mean square.

    With the gradient g and from m = v = 0: m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2; in step t,
    theta = theta - rate m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon).

    Parameters
    ----------
    learning_rate : float
        The rate, above 0: about how far each parameter moves in a step.
    beta1, beta2 : float
        The share of the mean of the gradients, and of the mean of their squares, that is kept in a step, from 0 to
        below 1.
    epsilon : float
        Keeps the quotient finite, above 0.
    weight_decay : float
        The factor of an L2 penalty, ``(weight_decay / 2) |theta|^2``, whose gradient is part of the moments. `AdamW`
        decays the parameters themselves.
    decay, clip_norm, clip_value
        As for `Optimizer`.

    Raises
    ------
    ArgumentError
        If an argument is out of its range.

    References
    ----------
    Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 1.

    Examples
    --------
    >>> import tinynet as tn
    >>> model = tn.Sequential([tn.Input((2,)), tn.Dense(1, kernel_init="zeros")])
    >>> loss = (model([[1.0, 2.0]]) - 1.0).sum()
    >>> loss.backward()
    >>> tn.Adam(0.1).step(model)
    >>> model.theta
    array([-0.1, -0.1, -0.1], dtype=float32)
    """

    slots = ("first_moment", "second_moment")

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
        decay: str = "all",
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay, decay, clip_norm, clip_value)
        name = type(self).__name__
        self.beta1 = check_positive(name, "beta1", beta1, zero=True)
        self.beta2 = check_positive(name, "beta2", beta2, zero=True)
        if max(self.beta1, self.beta2) >= 1:
            raise ArgumentError(f"{name}: beta1 and beta2 must be below 1, but got {beta1!r} and {beta2!r}")
        self.epsilon = check_positive(name, "epsilon", epsilon)

    def initial_state(self, theta: Array) -> Slots:
        """Return the moments and the number of steps before the first step."""
        return {**super().initial_state(theta), "steps": np.zeros((), np.int64)}

    def update(self, theta: Tensor, gradient: Tensor, learning_rate: Any, **state: Tensor) -> tuple[Tensor, ...]:
        """Return the new theta, the new moments and the number of steps."""
        return self._moved(theta, self.penalised(theta, gradient), learning_rate, 0.0, **state)

    def _moved(
        self, theta: Tensor, gradient: Tensor, learning_rate: Any, decay: float, **state: Tensor
    ) -> tuple[Tensor, ...]:
        numbers = {"beta1": self.beta1, "beta2": self.beta2, "epsilon": self.epsilon, "decay": decay}
        first, second = (state[name] for name in self.slots)
        steps = state["steps"] + 1
        new: tuple[Tensor, ...] = adam(theta, first, second, steps, gradient, learning_rate, **numbers)
        return *new, steps
