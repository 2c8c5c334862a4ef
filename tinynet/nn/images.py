"""What the layers of images share: the check of their axes."""

from __future__ import annotations

from tinynet.core.spec import Shape
from tinynet.errors import ShapeError


def check_images(owner: str, input_shape: Shape) -> None:
    """Check that samples are images, (H, W, C)."""
    if len(input_shape) != 3:
        raise ShapeError(f"{owner} takes images with the axes (n, H, W, C), not {len(input_shape) + 1} axes")
