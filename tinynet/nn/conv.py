"""Convolutions of images."""

from __future__ import annotations

import numpy as np

from tinynet.checks import check_count
from tinynet.core.engine import Tensor
from tinynet.core.spec import Shape
from tinynet.nn.activations import Activation, find_activation
from tinynet.nn.initial import Initializer, initializer
from tinynet.nn.layer import Layer
from tinynet.ops.conv import check_images, check_padding, conv2d, pair


class Conv2D(Layer):
    """Convolution of images (n, H, W, C) with a bias: y = activation(x * w + b).

    Parameters
    ----------
    filters : int
        The number of output channels.
    kernel_size : int or (int, int)
        The height and width of the filters.
    stride : int or (int, int)
        The step between windows.
    padding : {"valid", "same"}
        No padding; or zeros around the image, so that the output has ceil(H / stride) rows. An odd zero comes after.
    activation, use_bias, kernel_init, name
        As for `Dense`.

    Raises
    ------
    ArgumentError
        If an argument is not one of the above.

    Notes
    -----
    Parameters are "weight" (KH, KW, C, F) and "bias" (F,).

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.Conv2D(8, 3, padding="same")(np.ones((1, 5, 5, 2))).shape
    (1, 5, 5, 8)
    """

    kind = "conv2d"

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
        self.filters = check_count("Conv2D: filters", filters)
        self.kernel_size = pair("Conv2D", "kernel_size", kernel_size)
        self.stride = pair("Conv2D", "stride", stride)
        self.padding = check_padding("Conv2D", padding)
        self.activation = find_activation("Conv2D", activation)
        self.use_bias = bool(use_bias)
        self.kernel_init = initializer("Conv2D", kernel_init)

    def build(self, input_shape: Shape, rng: np.random.Generator) -> None:
        """Create the weight and the bias."""
        check_images("Conv2D", input_shape)
        self.weight = self.add_parameter("weight", (*self.kernel_size, input_shape[2], self.filters), self.kernel_init)
        if self.use_bias:
            self.bias = self.add_parameter("bias", (self.filters,), decay=False)

    def forward(self, x: Tensor) -> Tensor:
        """Compute activation(x * w + b)."""
        y = conv2d(x, self.weight, self.stride, self.padding)
        y = y + self.bias if self.use_bias else y
        return self.activation(y) if self.activation else y
