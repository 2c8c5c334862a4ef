"""The matrix product on its kernel."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.core.spec import Array, Value
from tinynet.fast.implementation import Implementation
from tinynet.fast.kernels import linear as kernels
from tinynet.fast.kernels.jit import for_chunks
from tinynet.fast.threads import blas_has_threads_for


def chunks(a: Value, b: Value, trans_a: bool, trans_b: bool) -> int:
    """Give the number of chunks that a product of matrices is cut into."""
    inner, m = a.shape if trans_a else a.shape[::-1]
    n = b.shape[0 if trans_b else 1]
    return kernels.chunks(max(m, n) if trans_b else m, 2 * m * n * inner)


def _matmul(c: Array, a: Array, b: Array, trans_a: bool, trans_b: bool) -> tuple[Any, ...]:
    if c.ndim > 2:
        left, right = (m.swapaxes(-1, -2) if turned else m for m, turned in ((a, trans_a), (b, trans_b)))
        return np.matmul, left, right, c
    parts = chunks(a, b, trans_a, trans_b)
    return for_chunks(kernels.matmul, parts), c, a, b, trans_a, trans_b, parts


def _threaded(a: Array, b: Array, trans_a: bool, trans_b: bool) -> bool:
    return a.ndim > 2 or b.ndim > 2 or blas_has_threads_for(a.size * b.shape[0 if trans_b else 1])


matmul = Implementation(_matmul, contiguous=True, threaded=_threaded)
