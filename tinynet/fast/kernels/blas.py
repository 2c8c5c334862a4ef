"""The product of parts of matrices, which ``np.dot`` would copy first; with a vector it is that of BLAS."""

from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from tinynet.fast.kernels.registers import product

_P, _I, _C = types.voidptr, types.intp, types.char
_N, _T = ord("n"), ord("t")
# What np.dot calls too: kind, transposition, sizes, alpha, a, lda, x, beta, y.
_xxgemv: Any = types.ExternalFunction("numba_xxgemv", types.intc(_C, _C, _I, _I, _P, _P, _I, _P, _P, _P))


def gemm(c, a, b, trans_a, trans_b):
    """Write the product of a and b, each transposed where asked, into c; for use in kernels.

    The values of a row lie side by side; rows may lie apart, as in a slice of columns.
    """
    c[...] = (a.T if trans_a else a) @ (b.T if trans_b else b)


@overload(gemm)
def _gemm(c, a, b, trans_a, trans_b):
    dtype = np.dtype(str(c.dtype))
    kind, one, zero = ord("s" if dtype == np.float32 else "d"), np.ones(1, dtype), np.zeros(1, dtype)

    def call(c, a, b, trans_a, trans_b):
        (m, n), k = c.shape, a.shape[0 if trans_a else 1]
        # The stride of a single row may be any number.
        lda = max(1, a.shape[1], a.strides[0] // a.itemsize)
        ldb = max(1, b.shape[1], b.strides[0] // b.itemsize)
        ldc = max(1, c.shape[1], c.strides[0] // c.itemsize)
        # BLAS reads by columns, so that each matrix is its transpose; and c^T = b^T a^T.
        if k and n == 1 and ldc == 1 and (ldb == 1 or trans_b):
            turn = _N if trans_a else _T
            _xxgemv(kind, turn, a.shape[1], a.shape[0], one.ctypes, a.ctypes, lda, b.ctypes, zero.ctypes, c.ctypes)
        elif k and m == 1 and (lda == 1 or not trans_a):
            turn = _T if trans_b else _N
            _xxgemv(kind, turn, b.shape[1], b.shape[0], one.ctypes, b.ctypes, ldb, a.ctypes, zero.ctypes, c.ctypes)
        else:
            product(c, a, b, trans_a, trans_b, False)

    return call
