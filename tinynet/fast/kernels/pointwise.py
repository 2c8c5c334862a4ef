"""The elementwise kernels that deserve one: those that pass over the largest arrays of a network."""

import numba

from tinynet.fast.kernels.jit import kernel

_CHUNK = 16_384  # values; a smaller piece is not worth a thread


def chunks(size: int) -> int:
    """Give the number of chunks for an array of a size; it does not matter to the result."""
    return max(1, min(64, size // _CHUNK))


@kernel()
def cut_chunk(out, g, y):
    """Keep g where y > 0 (or NaN), else 0."""
    zero = g.dtype.type(0)
    for i in range(y.size):
        out[i] = zero if y[i] <= 0 else g[i]


@kernel(parallel=True)
def cut(out, g, y, chunks):
    """Keep g where y > 0 (or NaN), else 0; with g and y one array, its relu."""
    for chunk in numba.prange(chunks):
        lo, hi = chunk * y.size // chunks, (chunk + 1) * y.size // chunks
        cut_chunk(out[lo:hi], g[lo:hi], y[lo:hi])
