"""Indices as places: checked, and counted from the start. A plan checks them once, in front of what reads there."""

from __future__ import annotations

import numpy as np

from tinynet.core.engine import Op
from tinynet.core.spec import Array, Shape, Spec
from tinynet.ops.shape import check_indices


def write_places(out: Array, indices: Array, shape: Shape) -> None:
    """Write indices of the first axis of a shape as numbers from 0 on; raises an ArgumentError where one is outside."""
    np.copyto(out, indices, casting="unsafe")
    if out.size and np.maximum.reduce(out.view(np.uintp)) >= shape[0]:  # read so, negative numbers are the largest
        check_indices(shape, indices)
        out[out < 0] += shape[0]


def _compute(indices: Array, shape: Shape) -> Array:
    out = np.empty(indices.shape, np.intp)
    write_places(out, indices, shape)
    return out


places: Op = Op(
    "places",
    infer=lambda indices, shape: Spec(indices.shape, np.dtype(np.intp)),
    compute=_compute,
    formula="i where i >= 0, otherwise i + n, for a vector i of indices of an axis of length n; each is checked",
)
