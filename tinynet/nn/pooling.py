"""Pooling: each window of an image becomes one value."""

from __future__ import annotations

import numpy as np

from tinynet.core.engine import Tensor
from tinynet.core.spec import Shape
from tinynet.nn.layer import Layer
from tinynet.ops.conv import check_images, check_padding, pair
from tinynet.ops.pool import max_pool


class MaxPool(Layer):
    """The maximum of each window of images (n, H, W, C).

    Parameters
    ----------
    pool_size : int or (int, int)
        The height and width of the windows.
    stride : int or (int, int), optional
        The step between windows; the window itself by default. Windows may overlap.
    padding : {"valid", "same"}
        Only windows inside the image; or also windows over its edge, so that the output has ceil(H / stride) rows.
    name : str, optional
        As for every layer.

    Raises
    ------
    ArgumentError
        If a size is not 1 or more, or the padding is not one of the above.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.MaxPool(2)(np.ones((1, 6, 6, 3))).shape
    (1, 3, 3, 3)
    """

    kind = "max_pooling2d"

    def __init__(
        self,
        pool_size: int | tuple[int, int] = 2,
        stride: int | tuple[int, int] | None = None,
        padding: str = "valid",
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.pool_size = pair("MaxPool", "pool_size", pool_size)
        self.stride = self.pool_size if stride is None else pair("MaxPool", "stride", stride)
        self.padding = check_padding("MaxPool", padding)

    def build(self, input_shape: Shape, rng: np.random.Generator) -> None:
        """Check that the input is images."""
        check_images("MaxPool", input_shape)

    def forward(self, x: Tensor) -> Tensor:
        """Take the maxima."""
        return max_pool(x, self.pool_size, self.stride, self.padding)
