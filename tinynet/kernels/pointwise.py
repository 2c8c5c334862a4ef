"""The elementwise kernels that deserve one: those that pass over the largest arrays of a network."""

import numba

from tinynet.kernels.jit import kernel

_CHUNK = 16_384  # values; a smaller piece is not worth a thread


def chunks(size: int) -> int:
    """Give the number of chunks for an array of a size; it does not matter to the result."""
    return max(1, min(64, size // _CHUNK))


@kernel()
def relu_chunk(y, x):
    """Write max(x, 0) into y; NaN where x is NaN."""
    zero = x.dtype.type(0)
    for i in range(x.size):
        y[i] = zero if x[i] <= 0 else x[i]


@kernel(parallel=True)
def relu(y, x, chunks):
    """Write max(x, 0) into y; NaN where x is NaN."""
    for chunk in numba.prange(chunks):
        lo, hi = chunk * x.size // chunks, (chunk + 1) * x.size // chunks
        relu_chunk(y[lo:hi], x[lo:hi])


@kernel()
def relu_gradient_chunk(out, g, y):
    """Keep g where y > 0 (or NaN), else 0."""
    zero = g.dtype.type(0)
    for i in range(y.size):
        out[i] = zero if y[i] <= 0 else g[i]


@kernel(parallel=True)
def relu_gradient(out, g, y, chunks):
    """Keep g where y > 0 (or NaN), else 0."""
    for chunk in numba.prange(chunks):
        lo, hi = chunk * y.size // chunks, (chunk + 1) * y.size // chunks
        relu_gradient_chunk(out[lo:hi], g[lo:hi], y[lo:hi])
