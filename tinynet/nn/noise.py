"""Noise."""

from __future__ import annotations

from tinynet.checks import check_positive
from tinynet.core.engine import Tensor
from tinynet.core.transaction import training
from tinynet.nn.layer import Layer
from tinynet.ops import random


class GaussianNoise(Layer):
    """In training, add a normal random number of mean 0 to each value. In inference, return the input.

    Parameters
    ----------
    stddev : float
        The standard deviation of the noise, 0 or more.
    name : str, optional
        As for every layer.

    Raises
    ------
    ArgumentError
        If the standard deviation is out of its range.
    DTypeError
        In training, if the input is not floating.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> layer = tn.GaussianNoise(0.1)
    >>> layer(np.ones(3))
    Tensor([1., 1., 1.])
    >>> with tn.train_mode(seed=0):
    ...     noisy = layer(np.ones(10000))
    >>> round(noisy.data.mean(), 2), round(noisy.data.std(), 2)
    (np.float64(1.0), np.float64(0.1))
    """

    kind = "gaussian_noise"

    def __init__(self, stddev: float, name: str | None = None) -> None:
        super().__init__(name)
        self.stddev = check_positive("GaussianNoise", "stddev", stddev, zero=True)

    def forward(self, x: Tensor) -> Tensor:
        """Add noise in training."""
        if not training() or not self.stddev:
            return x
        return x + self.stddev * random.normal(x.shape, dtype=x.dtype)
