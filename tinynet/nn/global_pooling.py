"""Pooling of whole images: each channel becomes one value."""

from __future__ import annotations

import numpy as np

from tinynet.core.engine import Tensor
from tinynet.core.spec import Shape
from tinynet.nn.layer import Layer
from tinynet.ops.conv import check_images


class GlobalAvgPool(Layer):
    """The mean of each channel of images (n, H, W, C).

    References
    ----------
    Lin, Chen and Yan, "Network in network", ICLR 2014, section 3.2.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.GlobalAvgPool()(np.ones((2, 6, 6, 3))).shape
    (2, 3)
    """

    kind = "global_average_pooling2d"

    def build(self, input_shape: Shape, rng: np.random.Generator) -> None:
        """Check that the input is images."""
        check_images("GlobalAvgPool", input_shape)

    def forward(self, x: Tensor) -> Tensor:
        """Take the means."""
        return x.mean((1, 2))


class GlobalMaxPool(Layer):
    """The maximum of each channel of images (n, H, W, C). Its gradient goes to the first in row order.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.GlobalMaxPool()(np.ones((2, 6, 6, 3))).shape
    (2, 3)
    """

    kind = "global_max_pooling2d"

    def build(self, input_shape: Shape, rng: np.random.Generator) -> None:
        """Check that the input is images."""
        check_images("GlobalMaxPool", input_shape)

    def forward(self, x: Tensor) -> Tensor:
        """Take the maxima."""
        return x.max((1, 2))
