"""Indexing: x[key], for slices and for integer arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.core.engine import Tensor, as_tensor
from tinynet.errors import ArgumentError, DTypeError, ShapeError
from tinynet.ops.parts import _slice
from tinynet.ops.shape import _index

_ARRAYS = (Tensor, np.ndarray, list)
_PLACES = (int, np.integer, slice, type(None), type(...))


def _indices(x: Tensor, key: tuple[Any, ...]) -> list[Tensor]:
    """Check indices against the axes that they index."""
    indices = [as_tensor(i) for i in key]
    for axis, given in enumerate(key):
        if isinstance(given, list) and not indices[axis].size:  # of which NumPy makes floats
            indices[axis] = Tensor(indices[axis].data.astype(np.intp))
    if len(indices) > x.ndim:
        raise ShapeError(f"indexing: {len(indices)} indices came for a tensor of shape {x.shape}")
    for axis, i in enumerate(indices):
        if i.dtype.kind not in "iu":
            raise DTypeError(
                f"indexing: the index of axis {axis} has dtype {i.dtype}; an index holds integers (for a mask, use "
                "np.nonzero(mask) or tn.ops.where)"
            )
    try:
        np.broadcast_shapes(*(i.shape for i in indices))
    except ValueError:
        raise ShapeError(
            f"indexing: the index arrays have shapes {[i.shape for i in indices]}, which do not fit"
        ) from None
    return indices


def getitem(x: Any, key: Any) -> Tensor:
    """Take part of a tensor: ``x[key]``.

    Parameters
    ----------
    x : Tensor
        Any shape.
    key : int, slice, None, ..., integer array, or a tuple of them
        As in NumPy. Integer arrays index the leading axes, and cannot be mixed with slices; take two steps instead.

    Returns
    -------
    Tensor
        The part; for slices, it shares memory with ``x``.

    Raises
    ------
    ShapeError, ArgumentError, DTypeError
        If there are too many indices, one is out of range, or one is not an integer.

    Examples
    --------
    >>> import tinynet as tn
    >>> t = tn.Tensor([10, 20, 30])
    >>> t[1:], t[[2, 0, 0]]
    (Tensor([20, 30]), Tensor([30, 10, 10]))
    """
    x = as_tensor(x)
    parts = key if isinstance(key, tuple) else (key,)
    arrays = [isinstance(part, _ARRAYS) for part in parts]
    if any(arrays):
        others = [part for part, array in zip(parts, arrays, strict=True) if not array]
        mixed = [part for part in others if not isinstance(part, int | np.integer)]
        if mixed:
            raise ArgumentError(f"indexing: integer arrays and {mixed[0]!r} do not mix in one index; take two steps")
        return _index(x, *_indices(x, parts), checked=False)
    for part in parts:
        if not isinstance(part, _PLACES) or isinstance(part, bool):
            raise DTypeError(f"indexing: cannot index with {part!r}; use integers, slices, None, ... or integer arrays")
    try:
        return _slice(x, key=parts)
    except (IndexError, ValueError) as error:  # a step of 0 is a ValueError
        raise ShapeError(f"indexing a tensor of shape {x.shape} with {key!r}: {error}") from None
