"""Reshape, indexing by integer arrays, and the normal form of arguments called axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinynet.checks import check_integers
from tinynet.core.engine import Op, Tensor, as_tensor
from tinynet.core.spec import Array, Shape, Spec, Value
from tinynet.errors import ArgumentError, DTypeError, ShapeError

# --- reshape


def _reshape_infer(x: Value, shape: Shape) -> Spec:
    if math.prod(x.shape) != math.prod(shape):
        raise ShapeError(
            f"reshape: x has shape {x.shape}, which is {math.prod(x.shape)} values; shape {shape} takes "
            f"{math.prod(shape)}"
        )
    return Spec(shape, x.dtype)


_reshape: Op = Op(
    "reshape",
    infer=_reshape_infer,
    compute=lambda x, shape: x.reshape(shape),
    view=True,
    vjp=(lambda g, out, x, shape: reshape(g, x.shape),),
    formula="the same values in row order, in another shape",
)


def reshape(x: Any, shape: int | Sequence[int]) -> Tensor:
    """Return the same values, in row order, in another shape.

    Parameters
    ----------
    x : Tensor
        Any shape.
    shape : int or sequence of int
        The new lengths; one of them may be -1, and is then computed.

    Returns
    -------
    Tensor
        A tensor of the new shape; it shares memory with ``x`` if that is contiguous.

    Raises
    ------
    ShapeError
        If the number of values differs.

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.Tensor([1, 2, 3, 4]).reshape(2, -1)
    Tensor([[1, 2],
            [3, 4]])
    """
    x = as_tensor(x)
    new = list(check_integers("reshape: shape", shape))
    if new.count(-1) == 1:
        rest = math.prod(n for n in new if n != -1)
        if rest <= 0 or x.size % rest:
            raise ShapeError(f"reshape: x of shape {x.shape} does not divide into shape {tuple(new)}")
        new[new.index(-1)] = x.size // rest
    if min(new, default=0) < 0:
        raise ShapeError(f"reshape: lengths must be 0 or more, with at most one -1, but shape {tuple(new)} came")
    return x if x.shape == tuple(new) else _reshape(x, shape=tuple(new))


# --- indexing by integer arrays and its adjoint


def _index_infer(x: Value, *indices: Value, checked: bool) -> Spec:
    for i in indices:
        if i.dtype.kind not in "iu":
            raise DTypeError(f"indexing: an index holds integers, but one has dtype {i.dtype}")
    return Spec(np.broadcast_shapes(*(i.shape for i in indices)) + x.shape[len(indices) :], x.dtype)


def check_indices(shape: Shape, *indices: Array) -> None:
    """Check that indices are within the axes of a shape."""
    for axis, i in enumerate(indices):
        if i.size and not (-shape[axis] <= i.min() and i.max() < shape[axis]):
            raise ArgumentError(
                f"indexing: the index of axis {axis} runs from {i.min()} to {i.max()}, but that axis of a tensor of "
                f"shape {shape} has length {shape[axis]}"
            )


def _index_compute(x: Array, *indices: Array, checked: bool) -> Array:
    if not checked:
        check_indices(x.shape, *indices)
    return np.asarray(x[indices])


_index: Op = Op(
    "index",
    infer=_index_infer,
    compute=_index_compute,
    vjp=(lambda g, out, x, *indices, checked: _index_add(g, *indices, shape=x.shape),),
    formula="x[i, j, ...] for integer arrays i, j, ... over the leading axes",
)


def _index_add_compute(g: Array, *indices: Array, shape: Shape) -> Array:
    out = np.zeros(shape, g.dtype)
    np.add.at(out, indices, g)
    return out


_index_add: Op = Op(
    "index_add",
    infer=lambda g, *indices, shape: Spec(shape, g.dtype),
    compute=_index_add_compute,
    vjp=(lambda h, out, g, *indices, shape: _index(h, *indices, checked=True),),
    formula="zeros of the given shape with g added at [i, j, ...]: the adjoint of index",
)


def normal_axes(name: str, axis: int | Sequence[int] | None, x: Tensor) -> tuple[int, ...]:
    """Convert an ``axis`` argument to sorted, non-negative, distinct axes; None means all axes."""
    if axis is None:
        return tuple(range(x.ndim))
    normal = [a + x.ndim if a < 0 else a for a in check_integers(f"{name}: axis", axis)]
    if len({a for a in normal if 0 <= a < x.ndim}) < len(normal):
        raise ShapeError(f"{name}: axis {axis} does not fit x, which has shape {x.shape}; give distinct axes of it")
    return tuple(sorted(normal))


def normal_axis(name: str, axis: int, x: Tensor) -> int:
    """Convert the ``axis`` argument of an op along one axis to a non-negative axis."""
    axes = normal_axes(name, axis, x)
    if len(axes) != 1:
        raise ShapeError(f"{name}: works along one axis, but got axis {axis}")
    return axes[0]
