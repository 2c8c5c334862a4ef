"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from tinynet.checks import check_positive
from tinynet.core.engine import Op, Tensor
from tinynet.core.spec import Array
from tinynet.errors import ArgumentError
from tinynet.optim.optimizer import Optimizer


def _step(
    theta: Array, velocity: Array, gradient: Array, rate: Array, momentum: Array, nesterov: bool
) -> tuple[Array, ...]:
    velocity = momentum * velocity + gradient
    direction = gradient + momentum * velocity if nesterov else velocity
    return theta - rate * direction, velocity


momentum_step: Op = Op(
    "momentum_step",
    infer=lambda *inputs, nesterov: inputs[:2],
    compute=_step,
    formula="v = momentum v + g; theta - rate v, or theta - rate (g + momentum v) with Nesterov; and v",
)


class SGD(Optimizer):
    """Stochastic gradient descent: g = gradient + weight_decay theta; v = momentum v + g; theta = theta - rate v.

    With Nesterov's momentum, theta = theta - rate (g + momentum v).

    Parameters
    ----------
    learning_rate : float
        The rate, above 0.
    momentum : float
        The share of the last step's direction that is kept, from 0 to below 1. Like the learning rate, it may be
        changed between steps.
    weight_decay : float
        The factor of an L2 penalty, ``(weight_decay / 2) |theta|^2``, 0 or more.
    nesterov : bool
        Use the gradient as if it were that of the point to which the momentum alone leads; needs a momentum.
    decay, clip_norm, clip_value
        As for `Optimizer`.

    Raises
    ------
    ArgumentError
        If an argument is out of its range.

    References
    ----------
    Sutskever et al., "On the importance of initialization and momentum in deep learning", ICML 2013, with the learning
    rate outside of the velocity, as in PyTorch. Nesterov's momentum in the form of Bengio, Boulanger-Lewandowski and
    Pascanu, "Advances in optimizing recurrent networks", ICASSP 2013, section 3.5.

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

    live = ("momentum",)
    momentum = 0.0

    def __init__(
        self,
        learning_rate: float = 0.01,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        decay: str = "all",
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay, decay, clip_norm, clip_value)
        self.momentum = check_positive("SGD", "momentum", momentum, zero=True)
        if self.momentum >= 1:
            raise ArgumentError(f"SGD: momentum must be below 1, but got {momentum!r}")
        if nesterov and not self.momentum:
            raise ArgumentError("SGD: nesterov=True needs a momentum above 0, such as momentum=0.9")
        self.nesterov = bool(nesterov)

    @property
    def slots(self) -> tuple[str, ...]:  # type: ignore[override]
        """The velocity, if there is a momentum."""
        return ("velocity",) if self.momentum else ()

    def update(self, theta: Tensor, gradient: Tensor, learning_rate: Any, **state: Tensor) -> tuple[Tensor, ...]:
        """Return the new theta and, with momentum, the new velocity."""
        gradient = self.penalised(theta, gradient)
        if not self.momentum:
            return (theta - learning_rate * gradient,)
        inputs = theta, state["velocity"], gradient, learning_rate, state["momentum"]
        new: tuple[Tensor, ...] = momentum_step(*inputs, nesterov=self.nesterov)
        return new
