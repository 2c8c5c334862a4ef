"""The matrix product."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from tinynet.core.engine import Op, Tensor, apply
from tinynet.core.spec import Array, Shape, Spec, Value, broadcast_shapes
from tinynet.errors import ShapeError
from tinynet.ops.dtypes import check_floating, promote
from tinynet.ops.reduce import sum_to
from tinynet.ops.shape import reshape


@lru_cache(maxsize=1024)
def _product_shape(a: Shape, b: Shape, trans_a: bool, trans_b: bool) -> Shape:
    m, k = a[-2:][::-1] if trans_a else a[-2:]
    k2, n = b[-2:][::-1] if trans_b else b[-2:]
    if k != k2:
        raise ShapeError(
            f"matmul: a has shape {a}{' (transposed)' if trans_a else ''}, which ends in {k} columns, but b has "
            f"shape {b}{' (transposed)' if trans_b else ''}, which has {k2} rows; the two must be equal"
        )
    try:
        stack = broadcast_shapes(a[:-2], b[:-2])
    except ValueError:
        raise ShapeError(
            f"matmul: the stacks of a, of shape {a}, and b, of shape {b}, do not broadcast: {a[:-2]} and {b[:-2]}"
        ) from None
    return (*stack, m, n)


def _infer(a: Value, b: Value, trans_a: bool, trans_b: bool) -> Spec:
    return Spec(_product_shape(a.shape, b.shape, trans_a, trans_b), a.dtype)


def _compute(a: Array, b: Array, trans_a: bool, trans_b: bool) -> Array:
    return np.matmul(a.swapaxes(-1, -2) if trans_a else a, b.swapaxes(-1, -2) if trans_b else b)


def _a_vjp(g: Tensor, out: Tensor, a: Tensor, b: Tensor, trans_a: bool, trans_b: bool) -> Tensor:
    if trans_a:
        return sum_to(_product(b, g, trans_b, True), a.shape)
    return sum_to(_product(g, b, False, not trans_b), a.shape)


def _b_vjp(g: Tensor, out: Tensor, a: Tensor, b: Tensor, trans_a: bool, trans_b: bool) -> Tensor:
    if trans_b:
        return sum_to(_product(g, a, True, trans_a), b.shape)
    return sum_to(_product(a, g, not trans_a, False), b.shape)


_matmul: Op = Op(
    "matmul",
    infer=_infer,
    compute=_compute,
    vjp=(_a_vjp, _b_vjp),
    formula="c[i, j] = sum_k a[i, k] b[k, j], with a or b transposed where asked",
)


def _product(a: Tensor, b: Tensor, trans_a: bool, trans_b: bool) -> Any:
    return apply(_matmul, (a, b), {"trans_a": trans_a, "trans_b": trans_b})


def matmul(a: Any, b: Any, trans_a: bool = False, trans_b: bool = False) -> Tensor:
    """Multiply matrices, or stacks of them.

    Parameters
    ----------
    a : Tensor
        Floating, (..., M, K), or (K,) for a row vector.
    b : Tensor
        Floating, (..., K, N), or (K,) for a column vector. Leading axes broadcast.
    trans_a, trans_b : bool
        Transpose the last two axes of ``a`` (``b``), without a copy.

    Returns
    -------
    Tensor
        (..., M, N), without the axis of a vector.

    Raises
    ------
    ShapeError
        If the inner lengths differ, or an argument has no axes.
    DTypeError
        If an argument is not floating.

    Examples
    --------
    >>> import tinynet as tn
    >>> a, b = tn.Tensor([[1.0, 2.0]]), tn.Tensor([[3.0, 4.0]])
    >>> tn.ops.matmul(a, b, trans_b=True)
    Tensor([[11.]])
    """
    a, b = promote(a, b)
    check_floating("matmul", a.dtype)
    if not a.ndim or not b.ndim:
        raise ShapeError(f"matmul: takes matrices or vectors, but a has shape {a.shape} and b has shape {b.shape}")
    row, column = a.ndim == 1, b.ndim == 1
    c: Tensor = _product(
        reshape(a, (1, a.size)) if row else a,
        reshape(b, (b.size, 1)) if column else b,
        bool(trans_a) and not row,
        bool(trans_b) and not column,
    )
    if not row and not column:
        return c
    shape = c.shape[: -2 if row and column else -1] if column else (*c.shape[:-2], c.shape[-1])
    return reshape(c, shape)
