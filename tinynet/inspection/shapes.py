"""The shapes of what layers return, in words."""

from __future__ import annotations

from typing import Any

from tinynet.nn.layer import batch_shape


def output_shapes(shape: Any) -> str:
    """Write the ``output_shape`` of a layer: (None, 10); of several outputs one after another, with their names.

    Examples
    --------
    >>> output_shapes((10,)), output_shapes({"digit": (10,), "tilt": ()}), output_shapes(((3,), (2, 3)))
    ('(None, 10)', 'digit (None, 10), tilt (None,)', '(None, 3), (None, 2, 3)')
    """
    if isinstance(shape, dict):
        return ", ".join(f"{name} {output_shapes(part)}" for name, part in shape.items())
    if isinstance(shape, list | tuple) and any(not isinstance(n, int) for n in shape):
        return ", ".join(map(output_shapes, shape))
    return batch_shape(shape)
