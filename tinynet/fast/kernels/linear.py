"""Matrix products, shared out to threads in fixed chunks: each chunk is one single-threaded BLAS call."""

from functools import lru_cache, partial

import numba
import numpy as np
from llvmlite.binding import get_host_cpu_features

from tinynet.fast.kernels.blas import gemm
from tinynet.fast.kernels.jit import MOST_CHUNKS, chunks_of, kernel
from tinynet.fast.kernels.reduce import add_up

count_chunks = partial(chunks_of, worth=1_250_000)  # rows and flops
_LONG = 6  # an inner axis so many times as long as the longer side of the product is cut itself
# OpenBLAS reads small matrices where they are, where it has AVX-512, and copies larger ones first. Small is up to so
# many multiplications.
SMALL = 1_000_000 if get_host_cpu_features().get("avx512f") else 0
_LARGE = 32 * SMALL  # from so many on, copies cost less than small products do
WIDE = 64  # columns of a small product
_NARROW, _LOW = 16, 32  # columns and rows of one whose second matrix is transposed
_DEEP = 256  # the inner axis at least that such a one pays for


@lru_cache(maxsize=1024)  # an eager product asks more than once
def cut(rows: int, inner: int, columns: int, trans_b: bool = False) -> tuple[int, int]:
    """Return the number of chunks of a product, and the axis that they cut: 0 for rows, 1 for columns, 2 for `inner`.

    Each chunk reads all of one matrix, and its part of the other. So rows are cut where there are more of them, and
    columns where these are more and each chunk keeps enough of them. If `inner` is much longer than both, each chunk
    reads a part of both matrices, and the sums of the chunks are added in their order. The rows of a matrix of
    parameters then stay in the cache of the core that updates them.
    """
    flops = 2 * rows * inner * columns
    if inner >= _LONG * max(rows, columns) and count_chunks(inner, flops) > 1:
        return count_chunks(inner, flops), 2
    if columns > rows and (trans_b or columns >= MOST_CHUNKS * WIDE):
        return count_chunks(columns, flops), 1
    return count_chunks(rows, flops), 0


@kernel()
def part_product(sums, a, b, trans_a, trans_b, chunk, chunks, axis):
    """Write the product of one chunk.

    There is one sum for each chunk where the inner axis is cut, and otherwise one for all: the product itself.
    """
    _, rows, columns = sums.shape
    inner = a.shape[0] if trans_a else a.shape[1]
    top, bottom, left, right, lo, hi = 0, rows, 0, columns, 0, inner
    place = np.intp(0)
    if axis == 0:  # in eights, for which BLAS is fastest
        top = rows // 8 * chunk // chunks * 8
        bottom = rows // 8 * (chunk + 1) // chunks * 8 if chunk + 1 < chunks else rows
    elif axis == 1:
        left, right = chunk * columns // chunks, (chunk + 1) * columns // chunks
    else:
        place, lo, hi = np.intp(chunk), chunk * inner // chunks, (chunk + 1) * inner // chunks
    height, width, depth = bottom - top, right - left, hi - lo
    if SMALL < height * width * depth <= _LARGE:
        if trans_b and _DEEP <= depth <= SMALL // (_LOW * _NARROW):
            height, width = _LOW, _NARROW
        elif not trans_b and depth <= SMALL // (8 * WIDE):
            height, width = SMALL // (WIDE * depth) // 8 * 8, WIDE
    for k in range(left, right, max(1, width)):
        for r in range(top, bottom, max(1, height)):
            r2, k2 = min(r + height, bottom), min(k + width, right)
            part_a = a[lo:hi, r:r2] if trans_a else a[r:r2, lo:hi]
            part_b = b[k:k2, lo:hi] if trans_b else b[lo:hi, k:k2]
            gemm(sums[place, r:r2, k:k2], part_a, part_b, trans_a, trans_b)  # one call: it takes long to compile


@kernel(parallel=True)
def matmul_panels(c, a, panels):
    """Write the product of a and a matrix that lies in panels (columns / WIDE, inner, WIDE), in small products."""
    for panel in numba.prange(len(panels)):
        for r in range(0, len(a), 8):
            gemm(c[r : r + 8, panel * WIDE : (panel + 1) * WIDE], a[r : r + 8], panels[panel], False, False)


@kernel(parallel=True)
def matmul(c, sums, a, b, trans_a, trans_b, chunks, axis):
    """Write the product of a and b, each transposed where asked; `sums` is c itself unless the inner axis is cut."""
    for chunk in numba.prange(chunks):
        part_product(sums, a, b, trans_a, trans_b, chunk, chunks, axis)
    if axis == 2:
        for chunk in numba.prange(chunks):
            add_up(
                c.reshape(c.size),
                sums.reshape(chunks, c.size),
                chunk * c.size // chunks,
                (chunk + 1) * c.size // chunks,
            )
