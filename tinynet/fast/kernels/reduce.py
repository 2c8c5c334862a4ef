"""Sums: of the rows of a matrix, such as the gradient of a bias, and of squares; and whether all values are finite."""

from functools import partial

import numba
import numpy as np

from tinynet.fast.kernels.jit import chunks_of, kernel

count_chunks = partial(chunks_of, worth=32_768)  # values


@kernel()
def part(x, chunk, chunks):
    """Return the rows of a chunk, or the values of an array of one axis; of None, None. For use in kernels."""
    return None if x is None else x[chunk * len(x) // chunks : (chunk + 1) * len(x) // chunks]


@kernel()
def add_up(total, rows, lo, hi):
    """Add up values lo to hi of rows, such as the sums of chunks, in their order: total (size,), rows (n, size)."""
    sums = total[lo:hi]
    sums[:] = 0
    for r in range(len(rows)):
        row = rows[r, lo:hi]
        for k in range(sums.size):
            sums[k] += row[k]


@kernel(parallel=True)
def sum_rows(total, partial, x):
    """Sum the rows of each chunk, then the chunks in their order."""
    chunks = len(partial)
    for chunk in numba.prange(chunks):
        add_up(partial[chunk], part(x, chunk, chunks), 0, total.size)
    add_up(total, partial, 0, total.size)


@kernel(parallel=True)
def sum_each(totals, x):
    """Sum the rows of each matrix of a stack: totals (n, columns), x (n, rows, columns)."""
    for i in numba.prange(len(x)):
        add_up(totals[i], x[i], 0, totals.shape[1])


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
        partial[chunk] = sum_of_zeros(part(x, chunk, chunks))
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
        partial[chunk] = squares_of_chunk(part(x, chunk, chunks))
    add_up(out, partial.reshape(chunks, 1), 0, 1)
