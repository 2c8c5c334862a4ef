"""Matrix products, shared out to threads in fixed chunks: each chunk is one single-threaded BLAS call."""

import numba
import numpy as np

from tinynet.fast.kernels.blas import gemm
from tinynet.fast.kernels.jit import kernel

_FLOPS_PER_CHUNK = 500_000  # a product of twice as many just gains by a second thread
_MOST_CHUNKS = 8
_LONG = 6  # an inner axis so many times as long as the longer side of the product is cut itself


def chunks(rows: int, flops: int) -> int:
    """Give the number of chunks for a product; it depends on shapes alone, never on the number of threads."""
    return max(1, min(rows, _MOST_CHUNKS, flops // _FLOPS_PER_CHUNK))


def cut(rows: int, inner: int, columns: int) -> tuple[int, bool]:
    """Return the number of chunks of a product of (rows, inner) and (inner, columns), and whether they cut `inner`.

    BLAS copies ("packs") what a chunk reads of both matrices. So the longer side of the product is cut: each chunk then
    packs the smaller matrix and its own part of the larger one. If `inner` is much longer than both sides, each chunk
    takes a part of both matrices, and the sums of the chunks are added in their order.
    """
    side = max(rows, columns)
    by_inner = inner >= _LONG * side
    count = chunks(inner if by_inner else side, 2 * rows * inner * columns)
    return count, by_inner and count > 1


@kernel()
def part_product(sums, a, b, trans_a, trans_b, chunk, chunks):
    """Write the product of one chunk, and return the rows and columns that it has: from, to, from, to.

    There is one sum for each chunk where the inner axis is cut, and otherwise one for all: the product itself.
    """
    parts, rows, columns = sums.shape
    inner = a.shape[0] if trans_a else a.shape[1]
    top, bottom, left, right, lo, hi = 0, rows, 0, columns, 0, inner
    place = np.intp(0)
    if parts > 1:
        place, lo, hi = np.intp(chunk), chunk * inner // chunks, (chunk + 1) * inner // chunks
    elif columns > rows:
        left, right = chunk * columns // chunks, (chunk + 1) * columns // chunks
    else:
        top, bottom = chunk * rows // chunks, (chunk + 1) * rows // chunks
    part_a = a[lo:hi, top:bottom] if trans_a else a[top:bottom, lo:hi]
    part_b = b[left:right, lo:hi] if trans_b else b[lo:hi, left:right]
    gemm(sums[place, top:bottom, left:right], part_a, part_b, trans_a, trans_b)  # one call: it takes long to compile
    return top, bottom, left, right


@kernel()
def add_sums(c, sums, lo, hi):
    """Write rows lo to hi of the sum over the chunks, in their order."""
    for r in range(lo, hi):
        c[r, :] = sums[0, r]
        for other in range(1, sums.shape[0]):
            for k in range(c.shape[1]):
                c[r, k] += sums[other, r, k]


@kernel()
def finish(y, bias, relu, top, bottom, left, right):
    """Add the bias to these rows and columns, and cut what is below 0 if asked."""
    zero = y.dtype.type(0)
    shift = bias[left:right]
    for r in range(top, bottom):
        row = y[r, left:right]
        for k in range(row.size):
            v = row[k] + shift[k]
            row[k] = zero if relu and v <= 0 else v


@kernel(parallel=True)
def matmul(c, sums, a, b, trans_a, trans_b, chunks):
    """Write the product of a and b, each transposed where asked; `sums` is c itself unless the inner axis is cut."""
    for chunk in numba.prange(chunks):
        part_product(sums, a, b, trans_a, trans_b, chunk, chunks)
    if sums.shape[0] > 1:
        for chunk in numba.prange(chunks):
            add_sums(c, sums, chunk * c.shape[0] // chunks, (chunk + 1) * c.shape[0] // chunks)


@kernel(parallel=True)
def dense(y, sums, x, w, bias, relu, chunks):
    """Compute y = x w + bias, then relu if asked; `sums` is y itself unless the inner axis is cut."""
    by_inner = sums.shape[0] > 1
    for chunk in numba.prange(chunks):
        top, bottom, left, right = part_product(sums, x, w, False, False, chunk, chunks)
        if not by_inner:
            finish(y, bias, relu, top, bottom, left, right)
    if by_inner:
        for chunk in numba.prange(chunks):
            lo, hi = chunk * y.shape[0] // chunks, (chunk + 1) * y.shape[0] // chunks
            add_sums(y, sums, lo, hi)
            finish(y, bias, relu, lo, hi, 0, y.shape[1])
