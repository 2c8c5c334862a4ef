"""The matrix product on its kernel."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from tinynet.core.engine import Tensor, is_constant
from tinynet.core.spec import Array, Shape, Spec, Value
from tinynet.fast.implementation import Implementation
from tinynet.fast.kernels import linear as kernels
from tinynet.fast.kernels.jit import for_chunks
from tinynet.fast.threads import blas_has_threads_for


@lru_cache(maxsize=1024)  # an eager product asks more than once
def cut(a: Shape, b: Shape, trans_a: bool, trans_b: bool) -> tuple[int, int]:
    """Return the number of chunks of a product, and the axis that they cut; of a stack of products, 1 and 0."""
    if len(a) > 2 or len(b) > 2:
        return 1, 0
    rows, inner = a[::-1] if trans_a else a
    return kernels.cut(rows, inner, b[0 if trans_b else 1], trans_b)


def scratch(a: Value, b: Value, trans_a: bool, trans_b: bool) -> tuple[Spec, ...]:
    """Return the working array of a product: the sums of the chunks, where these cut the inner axis."""
    chunks, axis = cut(a.shape, b.shape, trans_a, trans_b)
    if axis != 2:
        return ()
    return (Spec((chunks, a.shape[1 if trans_a else 0], b.shape[0 if trans_b else 1]), a.dtype),)


def _matmul(c: Array, *rest: Array, trans_a: bool, trans_b: bool) -> tuple[Any, ...]:
    *sums, a, b = rest
    if c.ndim > 2:
        left, right = (m.swapaxes(-1, -2) if turned else m for m, turned in ((a, trans_a), (b, trans_b)))
        return np.matmul, left, right, c
    chunks, axis = cut(a.shape, b.shape, trans_a, trans_b)
    if (
        not (trans_a or trans_b or axis != 1 or c.shape[1] % kernels.WIDE)
        and 0 < 8 * kernels.WIDE * len(b) <= kernels.SMALL
        and is_constant(Tensor(b))  # of a frozen predictor
    ):
        return kernels.matmul_panels, c, a, np.ascontiguousarray(b.reshape(len(b), -1, kernels.WIDE).swapaxes(0, 1))
    return for_chunks(kernels.matmul, chunks), c, *(sums or [c[None]]), a, b, trans_a, trans_b, chunks, axis


def _threaded(a: Array, b: Array, trans_a: bool, trans_b: bool) -> bool:
    return a.ndim > 2 or b.ndim > 2 or blas_has_threads_for(a.size * b.shape[0 if trans_b else 1])


matmul = Implementation(_matmul, scratch, contiguous=True, threaded=_threaded)
