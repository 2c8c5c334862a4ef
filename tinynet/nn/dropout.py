"""Dropout."""

from __future__ import annotations

from tinynet import ops
from tinynet.core.engine import Tensor
from tinynet.core.transaction import training
from tinynet.errors import ArgumentError
from tinynet.nn.layer import Layer
from tinynet.ops import random


class Dropout(Layer):
    """In training, set each value to 0 with a given probability, and divide the others by the probability to be kept.

    So the expected value does not change. In inference, the layer returns its input.

    Parameters
    ----------
    rate : float
        The probability to be set to 0, from 0 to below 1.
    name : str, optional
        As for every layer.

    Raises
    ------
    ArgumentError
        If the rate is out of its range.

    References
    ----------
    Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", JMLR 15, 2014.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> layer = tn.Dropout(0.5)
    >>> layer(np.ones(4))
    Tensor([1., 1., 1., 1.])
    >>> with tn.train_mode(seed=5):
    ...     layer(np.ones(4))
    Tensor([0., 0., 2., 0.])
    """

    kind = "dropout"

    def __init__(self, rate: float, name: str | None = None) -> None:
        super().__init__(name)
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate < 1:
            raise ArgumentError(f"Dropout: rate must be a number from 0 to below 1, but got {rate!r}")
        self.rate = float(rate)

    def forward(self, x: Tensor) -> Tensor:
        """Drop values in training."""
        if not training() or not self.rate:
            return x
        kept = random.bernoulli(1 - self.rate, x.shape)
        return ops.where(kept, x / (1 - self.rate), 0)
