"""Any activation as a layer, and the names of those of the shelf."""

from __future__ import annotations

from collections.abc import Callable

from tinynet.core.engine import Tensor
from tinynet.errors import ArgumentError
from tinynet.nn.activations import activations, find_activation
from tinynet.nn.layer import Layer
from tinynet.ops.gaussian import gelu
from tinynet.ops.logistic import silu, softplus
from tinynet.ops.rectifiers import elu, leaky_relu

activations.update(leaky_relu=leaky_relu, elu=elu, gelu=gelu, silu=silu, softplus=softplus)


class Activation(Layer):
    """An activation as a layer of its own.

    Parameters
    ----------
    activation : {"relu", "leaky_relu", "elu", "gelu", "silu", "softplus", "sigmoid", "tanh", "softmax"} or callable
        By name, with the settings that Keras has by default; or a function of ops.
    name : str, optional
        As for every layer.

    Raises
    ------
    ArgumentError
        If there is no such activation.

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.Activation("leaky_relu")([[-1.0, 2.0]])
    Tensor([[-0.2,  2. ]])
    """

    kind = "activation"

    def __init__(self, activation: str | Callable[[Tensor], Tensor], name: str | None = None) -> None:
        super().__init__(name)
        found = find_activation("Activation", activation)
        if found is None:
            raise ArgumentError("Activation: activation must be a name or a function of ops, but got None")
        self.activation = found

    def forward(self, x: Tensor) -> Tensor:
        """Apply it."""
        return self.activation(x)
