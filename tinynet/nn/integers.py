"""Inputs of whole numbers, such as those of words, which are not converted."""

from __future__ import annotations

import numpy as np

from tinynet.core.engine import Tensor
from tinynet.errors import ArgumentError, DTypeError
from tinynet.nn.input import Input


def keep_integers(layer: Input, x: Tensor) -> Tensor:
    """Check that samples are integers or bools; returns them."""
    if np.any(layer.shift != 0) or np.any(layer.scale != 1):
        raise ArgumentError(f"layer {layer}: integers stay as they are; leave out shift and scale")
    if x.dtype.kind not in "iub":
        raise DTypeError(f"layer {layer} takes integers, but got {x.dtype}; convert with x.astype(int)")
    return x


Input.keep_integers = keep_integers
