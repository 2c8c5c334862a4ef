"""The larger of two values, and the largest of many."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinynet.core.engine import Op, Tensor, as_tensor, constant
from tinynet.core.spec import Spec
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


_max: Op = Op(
    "max",
    infer=lambda x: (Spec(x.shape[:-1], x.dtype), Spec(x.shape[:-1], np.dtype(np.intp))),
    compute=lambda x: (np.max(x, axis=-1), np.argmax(x, axis=-1)),
    vjp=(lambda g, out, x: _index_add(g[0], constant(np.arange(x.shape[0])), out[1], shape=x.shape),),
    constant=frozenset({1}),
    formula="the maximum of each row of a matrix, and its first place",
)


def max(x: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Maximum over some axes. The gradient goes to the first maximum in row order; NaN comes out as NaN.

    Parameters
    ----------
    x : Tensor
        Any shape with at least one value along the axes.
    axis : int or sequence of int, optional
        The axes to go over; all by default.
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
    x = as_tensor(x)
    axes = normal_axes("max", axis, x)
    kept = tuple(a for a in range(x.ndim) if a not in axes)
    count = math.prod(x.shape[a] for a in axes)
    if count == 0:
        raise ShapeError(f"max: x of shape {x.shape} has no values along axis {axis}; there is no maximum of nothing")
    rows = reshape(transpose(x, kept + axes), (math.prod(x.shape[a] for a in kept), count))
    y, _ = _max(rows)
    return reshape(y, keep_axes(x, axes) if keepdims else tuple(x.shape[a] for a in kept))
