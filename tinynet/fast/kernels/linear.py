"""Matrix products in fixed chunks of rows, shared out to threads: each chunk is one single-threaded BLAS call."""

import numba

from tinynet.fast.kernels.blas import gemm
from tinynet.fast.kernels.jit import kernel

_FLOPS_PER_CHUNK = 500_000  # a product of twice as many just gains by a second thread
_MOST_CHUNKS = 8


def chunks(rows: int, flops: int) -> int:
    """Give the number of chunks for a product; it depends on shapes alone, never on the number of threads."""
    return max(1, min(rows, _MOST_CHUNKS, flops // _FLOPS_PER_CHUNK))


@kernel(parallel=True)
def matmul(c, a, b, trans_a, trans_b, chunks):
    """Write the product of a and b, each transposed where asked, by rows of c, or by columns, which are rows of b."""
    rows, columns = c.shape
    by_columns = trans_b and columns > rows
    size = columns if by_columns else rows
    for chunk in numba.prange(chunks):
        lo, hi = chunk * size // chunks, (chunk + 1) * size // chunks
        if by_columns:
            gemm(c[:, lo:hi], a, b[lo:hi], trans_a, True)
        elif trans_a:
            gemm(c[lo:hi], a[:, lo:hi], b, True, trans_b)
        else:
            gemm(c[lo:hi], a[lo:hi], b, False, trans_b)
