"""Average-pooling."""

from __future__ import annotations

import numpy as np

from tinynet.core.engine import Tensor
from tinynet.core.spec import Shape
from tinynet.nn.layer import Layer
from tinynet.ops.average import avg_pool
from tinynet.ops.conv import check_images, check_padding, pair


class AvgPool(Layer):
    """The mean of each window of images (n, H, W, C).

    Parameters
    ----------
    pool_size : int or (int, int)
        The height and width of the windows.
    stride : int or (int, int), optional
        The step between windows; the window itself by default. Windows may overlap.
    padding : {"valid", "same"}
        Only windows inside the image; or also windows over its edge, so that the output has ceil(H / stride) rows.
        Their means are those of the pixels of the image.
    name : str, optional
        As for every layer.

    Raises
    ------
    ArgumentError
        If a size is not 1 or more, or the padding is not one of the above.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.AvgPool(2, padding="same")(np.ones((1, 5, 5, 3))).shape
    (1, 3, 3, 3)
    """

    kind = "average_pooling2d"

    def __init__(
        self,
        pool_size: int | tuple[int, int] = 2,
        stride: int | tuple[int, int] | None = None,
        padding: str = "valid",
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.pool_size = pair("AvgPool", "pool_size", pool_size)
        self.stride = self.pool_size if stride is None else pair("AvgPool", "stride", stride)
        self.padding = check_padding("AvgPool", padding)

    def build(self, input_shape: Shape, rng: np.random.Generator) -> None:
        """Check that the input is images."""
        check_images("AvgPool", input_shape)

    def forward(self, x: Tensor) -> Tensor:
        """Take the means."""
        return avg_pool(x, self.pool_size, self.stride, self.padding)
