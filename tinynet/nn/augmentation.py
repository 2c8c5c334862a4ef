"""Augmentation: in training only, each image is changed at random.

These layers come after `Input`. They take images (n, H, W, C), floating or of bytes. Outside of an image, pixels are 0.
"""

from __future__ import annotations

import numpy as np

from tinynet import ops
from tinynet.core.engine import Tensor
from tinynet.core.spec import Shape
from tinynet.core.transaction import training
from tinynet.nn.layer import Layer
from tinynet.ops.conv import check_images
from tinynet.ops.warp import warp


class Augmentation(Layer):
    """The base of these layers; a subclass has a method ``places``."""

    def build(self, input_shape: Shape, rng: np.random.Generator) -> None:
        """Check that the input is images."""
        check_images(type(self).__name__, input_shape)

    def forward(self, x: Tensor) -> Tensor:
        """In training, take each pixel from its place in the old image."""
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
