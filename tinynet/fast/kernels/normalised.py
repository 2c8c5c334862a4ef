"""Layer normalisation and its gradient: passes over rows that stay in the cache.

Sums are reordered, and so vectorise. In a loop with two sums, LLVM chose another order for the kernel with threads than
for the one without. So each loop has one, and all else is computed in the order in which it is written.
"""

import math

import numba

from tinynet.fast.kernels.jit import kernel


@kernel(reorder=False)
def _standardise(y, normal, x, gamma, beta, mean, factor):
    """Bring a row to mean 0 and variance 1, then scale and shift it."""
    for k in range(x.size):
        v = (x[k] - mean) * factor
        normal[k] = v
        y[k] = v * gamma[k] + beta[k]


@kernel(reorder=False)
def _bring_back(dx, normal, mean, slope, factor):
    """Bring the cotangent of a row back, which has been multiplied by gamma."""
    for k in range(dx.size):
        dx[k] = factor * (dx[k] - mean - normal[k] * slope)


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
            _standardise(y[r], normal[r], x[r], gamma, beta, y[r, 0], scale[r])


@kernel(parallel=True)
def layer_norm_gradient(dx, g, gamma, normal, scale, chunks):
    """Bring the cotangent g of y back to x."""
    zero, size = g.dtype.type(0), g.dtype.type(gamma.size)
    for chunk in numba.prange(chunks):
        for r in range(chunk * len(g) // chunks, (chunk + 1) * len(g) // chunks):
            total = along = zero
            for k in range(gamma.size):
                dx[r, k] = g[r, k] * gamma[k]
            for k in range(gamma.size):
                total += dx[r, k]
            for k in range(gamma.size):
                along += dx[r, k] * normal[r, k]
            _bring_back(dx[r], normal[r], total / size, along / size, scale[r])
