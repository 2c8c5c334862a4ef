"""The check of the arguments with which layers are called."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from tinynet.core.engine import Tensor
from tinynet.errors import ArgumentError
from tinynet.nn.layer import Layer


def check_call(layer: Layer, inputs: Sequence[Tensor], named: dict[str, Any]) -> None:
    """Check that the forward of a layer takes these tensors, and these arguments by name."""
    takes = inspect.signature(layer.forward)
    try:
        takes.bind(*inputs, **named)
    except TypeError as error:
        names = "".join(f" and {name}=..." for name in named)
        raise ArgumentError(
            f"layer {layer} got {len(inputs)} tensor{'s' * (len(inputs) > 1)}{names}, but its forward takes "
            f"{takes}: {error}"
        ) from None


Layer.check_call = check_call
