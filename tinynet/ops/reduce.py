"""Ops that reduce axes, and broadcast_to, the adjoint of a sum."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from tinynet.checks import check_integers
from tinynet.core.engine import Op, Tensor, as_tensor
from tinynet.core.spec import Array, Shape, Spec, Value
from tinynet.errors import ShapeError
from tinynet.ops.shape import normal_axes, reshape

Axis = int | Sequence[int] | None


def _sum_infer(x: Value, axes: tuple[int, ...]) -> Spec:
    dtype = x.dtype if x.dtype.kind == "f" else np.dtype(np.int64)
    return Spec(tuple([n for a, n in enumerate(x.shape) if a not in axes]), dtype)


def keep_axes(x: Tensor, axes: tuple[int, ...]) -> Shape:
    """Return the shape of a tensor, with length 1 along some axes."""
    return tuple([1 if a in axes else n for a, n in enumerate(x.shape)])


def _sum_vjp(g: Tensor, out: Tensor, x: Tensor, axes: tuple[int, ...]) -> Tensor:
    leading = axes == tuple(range(len(axes)))  # broadcasting adds leading axes by itself
    return broadcast_to(g if leading else reshape(g, keep_axes(x, axes)), x.shape)


def _sum_compute(x: Array, axes: tuple[int, ...]) -> Array:
    dtype = _sum_infer(x, axes).dtype
    return np.asarray(np.sum(x, axes, np.float64 if dtype.kind == "f" else dtype), dtype)  # long sums keep their digits


_sum: Op = Op(
    "sum",
    infer=_sum_infer,
    compute=_sum_compute,
    vjp=(_sum_vjp,),
    formula="the sum of x over the axes",
)


def sum(x: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Sum over some axes.

    Parameters
    ----------
    x : Tensor
        Any shape; integers and bools are summed as int64.
    axis : int or sequence of int, optional
        The axes to sum over; all by default.
    keepdims : bool
        Keep those axes, with length 1.

    Returns
    -------
    Tensor
        The sums, in the dtype of ``x``.

    Raises
    ------
    ShapeError
        If an axis does not exist.

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.ops.sum(tn.Tensor([[1.0, 2.0], [3.0, 4.0]]), axis=0)
    Tensor([4., 6.])
    """
    x = as_tensor(x)
    axes = normal_axes("sum", axis, x)
    y = _sum(x, axes=axes)
    return reshape(y, keep_axes(x, axes)) if keepdims else y


def mean(x: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Average over some axes.

    Parameters
    ----------
    x : Tensor
        Floating, any shape with at least one value to average.
    axis : int or sequence of int, optional
        The axes to average over; all by default.
    keepdims : bool
        Keep those axes, with length 1.

    Returns
    -------
    Tensor
        The means, in the dtype of ``x``.

    Raises
    ------
    ShapeError
        If an axis does not exist, or there is nothing to average.

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.ops.mean(tn.Tensor([1.0, 2.0, 6.0]))
    Tensor(3.)
    """
    x = as_tensor(x)
    count = math.prod(x.shape[a] for a in normal_axes("mean", axis, x))
    if count == 0:
        raise ShapeError(f"mean: x of shape {x.shape} has no values along axis {axis}; a mean needs at least one")
    return sum(x, axis, keepdims) / count


all_finite: Op = Op(
    "all_finite",
    infer=lambda x: Spec((), np.dtype(np.bool_)),
    compute=lambda x: np.isfinite(x).all(),
    formula="whether no value of x is NaN or infinite",
)


# --- broadcast and its adjoint


@lru_cache(maxsize=1024)
def _broadcasts(old: Shape, new: Shape) -> bool:
    """Return whether an array of one shape broadcasts to another one."""
    return len(old) <= len(new) and all(n in (1, m) for n, m in zip(old[::-1], new[::-1], strict=False))


def _broadcast_infer(x: Value, shape: Shape) -> Spec:
    if not _broadcasts(x.shape, shape) or min(shape, default=0) < 0:
        raise ShapeError(
            f"broadcast_to: x of shape {x.shape} does not broadcast to {shape}; counted from the last, each of its "
            "axes must have length 1 or that of the new shape"
        )
    return Spec(shape, x.dtype)


_broadcast_to: Op = Op(
    "broadcast_to",
    infer=_broadcast_infer,
    compute=lambda x, shape: np.broadcast_to(x, shape),
    view=True,
    vjp=(lambda g, out, x, shape: sum_to(g, x.shape),),
    formula="x repeated along axes of length 1 and new leading axes",
)


def broadcast_to(x: Any, shape: Sequence[int]) -> Tensor:
    """Repeat along axes of length 1 and new leading axes, without a copy.

    Parameters
    ----------
    x : Tensor
        Any shape.
    shape : sequence of int
        The new shape.

    Returns
    -------
    Tensor
        A read-only view of ``x``.

    Raises
    ------
    ShapeError
        If ``x`` does not broadcast to the shape.

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.ops.broadcast_to(tn.Tensor([1, 2]), (2, 2))
    Tensor([[1, 2],
            [1, 2]])
    """
    x, new = as_tensor(x), check_integers("broadcast_to: shape", shape)
    return x if x.shape == new else _broadcast_to(x, shape=new)


def sum_to(x: Any, shape: Sequence[int]) -> Tensor:
    """Sum over the axes along which ``shape`` would be broadcast to the shape of ``x``.

    This is the adjoint of `broadcast_to`, and so the last step of the gradient of every op that broadcasts.

    Parameters
    ----------
    x : Tensor
        Any shape.
    shape : sequence of int
        A shape that broadcasts to that of ``x``.

    Returns
    -------
    Tensor
        Of shape ``shape``.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.ops.sum_to(tn.Tensor(np.ones((3, 2))), (1, 2))
    Tensor([[3., 3.]])
    """
    x = as_tensor(x)
    if x.shape == shape:
        return x
    new = check_integers("sum_to: shape", shape)
    if not _broadcasts(new, x.shape):
        raise ShapeError(
            f"sum_to: x of shape {x.shape} does not sum to {new}; counted from the last, each axis of the new shape "
            "must have length 1 or that of x"
        )
    extra = x.ndim - len(new)
    axes = [a for a in range(x.ndim) if a < extra or (new[a - extra] == 1 and x.shape[a] != 1)]
    return reshape(sum(x, axes), new) if axes else reshape(x, new)
