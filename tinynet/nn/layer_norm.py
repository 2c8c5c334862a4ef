"""Layer normalisation."""

from __future__ import annotations

import numpy as np

from tinynet.checks import check_positive
from tinynet.core.engine import Tensor
from tinynet.core.spec import Array, Shape
from tinynet.errors import ShapeError
from tinynet.nn.layer import Layer
from tinynet.ops.normalised import layer_norm


def ones(shape: Shape, rng: np.random.Generator) -> Array:
    """Return ones, an initial value."""
    return np.ones(shape)


class LayerNorm(Layer):
    """Bring the last axis of each sample to mean 0 and variance 1, then scale and shift it.

    y = (x - mean) / sqrt(variance + epsilon) * gamma + beta, with the mean and the biased variance of the last axis.

    Parameters
    ----------
    epsilon : float
        Added to the variance, above 0; keeps the quotient finite if all values are equal.
    name : str, optional
        As for every layer.

    Raises
    ------
    ArgumentError
        If epsilon is not above 0.

    Notes
    -----
    Parameters are "gamma", which starts at 1, and "beta", which starts at 0; both as long as the last axis.

    References
    ----------
    Ba, Kiros and Hinton, "Layer normalization", 2016, arXiv:1607.06450, eq. 4.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.LayerNorm()(np.array([[1.0, 3.0], [5.0, 5.0]])).data.round(3)
    array([[-1.,  1.],
           [ 0.,  0.]])
    """

    kind = "layer_norm"

    def __init__(self, epsilon: float = 1e-5, name: str | None = None) -> None:
        super().__init__(name)
        self.epsilon = check_positive("LayerNorm", "epsilon", epsilon)

    def build(self, input_shape: Shape, rng: np.random.Generator) -> None:
        """Create the parameters."""
        if not input_shape:
            raise ShapeError("LayerNorm takes samples with at least one axis, (n, features)")
        self.gamma = self.add_parameter("gamma", input_shape[-1:], ones, decay=False)
        self.beta = self.add_parameter("beta", input_shape[-1:], decay=False)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise, scale and shift."""
        y: Tensor = layer_norm(x, self.gamma, self.beta, epsilon=self.epsilon)[0]
        return y
