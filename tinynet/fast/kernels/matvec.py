"""A standardised matrix of small integers times a vector, and its transpose, from the integers as they are in memory.

Sums are in float64. One row at a time is what LLVM vectorises best: rows side by side take half as long again.
"""

import numba
import numpy as np

from tinynet.fast.kernels.jit import kernel


@kernel(parallel=True)
def matvec(y, scaled, x, v, shift, scale, chunks):
    """Write ((x - shift) scale) v, as x (scale v) - shift . (scale v)."""
    for k in range(v.size):
        scaled[k] = scale[k] * v[k]
    offset = 0.0
    for k in range(v.size):  # apart: where a loop also writes, the order of its sum depends on where arrays lie
        offset += shift[k] * scaled[k]
    rows = x.shape[0]
    for chunk in numba.prange(chunks):
        for i in range(chunk * rows // chunks, (chunk + 1) * rows // chunks):
            total = 0.0
            for k in range(v.size):
                total += x[i, k] * scaled[k]
            y[i] = total - offset


@kernel(parallel=True)
def rmatvec(g, partial, x, r, shift, scale):
    """Write ((x - shift) scale)^T r, as scale (x^T r - shift sum(r)); chunks are added in their order."""
    rows, chunks = x.shape[0], partial.shape[0]
    for chunk in numba.prange(chunks):
        for k in range(g.size):
            partial[chunk, k] = 0.0
        for i in range(chunk * rows // chunks, (chunk + 1) * rows // chunks):
            weight = np.float64(r[i])
            for k in range(g.size):
                partial[chunk, k] += weight * x[i, k]
    mass = 0.0
    for i in range(rows):
        mass += r[i]
    for chunk in range(1, chunks):
        for k in range(g.size):
            partial[0, k] += partial[chunk, k]
    for k in range(g.size):
        g[k] = scale[k] * (partial[0, k] - shift[k] * mass)
