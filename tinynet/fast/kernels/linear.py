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
        top, bottom, left, right = (0, rows, lo, hi) if by_columns else (lo, hi, 0, columns)
        part_a = a[:, top:bottom] if trans_a else a[top:bottom]
        part_b = b[left:right] if trans_b else b[:, left:right]
        gemm(c[top:bottom, left:right], part_a, part_b, trans_a, trans_b)  # one call: gemm takes long to compile
