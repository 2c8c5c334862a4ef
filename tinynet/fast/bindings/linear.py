"""The matrix product on its kernel."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from tinynet.core.engine import Tensor, is_constant
from tinynet.core.spec import Array, Shape, Spec, Value
from tinynet.fast.implementation import Implementation
from tinynet.fast.kernels import linear as kernels
from tinynet.fast.kernels.jit import MOST_CHUNKS, for_chunks

_LONG = 6  # an inner axis so many times as long as the longer side of the product is cut itself
_WIDE = 64  # columns of a chunk at least


@lru_cache(maxsize=1024)  # an eager product asks more than once
def cut(a: Shape, b: Shape, trans_a: bool, trans_b: bool) -> tuple[int, int]:
    """Return the number of chunks of a product, and the axis that they cut: 0 for rows, 1 for columns, 2 for the inner.

    Each chunk reads all of one matrix, and its part of the other. So rows are cut where there are more of them, and
    columns where these are more and each chunk keeps enough of them. If the inner axis is much longer than both, each
    chunk reads a part of both matrices, and the sums of the chunks are added in their order. The rows of a matrix of
    parameters then stay in the cache of the core that updates them. A stack of products is not cut.
    """
    if len(a) > 2 or len(b) > 2:
        return 1, 0
    (rows, inner), columns = a[::-1] if trans_a else a, b[0 if trans_b else 1]
    flops = 2 * rows * inner * columns
    if inner >= _LONG * max(rows, columns) and kernels.count_chunks(inner, flops) > 1:
        return kernels.count_chunks(inner, flops), 2
    if columns > rows and (trans_b or columns >= MOST_CHUNKS * _WIDE):
        return kernels.count_chunks(columns, flops), 1
    return kernels.count_chunks(rows, flops), 0


def _scratch(
    a: Value, b: Value, *bias: Value, trans_a: bool, trans_b: bool, rectified: bool = False
) -> tuple[Spec, ...]:
    """Return the working array of a product: the sums of the chunks, where these cut the inner axis."""
    chunks, axis = cut(a.shape, b.shape, trans_a, trans_b)
    if axis != 2:
        return ()
    return (Spec((chunks, a.shape[1 if trans_a else 0], b.shape[0 if trans_b else 1]), a.dtype),)


@lru_cache(maxsize=1024)
def _numbers(stack: Shape, wanted: Shape) -> Array:
    """Return which matrices of a stack there are in one to whose shape it is broadcast."""
    return np.broadcast_to(np.arange(math.prod(stack)).reshape(stack), wanted).reshape(-1)


def _matmul(c: Array, *rest: Array, trans_a: bool, trans_b: bool, rectified: bool = False) -> tuple[Any, ...]:
    *sums, a, b, bias = rest
    if c.ndim > 2:
        chunks = kernels.count_chunks(math.prod(c.shape[:-2]), 2 * c.size * a.shape[-2 if trans_a else -1])
        return (
            for_chunks(kernels.matmul_stack, chunks),
            *(m.reshape(math.prod(m.shape[:-2]), *m.shape[-2:]) for m in (c, a, b)),
            bias,
            rectified,
            *(_numbers(m.shape[:-2], c.shape[:-2]) for m in (a, b)),
            trans_a,
            trans_b,
        )
    chunks, axis = cut(a.shape, b.shape, trans_a, trans_b)
    if axis == 1 and len(c) > 1 and not trans_b and is_constant(Tensor(b)):  # it is copied by the first call alone
        kept = np.empty((-(-b.shape[1] // kernels.PANEL), len(b), kernels.PANEL), b.dtype), np.zeros(1, bool)
        return for_chunks(kernels.matmul_panels, chunks), c, a, b, *kept, bias, rectified, trans_a
    return (
        for_chunks(kernels.matmul, chunks),
        c,
        *(sums or [c[None]]),
        a,
        b,
        bias,
        rectified,
        trans_a,
        trans_b,
        chunks,
        axis,
    )


matmul = Implementation(
    lambda c, *rest, **turned: _matmul(c, *rest, np.empty(0, c.dtype), **turned), _scratch, contiguous=True
)
matmul_bias = Implementation(_matmul, _scratch, contiguous=True)
