"""The checks of sizes and shapes that layers share."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.core.spec import Shape
from tinynet.errors import ArgumentError, ShapeError


def check_size(owner: str, argument: str, value: Any) -> int:
    """Check that a size is an integer of 1 or more."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ArgumentError(f"{owner}: {argument} must be an integer of 1 or more, but got {value!r}")
    return int(value)


def check_images(owner: str, input_shape: Shape) -> None:
    """Check that samples are images, (H, W, C)."""
    if len(input_shape) != 3:
        raise ShapeError(f"{owner} takes images with the axes (n, H, W, C), not {len(input_shape) + 1} axes")
