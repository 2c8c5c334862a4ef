"""Adam with decoupled weight decay."""

from __future__ import annotations

from typing import Any

from tinynet.core.engine import Tensor
from tinynet.optim.adam import Adam


class AdamW(Adam):
    """Adam whose weight decay is not part of the gradient: each step makes the parameters themselves smaller.

    First theta = theta - rate weight_decay theta; then comes the step of `Adam`, by the gradient of the loss alone. So
    a parameter with large gradients decays as fast as one with small gradients, unlike with an L2 penalty.

    Parameters
    ----------
    learning_rate : float
        The rate, above 0.
    weight_decay : float
        How fast parameters decay, in proportion to the learning rate, 0 or more.
    beta1, beta2, epsilon
        As for `Adam`.
    decay, clip_norm, clip_value
        As for `Optimizer`.

    Raises
    ------
    ArgumentError
        If an argument is out of its range.

    References
    ----------
    Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2, with the decay multiplied by
    the learning rate, as in PyTorch and Keras.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> model = tn.Sequential([tn.Input((2,)), tn.Dense(1, kernel_init=lambda shape, rng: np.ones(shape))])
    >>> model.zero_grad()
    >>> tn.AdamW(0.1, weight_decay=0.5).step(model)
    >>> model.theta
    array([0.95, 0.95, 0.  ], dtype=float32)
    """

    def __init__(
        self,
        learning_rate: float = 0.001,
        weight_decay: float = 0.01,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        decay: str = "all",
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ) -> None:
        super().__init__(learning_rate, beta1, beta2, epsilon, weight_decay, decay, clip_norm, clip_value)

    def update(self, theta: Tensor, gradient: Tensor, learning_rate: Any, **state: Tensor) -> tuple[Tensor, ...]:
        """Return the new theta, the new moments and the number of steps."""
        return self._moved(theta, gradient, learning_rate, self.weight_decay, **state)
