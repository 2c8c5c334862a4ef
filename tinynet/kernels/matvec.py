"""A standardised matrix of small integers times a vector, and its transpose, from the integers as they are in memory.

Sums are in float64. One row at a time is what LLVM vectorises best: rows side by side take half as long again.
"""

import numba

from tinynet.kernels.jit import kernel

_CHUNK = 262_144  # values that are worth a thread
_MOST_CHUNKS = 8


def chunks(rows: int, size: int) -> int:
    """Give the number of chunks of rows of a product; it depends on shapes alone."""
    return max(1, min(_MOST_CHUNKS, rows, size // _CHUNK))


@kernel()
def rows_times(y, x, v, offset):
    """Write x v - offset."""
    for r in range(x.shape[0]):
        total = 0.0
        for k in range(v.size):
            total += x[r, k] * v[k]
        y[r] = total - offset


@kernel(parallel=True)
def matvec(y, scaled, x, v, shift, scale, chunks):
    """Write ((x - shift) scale) v, as x (scale v) - shift . (scale v)."""
    offset = 0.0
    for k in range(v.size):
        scaled[k] = scale[k] * v[k]
        offset += shift[k] * scaled[k]
    rows = x.shape[0]
    for chunk in numba.prange(chunks):
        lo, hi = chunk * rows // chunks, (chunk + 1) * rows // chunks
        rows_times(y[lo:hi], x[lo:hi], scaled, offset)


@kernel()
def weighted_rows(total, x, r):
    """Write r x."""
    for k in range(total.size):
        total[k] = 0.0
    for i in range(r.size):
        weight = float(r[i])
        for k in range(total.size):
            total[k] += weight * x[i, k]


@kernel(parallel=True)
def rmatvec(g, partial, x, r, shift, scale):
    """Write ((x - shift) scale)^T r, as scale (x^T r - shift sum(r)); chunks are added in their order."""
    rows, chunks = x.shape[0], partial.shape[0]
    for chunk in numba.prange(chunks):
        lo, hi = chunk * rows // chunks, (chunk + 1) * rows // chunks
        weighted_rows(partial[chunk], x[lo:hi], r[lo:hi])
    mass = 0.0
    for i in range(rows):
        mass += r[i]
    for k in range(g.size):
        total = 0.0
        for chunk in range(chunks):
            total += partial[chunk, k]
        g[k] = scale[k] * (total - shift[k] * mass)
