"""The larger and the smaller of two values, and the largest and smallest of many."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinynet.core.engine import Op, Tensor, as_tensor, constant
from tinynet.core.spec import Spec, Value
from tinynet.errors import ShapeError
from tinynet.ops.arrange import transpose
from tinynet.ops.compare import where
from tinynet.ops.pointwise import Elementwise, elementwise
from tinynet.ops.reduce import Axis, keep_axes
from tinynet.ops.shape import _index_add, normal_axes, reshape

# A tie goes to the first operand, so a gradient is never counted twice.
maximum: Elementwise = elementwise(
    "maximum",
    np.maximum,
    lambda g, out, x, y: where(y > x, 0.0, g),
    lambda g, out, x, y: where(y > x, g, 0.0),
    formula="max(x, y); the gradient of a tie goes to x",
)
minimum: Elementwise = elementwise(
    "minimum",
    np.minimum,
    lambda g, out, x, y: where(y < x, 0.0, g),
    lambda g, out, x, y: where(y < x, g, 0.0),
    formula="min(x, y); the gradient of a tie goes to x",
)


def _infer(x: Value) -> tuple[Spec, Spec]:
    return Spec(x.shape[:-1], x.dtype), Spec(x.shape[:-1], np.dtype(np.intp))


def _to_winners(g: tuple[Tensor, ...], out: tuple[Tensor, ...], x: Tensor) -> Tensor:
    """Put the cotangent of each row at the place of its winner."""
    return _index_add(g[0], constant(np.arange(x.shape[0])), out[1], shape=x.shape)


_max: Op = Op(
    "max",
    infer=_infer,
    compute=lambda x: (np.max(x, axis=-1), np.argmax(x, axis=-1)),
    vjp=(_to_winners,),
    constant=frozenset({1}),
    formula="the maximum of each row of a matrix, and its first place",
)
_min: Op = Op(
    "min",
    infer=_infer,
    compute=lambda x: (np.min(x, axis=-1), np.argmin(x, axis=-1)),
    vjp=(_to_winners,),
    constant=frozenset({1}),
    formula="the minimum of each row of a matrix, and its first place",
)


def _over(op: Op, what: str, x: Any, axis: Axis, keepdims: bool, output: int) -> Tensor:
    """Apply an op on rows over some axes: its values are output 0, their places output 1."""
    x, name = as_tensor(x), ("arg" if output else "") + op.name
    axes = normal_axes(name, axis, x)
    kept = tuple(a for a in range(x.ndim) if a not in axes)
    count = math.prod(x.shape[a] for a in axes)
    if count == 0:
        raise ShapeError(f"{name}: x of shape {x.shape} has no values along axis {axis}; a {what} needs at least one")
    rows = reshape(transpose(x, kept + axes), (math.prod(x.shape[a] for a in kept), count))
    return reshape(op(rows)[output], keep_axes(x, axes) if keepdims else tuple(x.shape[a] for a in kept))


def max(x: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Maximum over some axes. The gradient goes to the first maximum in row order; a NaN stays NaN.

    Parameters
    ----------
    x : Tensor
        Any shape with at least one value along the axes.
    axis : int or sequence of int, optional
        The axes to reduce; all by default.
    keepdims : bool
        Keep those axes, with length 1.

    Returns
    -------
    Tensor
        The maxima, in the dtype of ``x``.

    Raises
    ------
    ShapeError
        If an axis does not exist, or has no values.

    Examples
    --------
    >>> import tinynet as tn
    >>> t = tn.Tensor([3.0, 5.0, 5.0], requires_grad=True)
    >>> tn.grad(t.max(), [t])
    [Tensor([0., 1., 0.])]
    """
    return _over(_max, "maximum", x, axis, keepdims, 0)


def min(x: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Minimum over some axes. The gradient goes to the first minimum in row order; a NaN stays NaN.

    Parameters
    ----------
    x : Tensor
        Any shape with at least one value along the axes.
    axis : int or sequence of int, optional
        The axes to reduce; all by default.
    keepdims : bool
        Keep those axes, with length 1.

    Returns
    -------
    Tensor
        The minima, in the dtype of ``x``.

    Raises
    ------
    ShapeError
        If an axis does not exist, or has no values.

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.Tensor([[3.0, 5.0], [4.0, 2.0]]).min(axis=0)
    Tensor([3., 2.])
    """
    return _over(_min, "minimum", x, axis, keepdims, 0)


def argmax(x: Any, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Place of the first maximum along an axis; a NaN counts as the largest. It has no derivative.

    Parameters
    ----------
    x : Tensor
        Any shape with at least one value along the axis.
    axis : int, optional
        The axis to search; by default all values in row order.
    keepdims : bool
        Keep that axis, with length 1.

    Returns
    -------
    Tensor
        Integers.

    Raises
    ------
    ShapeError
        If the axis does not exist, or has no values.

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.Tensor([[3.0, 5.0, 5.0], [4.0, 2.0, 1.0]]).argmax(axis=1)
    Tensor([1, 0])
    """
    return _over(_max, "maximum", x, axis, keepdims, 1)


def argmin(x: Any, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Place of the first minimum along an axis; a NaN counts as the smallest. It has no derivative.

    Parameters
    ----------
    x : Tensor
        Any shape with at least one value along the axis.
    axis : int, optional
        The axis to search; by default all values in row order.
    keepdims : bool
        Keep that axis, with length 1.

    Returns
    -------
    Tensor
        Integers.

    Raises
    ------
    ShapeError
        If the axis does not exist, or has no values.

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.Tensor([3.0, 1.0, 1.0]).argmin()
    Tensor(1)
    """
    return _over(_min, "minimum", x, axis, keepdims, 1)


def clip(x: Any, low: Any = None, high: Any = None) -> Tensor:
    """Limit values to an interval: min(max(x, low), high).

    Parameters
    ----------
    x : Tensor
        Any shape.
    low, high : Tensor or scalar, optional
        The ends of the interval; they broadcast with ``x``. If ``low > high``, the result is ``high``, as in NumPy.

    Returns
    -------
    Tensor
        Of the common shape and dtype. At an end of the interval, the gradient goes to ``x``; a NaN stays NaN.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.ops.clip(tn.Tensor([-2.0, 0.5, 3.0]), 0, 1)
    Tensor([0. , 0.5, 1. ])
    """
    x = as_tensor(x)
    x = x if low is None else maximum(x, low)
    return x if high is None else minimum(x, high)
