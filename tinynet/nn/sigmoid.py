"""The logistic activations: by name, and the sigmoid as a layer of its own."""

from __future__ import annotations

from tinynet.core.engine import Tensor
from tinynet.nn.activations import activations
from tinynet.nn.layer import Layer
from tinynet.ops.logistic import sigmoid, tanh

activations.update(sigmoid=sigmoid, tanh=tanh)


class Sigmoid(Layer):
    """1 / (1 + exp(-x)), as a layer of its own.

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.Sigmoid()([[0.0]])
    Tensor([[0.5]])
    """

    kind = "sigmoid"

    def forward(self, x: Tensor) -> Tensor:
        """Apply the op."""
        return sigmoid(x)
