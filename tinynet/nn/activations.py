"""Activations: by name, as an argument of a layer, and as layers of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinynet.checks import find_function
from tinynet.core.engine import Tensor
from tinynet.nn.layer import Layer
from tinynet.ops.loss import softmax
from tinynet.ops.pointwise import relu

Activation = str | Callable[[Tensor], Tensor] | None
activations: dict[str, Callable[[Any], Tensor]] = {"relu": relu, "softmax": softmax}


def find_activation(owner: str, activation: Activation) -> Callable[[Tensor], Tensor] | None:
    """Find an activation by name, or return a function as it is."""
    if activation is None:
        return None
    return find_function(f"{owner}: activation must be None,", activations, activation, "ops")


class ReLU(Layer):
    """max(x, 0), as a layer of its own.

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.ReLU()([[-1.0, 2.0]])
    Tensor([[0., 2.]])
    """

    kind = "re_lu"

    def forward(self, x: Tensor) -> Tensor:
        """Apply the op."""
        return relu(x)


class Softmax(Layer):
    """Probabilities from logits, over the last axis, as a layer of its own.

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.Softmax()([[0.0, 0.0]])
    Tensor([[0.5, 0.5]])
    """

    kind = "softmax"

    def forward(self, x: Tensor) -> Tensor:
        """Apply the op."""
        return softmax(x)
