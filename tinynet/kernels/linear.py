"""Matrix products in fixed chunks of rows, shared out to threads: each chunk is one single-threaded BLAS call."""

import numba
import numpy as np

from tinynet.kernels.jit import kernel

_FLOPS_PER_CHUNK = 500_000  # a product of twice as many just gains by a second thread
_MOST_CHUNKS = 8


def chunks(rows: int, flops: int) -> int:
    """Give the number of chunks for a product; it depends on shapes alone, never on the number of threads."""
    return max(1, min(rows, _MOST_CHUNKS, flops // _FLOPS_PER_CHUNK))


@kernel(parallel=True)
def matmul_nn(c, a, b, chunks):
    """C = A B."""
    rows = a.shape[0]
    for chunk in numba.prange(chunks):
        lo, hi = chunk * rows // chunks, (chunk + 1) * rows // chunks
        np.dot(a[lo:hi], b, c[lo:hi])


@kernel(parallel=True)
def matmul_nt(c, turned, a, b, chunks):
    """C = A B^T, by rows of A; or, where B has more of them, C^T = B A^T by rows of B, with ``turned`` for C^T."""
    rows, others = a.shape[0], b.shape[0]
    if rows >= others or chunks == 1:
        for chunk in numba.prange(chunks):
            lo, hi = chunk * rows // chunks, (chunk + 1) * rows // chunks
            np.dot(a[lo:hi], b.T, c[lo:hi])
    else:
        for chunk in numba.prange(chunks):
            lo, hi = chunk * others // chunks, (chunk + 1) * others // chunks
            np.dot(b[lo:hi], a.T, turned[lo:hi])
            for k in range(lo, hi):
                for r in range(rows):
                    c[r, k] = turned[k, r]


@kernel(parallel=True)
def matmul_tn(c, turned, a, b, chunks):
    """C = A^T B. ``turned``, of the shape of A^T, takes its rows where there are several chunks of them."""
    inner, rows = a.shape
    if chunks == 1:
        np.dot(a.T, b, c)
    else:
        for chunk in numba.prange(chunks):
            lo, hi = chunk * rows // chunks, (chunk + 1) * rows // chunks
            for r in range(lo, hi):
                for k in range(inner):
                    turned[r, k] = a[k, r]
            np.dot(turned[lo:hi], b, c[lo:hi])
