"""Images turned at random."""

from __future__ import annotations

import math

from tinynet import ops
from tinynet.core.engine import Tensor
from tinynet.errors import ArgumentError
from tinynet.nn.augmentation import Augmentation
from tinynet.ops import random


class RandomRotation(Augmentation):
    """In training, turn each image about its middle by an angle of its own, bilinear between pixels.

    Parameters
    ----------
    factor : float or (float, float)
        The least and the largest angle, in full turns, counter-clockwise if above 0. A single number stands for
        (-factor, factor): 0.1 means up to 36 degrees either way. As in Keras, but pixels outside of the image are 0.
    name : str, optional
        As for every layer.

    Raises
    ------
    ArgumentError
        If it is not one of these.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> image, layer = np.arange(4.0).reshape(1, 2, 2, 1), tn.RandomRotation((0.25, 0.25))
    >>> with tn.train_mode(seed=0):
    ...     turned = layer(image)
    >>> np.abs(np.round(turned.data[0, :, :, 0], 6))
    array([[1., 3.],
           [0., 2.]])
    """

    kind = "random_rotation"

    def __init__(self, factor: float | tuple[float, float], name: str | None = None) -> None:
        super().__init__(name)
        try:
            low, high = (-factor, factor) if isinstance(factor, int | float) else map(float, factor)
        except (TypeError, ValueError):
            low, high = 0.0, -1.0
        if not -math.inf < low <= high < math.inf:
            raise ArgumentError(
                f"RandomRotation: factor must be a number of 0 or more, or (low, high), but got {factor!r}"
            )
        self.factor = (float(low), float(high))

    def places(self, n: int, h: int, w: int, dtype: str) -> tuple[tuple[Tensor | float, ...], ...]:
        """Return the places, turned by the negative angle."""
        low, high = (2 * math.pi * turns for turns in self.factor)
        angle = random.uniform((n,), low, high, dtype)
        sin, cos = ops.sin(angle), ops.cos(angle)
        i, j = (h - 1) / 2, (w - 1) / 2
        return (cos, sin, i - cos * i - sin * j), (-sin, cos, j + sin * i - cos * j)
