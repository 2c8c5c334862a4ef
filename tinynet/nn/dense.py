"""Matrix products with a bias."""

from __future__ import annotations

import math

import numpy as np

from tinynet.checks import check_count
from tinynet.core.engine import Tensor
from tinynet.core.spec import Shape
from tinynet.errors import ShapeError
from tinynet.nn.activations import Activation, find_activation
from tinynet.nn.initial import Initializer, initializer
from tinynet.nn.layer import Layer


class Dense(Layer):
    """A matrix product with a bias: y = activation(x W + b).

    Parameters
    ----------
    units : int
        The number of outputs.
    activation : {"relu", "sigmoid", "tanh", "softmax", ...}, callable or None
        Applied last; `Activation` lists the names.
    use_bias : bool
        Whether there is a b.
    kernel_init : {"glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "orthogonal", "uniform", "zeros"}
        The initial W, by name or as a function of a shape and a generator; b starts at zero.
    name : str, optional
        As for every layer.

    Raises
    ------
    ArgumentError
        If an argument is not one of the above.

    Notes
    -----
    Parameters are "weight" (IN, OUT) and "bias" (OUT,). The input is (n, IN), or (n, ..., IN), where the product goes
    over the last axis.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.Dense(3, activation="relu")(np.ones((2, 4))).shape
    (2, 3)
    """

    kind = "dense"

    def __init__(
        self,
        units: int,
        activation: Activation = None,
        use_bias: bool = True,
        kernel_init: str | Initializer = "glorot_uniform",
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.units = check_count("Dense: units", units)
        self.activation = find_activation("Dense", activation)
        self.use_bias = bool(use_bias)
        self.kernel_init = initializer("Dense", kernel_init)

    def build(self, input_shape: Shape, rng: np.random.Generator) -> None:
        """Create the weight and the bias."""
        if not input_shape:
            raise ShapeError("Dense takes samples with at least one axis, (n, features)")
        self.weight = self.add_parameter("weight", (input_shape[-1], self.units), self.kernel_init)
        if self.use_bias:
            self.bias = self.add_parameter("bias", (self.units,), decay=False)

    def forward(self, x: Tensor) -> Tensor:
        """Compute activation(x W + b)."""
        rows = x if x.ndim == 2 else x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
        y = rows @ self.weight
        y = y + self.bias if self.use_bias else y
        y = y if x.ndim == 2 else y.reshape(*x.shape[:-1], self.units)
        return self.activation(y) if self.activation else y
