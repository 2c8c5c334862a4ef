"""Transposed convolutions of images."""

from __future__ import annotations

import numpy as np

from tinynet.checks import check_count
from tinynet.core.engine import Tensor
from tinynet.core.spec import Shape
from tinynet.nn.activations import Activation, find_activation
from tinynet.nn.initial import Initializer, initializer
from tinynet.nn.layer import Layer
from tinynet.ops.conv import check_images, check_padding, pair
from tinynet.ops.conv_transposed import conv2d_transpose


class Conv2DTranspose(Layer):
    """Transposed convolution of images (n, H, W, C) with a bias: each pixel is spread over a window.

    Parameters
    ----------
    filters : int
        The number of output channels.
    kernel_size : int or (int, int)
        The height and width of the filters.
    stride : int or (int, int)
        The step between windows of the output.
    padding : {"valid", "same"}
        All pixels that the windows reach, (H - 1) stride + kernel_size rows or more; or H stride rows.
    activation, use_bias, kernel_init, name
        As for `Dense`.

    Raises
    ------
    ArgumentError
        If an argument is not one of the above.

    Notes
    -----
    Parameters are "weight" (KH, KW, F, C) and "bias" (F,); see `tinynet.ops.conv2d_transpose`.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.Conv2DTranspose(8, 3, stride=2, padding="same")(np.ones((1, 5, 5, 2))).shape
    (1, 10, 10, 8)
    """

    kind = "conv2d_transpose"

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: str = "valid",
        activation: Activation = None,
        use_bias: bool = True,
        kernel_init: str | Initializer = "glorot_uniform",
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.filters = check_count("Conv2DTranspose: filters", filters)
        self.kernel_size = pair("Conv2DTranspose", "kernel_size", kernel_size)
        self.stride = pair("Conv2DTranspose", "stride", stride)
        self.padding = check_padding("Conv2DTranspose", padding)
        self.activation = find_activation("Conv2DTranspose", activation)
        self.use_bias = bool(use_bias)
        self.kernel_init = initializer("Conv2DTranspose", kernel_init)

    def build(self, input_shape: Shape, rng: np.random.Generator) -> None:
        """Create the weight and the bias."""
        check_images("Conv2DTranspose", input_shape)
        self.weight = self.add_parameter("weight", (*self.kernel_size, self.filters, input_shape[2]), self.kernel_init)
        if self.use_bias:
            self.bias = self.add_parameter("bias", (self.filters,), decay=False)

    def forward(self, x: Tensor) -> Tensor:
        """Spread the pixels, add the bias, apply the activation."""
        y = conv2d_transpose(x, self.weight, self.stride, self.padding)
        y = y + self.bias if self.use_bias else y
        return self.activation(y) if self.activation else y
