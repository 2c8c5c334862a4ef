"""The matrix product."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinynet.core.engine import Cost, Op, Tensor
from tinynet.core.spec import Array, Spec, Value
from tinynet.errors import ShapeError
from tinynet.fast.kernels import linear as kernels
from tinynet.fast.kernels.jit import for_chunks
from tinynet.ops.cast import check_floating, promote
from tinynet.ops.reduce import sum_to
from tinynet.ops.shape import reshape


def _infer(a: Value, b: Value, trans_a: bool, trans_b: bool) -> Spec:
    m, k = a.shape[-2:][::-1] if trans_a else a.shape[-2:]
    k2, n = b.shape[-2:][::-1] if trans_b else b.shape[-2:]
    if k != k2:
        raise ShapeError(
            f"matmul: a has shape {a.shape}{' (transposed)' if trans_a else ''}, which ends in {k} columns, but b has "
            f"shape {b.shape}{' (transposed)' if trans_b else ''}, which has {k2} rows; the two must be equal"
        )
    try:
        stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    except ValueError:
        raise ShapeError(
            f"matmul: the stacks of a, of shape {a.shape}, and b, of shape {b.shape}, do not broadcast: "
            f"{a.shape[:-2]} and {b.shape[:-2]}"
        ) from None
    return Spec((*stack, m, n), a.dtype)


def _chunks(a: Value, b: Value, trans_a: bool, trans_b: bool) -> int:
    """Give the number of chunks that a product of matrices is cut into."""
    m, n = _infer(a, b, trans_a, trans_b).shape
    return kernels.chunks(max(m, n) if trans_b else m, 2 * m * n * a.shape[0 if trans_a else 1])


def _bind(c: Array, a: Array, b: Array, trans_a: bool, trans_b: bool) -> tuple[Any, ...]:
    if c.ndim > 2:
        left, right = (m.swapaxes(-1, -2) if turned else m for m, turned in ((a, trans_a), (b, trans_b)))
        return np.matmul, left, right, c
    chunks = _chunks(a, b, trans_a, trans_b)
    return for_chunks(kernels.matmul, chunks), c, a, b, trans_a, trans_b, chunks


def _cost(a: Value, b: Value, trans_a: bool, trans_b: bool) -> Cost:
    shape = _infer(a, b, trans_a, trans_b).shape
    return Cost(2 * math.prod(shape) * a.shape[-2 if trans_a else -1], how="BLAS" if len(shape) == 2 else "")


def _a_vjp(g: Tensor, out: Tensor, a: Tensor, b: Tensor, trans_a: bool, trans_b: bool) -> Tensor:
    if trans_a:
        return sum_to(_matmul(b, g, trans_a=trans_b, trans_b=True), a.shape)
    return sum_to(_matmul(g, b, trans_a=False, trans_b=not trans_b), a.shape)


def _b_vjp(g: Tensor, out: Tensor, a: Tensor, b: Tensor, trans_a: bool, trans_b: bool) -> Tensor:
    if trans_b:
        return sum_to(_matmul(g, a, trans_a=True, trans_b=trans_a), b.shape)
    return sum_to(_matmul(a, g, trans_a=not trans_a, trans_b=False), b.shape)


_matmul: Op = Op(
    "matmul",
    infer=_infer,
    bind=_bind,
    vjp=(_a_vjp, _b_vjp),
    contiguous=True,
    threaded=True,
    cost=_cost,
    formula="c[i, j] = sum_k a[i, k] b[k, j], with a or b transposed where asked",
)


def matmul(a: Any, b: Any, trans_a: bool = False, trans_b: bool = False) -> Tensor:
    """Multiply matrices, or stacks of them.

    Parameters
    ----------
    a : Tensor
        Floating, (..., M, K), or (K,) for a row vector.
    b : Tensor
        Floating, (..., K, N), or (K,) for a column vector. Leading axes broadcast.
    trans_a, trans_b : bool
        Take the last two axes of ``a`` (``b``) the other way round, without a copy.

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
    c: Tensor = _matmul(
        reshape(a, (1, a.size)) if row else a,
        reshape(b, (b.size, 1)) if column else b,
        trans_a=bool(trans_a) and not row,
        trans_b=bool(trans_b) and not column,
    )
    if not row and not column:
        return c
    shape = c.shape[: -2 if row and column else -1] if column else (*c.shape[:-2], c.shape[-1])
    return reshape(c, shape)
