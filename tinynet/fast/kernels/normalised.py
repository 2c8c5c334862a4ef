"""Layer normalisation and its gradient: passes over rows that stay in the cache."""

import math

import numba

from tinynet.fast.kernels.jit import kernel


@kernel(parallel=True)
def layer_norm(y, normal, scale, x, gamma, beta, epsilon, chunks):
    """Bring rows to mean 0 and variance 1, then scale and shift them.

    A pass over a chunk for each sum lets the sums of many rows overlap, each of which waits for its own end. Until a
    row of y is written, its first value holds the mean.
    """
    one, size = x.dtype.type(1), x.dtype.type(gamma.size)
    for chunk in numba.prange(chunks):
        lo, hi = chunk * len(x) // chunks, (chunk + 1) * len(x) // chunks
        for r in range(lo, hi):
            total = one - one
            for k in range(gamma.size):
                total += x[r, k]
            y[r, 0] = total / size
        for r in range(lo, hi):
            total, mean = one - one, y[r, 0]
            for k in range(gamma.size):
                total += (x[r, k] - mean) * (x[r, k] - mean)
            scale[r] = one / math.sqrt(total / size + x.dtype.type(epsilon))
        for r in range(lo, hi):
            mean, factor = y[r, 0], scale[r]
            for k in range(gamma.size):
                v = (x[r, k] - mean) * factor
                normal[r, k] = v
                y[r, k] = v * gamma[k] + beta[k]


@kernel(parallel=True)
def layer_norm_gradient(dx, g, gamma, normal, scale, chunks):
    """Bring the cotangent g of y back to x."""
    zero, size = g.dtype.type(0), g.dtype.type(gamma.size)
    for chunk in numba.prange(chunks):
        for r in range(chunk * len(g) // chunks, (chunk + 1) * len(g) // chunks):
            total = along = zero
            for k in range(gamma.size):
                h = g[r, k] * gamma[k]
                total += h
                along += h * normal[r, k]
            mean, slope, factor = total / size, along / size, scale[r]
            for k in range(gamma.size):
                dx[r, k] = factor * (g[r, k] * gamma[k] - mean - normal[r, k] * slope)
