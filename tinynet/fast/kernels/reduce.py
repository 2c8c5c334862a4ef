"""Sums: of the rows of a matrix, such as the gradient of a bias, and of squares; and whether all values are finite."""

import numba
import numpy as np

from tinynet.fast.kernels.jit import kernel

_CHUNK = 32_768  # values that are worth a thread
_MOST_CHUNKS = 8


def count_chunks(rows: int, size: int) -> int:
    """Give the number of chunks of a sum; it depends on shapes alone."""
    return max(1, min(_MOST_CHUNKS, rows, size // _CHUNK))


def blocks(rows: int, size: int) -> int:
    """Give the number of parts whose sums are added up, so that rounding grows with the root of the rows only."""
    return max(count_chunks(rows, size), int(rows**0.5) if rows > 2_048 else 1)


@kernel()
def add_up(total, rows, lo, hi):
    """Add up values lo to hi of rows, such as the sums of chunks, in their order: total (size,), rows (n, size)."""
    for k in range(lo, hi):
        total[k] = 0
    for r in range(len(rows)):
        for k in range(lo, hi):
            total[k] += rows[r, k]


@kernel(parallel=True)
def sum_rows(total, partial, x):
    """Sum the rows of each chunk, then the chunks in their order."""
    chunks = len(partial)
    for chunk in numba.prange(chunks):
        add_up(partial[chunk], x[chunk * len(x) // chunks : (chunk + 1) * len(x) // chunks], 0, total.size)
    add_up(total, partial, 0, total.size)


@kernel()
def sum_of_zeros(x):
    """Sum 0 x: 0 if all values are finite, otherwise NaN."""
    total = x.dtype.type(0)
    for k in range(x.size):
        total += x.dtype.type(0) * x[k]  # times a whole number, the products would be of float64
    return total


@kernel(parallel=True)
def all_finite(out, partial, x):
    """Tell whether all values are finite, chunk by chunk."""
    chunks = partial.size
    for chunk in numba.prange(chunks):
        partial[chunk] = sum_of_zeros(x[chunk * x.size // chunks : (chunk + 1) * x.size // chunks])
    out[0] = sum_of_zeros(partial) == 0


@kernel()
def squares_of_chunk(x):
    """Sum the squares in float64."""
    total = 0.0
    for k in range(x.size):
        v = np.float64(x[k])
        total += v * v
    return total


@kernel(parallel=True)
def sum_of_squares(out, partial, x):
    """Sum the squares of each chunk, then the chunks in their order."""
    chunks = partial.size
    for chunk in numba.prange(chunks):
        partial[chunk] = squares_of_chunk(x[chunk * x.size // chunks : (chunk + 1) * x.size // chunks])
    add_up(out, partial.reshape(chunks, 1), 0, 1)
