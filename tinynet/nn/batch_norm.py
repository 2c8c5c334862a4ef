"""Batch normalisation."""

from __future__ import annotations

import numpy as np

from tinynet.checks import check_positive
from tinynet.core.engine import Tensor, constant, is_constant
from tinynet.core.spec import Shape
from tinynet.core.transaction import training
from tinynet.errors import ArgumentError, ShapeError
from tinynet.nn.folding import folded
from tinynet.nn.layer import Layer


class BatchNorm(Layer):
    """Bring each feature, the last axis, to mean 0 and variance 1, then scale and shift it: y = gamma x' + beta.

    In training, the mean and the (biased) variance are those of the batch, over all other axes. The layer keeps running
    means of both: running = momentum running + (1 - momentum) batch. In inference, and if the layer is frozen, these
    are used.

    Parameters
    ----------
    momentum : float
        The share of the running means that is kept in a step, from 0 to below 1.
    epsilon : float
        Added to the variance, above 0.
    name : str, optional
        As for every layer.

    Raises
    ------
    ArgumentError
        If an argument is out of its range.

    Notes
    -----
    Parameters are "gamma" and "beta", states "mean" and "variance", all (C,).

    The variance is computed and kept in the dtype of the model. In float32, it overflows if values differ by more than
    about 1e19. The layer then returns its shift beta, in training and in inference, as that of PyTorch does. Scale such
    data first, or make the model with ``dtype="float64"``.

    References
    ----------
    Ioffe and Szegedy, "Batch normalization: accelerating deep network training by reducing internal covariate shift",
    ICML 2015, algorithm 1; the running variance is the biased one, as in Keras.

    Examples
    --------
    >>> import tinynet as tn
    >>> layer = tn.BatchNorm()
    >>> with tn.train_mode(seed=0):
    ...     y = layer([[1.0], [3.0]])
    >>> y.data.round(2).tolist(), layer.mean.data.round(2).tolist(), layer.variance.data.round(2).tolist()
    ([[-1.0], [1.0]], [0.2], [1.0])
    """

    kind = "batch_norm"

    def __init__(self, momentum: float = 0.9, epsilon: float = 1e-5, name: str | None = None) -> None:
        super().__init__(name)
        self.momentum = check_positive("BatchNorm", "momentum", momentum, zero=True)
        if self.momentum >= 1:
            raise ArgumentError(f"BatchNorm: momentum must be below 1, but got {momentum!r}")
        self.epsilon = check_positive("BatchNorm", "epsilon", epsilon)

    def build(self, input_shape: Shape, rng: np.random.Generator) -> None:
        """Create the parameters and the running means."""
        if not input_shape:
            raise ShapeError("BatchNorm takes samples with at least one axis, (n, features)")
        ones = lambda shape, rng: np.ones(shape)  # noqa: E731
        self.gamma = self.add_parameter("gamma", input_shape[-1:], ones, decay=False)
        self.beta = self.add_parameter("beta", input_shape[-1:], decay=False)
        self.mean = self.add_state("mean", input_shape[-1:])
        self.variance = self.add_state("variance", input_shape[-1:], ones)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise, scale and shift."""
        mean: Tensor = self.mean
        variance: Tensor = self.variance
        if training() and self.trainable:
            axes = tuple(range(x.ndim - 1))
            mean = x.mean(axes)
            variance = ((x - mean) ** 2).mean(axes)
            self.mean.assign(self.momentum * self.mean + (1 - self.momentum) * mean)
            self.variance.assign(self.momentum * self.variance + (1 - self.momentum) * variance)
        if is_constant(self.gamma):  # in a frozen predictor
            return self._constant(x)
        return (x - mean) * (self.gamma / (variance + self.epsilon) ** 0.5) + self.beta

    def _constant(self, x: Tensor) -> Tensor:
        """Normalise by constants: the scale is computed in advance, and folded into the layer before if possible."""
        scale = self.gamma.data / np.sqrt(self.variance.data + self.variance.dtype.type(self.epsilon))
        found = folded(x, self.mean.data, scale, self.beta.data)
        return (x - self.mean) * constant(scale) + self.beta if found is None else found
