"""Images made larger."""

from __future__ import annotations

import numpy as np

from tinynet.core.engine import Tensor
from tinynet.core.spec import Shape
from tinynet.nn.layer import Layer
from tinynet.ops.conv import check_images, pair
from tinynet.ops.reduce import broadcast_to


class UpSampling(Layer):
    """Each pixel of images (n, H, W, C), repeated vertically and horizontally: the nearest neighbour of new pixels.

    Parameters
    ----------
    size : int or (int, int)
        How many times, vertically and horizontally.
    name : str, optional
        As for every layer.

    Raises
    ------
    ArgumentError
        If a size is not 1 or more.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.UpSampling(2)(np.ones((1, 4, 4, 3))).shape
    (1, 8, 8, 3)
    """

    kind = "up_sampling2d"

    def __init__(self, size: int | tuple[int, int] = 2, name: str | None = None) -> None:
        super().__init__(name)
        self.size = pair("UpSampling", "size", size)

    def build(self, input_shape: Shape, rng: np.random.Generator) -> None:
        """Check that the input is images."""
        check_images("UpSampling", input_shape)

    def forward(self, x: Tensor) -> Tensor:
        """Repeat the pixels."""
        (n, h, w, c), (down, across) = x.shape, self.size
        repeated = broadcast_to(x.reshape(n, h, 1, w, 1, c), (n, h, down, w, across, c))
        return repeated.reshape(n, h * down, w * across, c)
