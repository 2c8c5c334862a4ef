"""Augmentation: images that are moved, mirrored and turned at random, each in its own way, in training only.

These layers stand after `Input`. They take images (n, H, W, C), floating or of bytes; beside an image is 0.
"""

from __future__ import annotations

import math

import numpy as np

from tinynet import ops
from tinynet.core.engine import Tensor
from tinynet.core.spec import Shape
from tinynet.core.transaction import training
from tinynet.errors import ArgumentError
from tinynet.nn.layer import Layer
from tinynet.ops import random
from tinynet.ops.conv import check_images
from tinynet.ops.warp import warp


class _Augmentation(Layer):
    """What the layers share; a subclass has a ``places``."""

    def build(self, input_shape: Shape, rng: np.random.Generator) -> None:
        """Check that the input is images."""
        check_images(type(self).__name__, input_shape)

    def forward(self, x: Tensor) -> Tensor:
        """Take each pixel from its place, in training."""
        if not training():
            return x
        n, h, w, _ = x.shape
        dtype = "float64" if x.dtype == np.float64 else "float32"
        down, across = self.places(n, h, w, dtype)
        zero = np.zeros(n, dtype)
        rows = [part if isinstance(part, Tensor) else zero + part for part in (*down, *across)]
        return warp(x, ops.reshape(ops.stack(rows, axis=1), (n, 2, 3)))

    def places(self, n: int, h: int, w: int, dtype: str) -> tuple[tuple[Tensor | float, ...], ...]:
        """Return (a, b, t) and (d, e, u): pixel (i, j) is taken from row a i + b j + t, column d i + e j + u.

        Each is a number for all images, or a vector (n,) with one for each.
        """
        raise NotImplementedError


class RandomShift(_Augmentation):
    """In training, move each image by whole pixels, up or down, left or right; what comes into view is 0.

    All distances up to the largest are equally likely. As Keras' RandomTranslation with fill_mode="constant", but that
    no pixel is interpolated.

    Parameters
    ----------
    height, width : int or float
        The largest distance, down or up, and across: an int counts pixels, a float from 0 to 1 is the share of the
        image's height or width, rounded to pixels. The width is as the height if not given.
    name : str, optional
        As for every layer.

    Raises
    ------
    ArgumentError
        If a distance is below 0, or a float above 1.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> image, layer = np.arange(1.0, 10.0).reshape(1, 3, 3, 1), tn.RandomShift(1)
    >>> np.array_equal(layer(image).data, image)
    True
    >>> with tn.train_mode(seed=1):
    ...     moved = layer(image)
    >>> moved.data[0, :, :, 0]
    array([[0., 1., 2.],
           [0., 4., 5.],
           [0., 7., 8.]])
    """

    kind = "random_shift"

    def __init__(self, height: float, width: float | None = None, name: str | None = None) -> None:
        super().__init__(name)
        self.height = self._distance("height", height)
        self.width = self.height if width is None else self._distance("width", width)

    def _distance(self, argument: str, given: float) -> float:
        is_number = isinstance(given, int | float) and not isinstance(given, bool)
        if not is_number or given < 0 or not (isinstance(given, int) or given <= 1):
            raise ArgumentError(
                f"RandomShift: {argument} must be an integer of 0 or more, in pixels, or a float from 0 to 1, the "
                f"share of the image, but got {given!r}"
            )
        return given

    def places(self, n: int, h: int, w: int, dtype: str) -> tuple[tuple[Tensor | float, ...], ...]:
        """Return the places as they are, moved."""
        t, u = (self._draw(n, most, length, dtype) for most, length in ((self.height, h), (self.width, w)))
        return (1, 0, t), (0, 1, u)

    def _draw(self, n: int, most: float, length: int, dtype: str) -> Tensor:
        """Draw whole numbers from -most to most."""
        pixels = most if isinstance(most, int) else round(most * length)
        parts = random.uniform((n,), high=2 * pixels + 1)  # rounding does not lead to the upper end
        return ops.cast(ops.cast(parts, "int64"), dtype) - pixels


class RandomFlip(_Augmentation):
    """In training, mirror each image with a probability of one half, in each of the directions asked for.

    Parameters
    ----------
    mode : {"horizontal_and_vertical", "horizontal", "vertical"}
        Left and right are exchanged, top and bottom, or either.
    name : str, optional
        As for every layer.

    Raises
    ------
    ArgumentError
        If the mode is none of these.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> images, layer = np.tile(np.arange(3.0), (4, 1)).reshape(4, 1, 3, 1), tn.RandomFlip("horizontal")
    >>> with tn.train_mode(seed=0):
    ...     flipped = layer(images)
    >>> flipped.data[:, 0, :, 0]
    array([[0., 1., 2.],
           [2., 1., 0.],
           [0., 1., 2.],
           [2., 1., 0.]])
    """

    kind = "random_flip"

    def __init__(self, mode: str = "horizontal_and_vertical", name: str | None = None) -> None:
        super().__init__(name)
        if mode not in ("horizontal_and_vertical", "horizontal", "vertical"):
            raise ArgumentError(
                f'RandomFlip: mode must be "horizontal_and_vertical", "horizontal" or "vertical", but got {mode!r}'
            )
        self.mode = mode

    def places(self, n: int, h: int, w: int, dtype: str) -> tuple[tuple[Tensor | float, ...], ...]:
        """Return the places counted from the one end or from the other."""
        a, t = self._draw(n, h, dtype) if "vertical" in self.mode else (1, 0)
        e, u = self._draw(n, w, dtype) if "horizontal" in self.mode else (1, 0)
        return (a, 0, t), (0, e, u)

    def _draw(self, n: int, length: int, dtype: str) -> tuple[Tensor, Tensor]:
        flipped = ops.cast(random.bernoulli(0.5, (n,)), dtype)
        return 1 - 2 * flipped, flipped * (length - 1)


class RandomRotation(_Augmentation):
    """In training, turn each image about its middle by an angle of its own, bilinear between pixels.

    Parameters
    ----------
    factor : float or (float, float)
        The least and the largest angle, in full turns, counter-clockwise where above 0; a single number stands for
        (-factor, factor). 0.1 are up to 36 degrees either way. As in Keras, but that beside the image is 0.
    name : str, optional
        As for every layer.

    Raises
    ------
    ArgumentError
        If it is none of these.

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
        """Return the places turned back."""
        low, high = (2 * math.pi * turns for turns in self.factor)
        angle = random.uniform((n,), low, high, dtype)
        sin, cos = ops.sin(angle), ops.cos(angle)
        i, j = (h - 1) / 2, (w - 1) / 2
        return (cos, sin, i - cos * i - sin * j), (-sin, cos, j + sin * i - cos * j)
