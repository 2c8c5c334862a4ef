"""The matrix product of BLAS for parts of matrices, which ``np.dot`` would copy first."""

from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

_P, _I, _C = types.voidptr, types.intp, types.char
_N, _T = ord("n"), ord("t")
# What np.dot calls too: kind, transpositions, sizes, alpha, a, lda, b (with ldb), beta, c (with ldc).
_xxgemm: Any = types.ExternalFunction(
    "numba_xxgemm", types.intc(_C, _C, _C, _I, _I, _I, _P, _P, _I, _P, _I, _P, _P, _I)
)
_xxgemv: Any = types.ExternalFunction("numba_xxgemv", types.intc(_C, _C, _I, _I, _P, _P, _I, _P, _P, _P))


def gemm(c, a, b, trans_a, trans_b, more=False):
    """Write the product of a and b, each transposed where asked, into c, or add it if ``more``; for use in kernels.

    The values of a row lie side by side; rows may lie apart, as in a slice of columns.
    """
    c[...] = (a.T if trans_a else a) @ (b.T if trans_b else b) + (c if more else 0)


@overload(gemm)
def _gemm(c, a, b, trans_a, trans_b, more=False):
    dtype = np.dtype(str(c.dtype))
    kind, one, zero = ord("s" if dtype == np.float32 else "d"), np.ones(1, dtype), np.zeros(1, dtype)

    def call(c, a, b, trans_a, trans_b, more=False):
        (m, n), k = c.shape, a.shape[0 if trans_a else 1]
        beta = one.ctypes if more else zero.ctypes
        # The stride of a single row may be any number.
        lda = max(1, a.shape[1], a.strides[0] // a.itemsize)
        ldb = max(1, b.shape[1], b.strides[0] // b.itemsize)
        ldc = max(1, c.shape[1], c.strides[0] // c.itemsize)
        # BLAS reads by columns, so that each matrix is its transpose; and c^T = b^T a^T.
        turn_a, turn_b = _T if trans_a else _N, _T if trans_b else _N
        if k and n == 1 and ldc == 1 and (ldb == 1 or trans_b):
            turn = _N if trans_a else _T
            _xxgemv(kind, turn, a.shape[1], a.shape[0], one.ctypes, a.ctypes, lda, b.ctypes, beta, c.ctypes)
        elif k and m == 1 and (lda == 1 or not trans_a):
            _xxgemv(kind, turn_b, b.shape[1], b.shape[0], one.ctypes, b.ctypes, ldb, a.ctypes, beta, c.ctypes)
        else:
            _xxgemm(kind, turn_b, turn_a, n, m, k, one.ctypes, b.ctypes, ldb, a.ctypes, lda, beta, c.ctypes, ldc)

    return call
