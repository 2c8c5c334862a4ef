"""Layer normalisation and its gradient, and that of softmax: passes over rows that stay in the cache."""

import math

import numba

from tinynet.fast.kernels.jit import kernel

_CHUNK = 16_384  # values that are worth a thread
_MOST_CHUNKS = 64


def chunks(rows: int, size: int) -> int:
    """Give the number of chunks of rows; no bit depends on it."""
    return max(1, min(_MOST_CHUNKS, rows, size // _CHUNK))


@kernel()
def normalise(y, normal, x, gamma, beta, epsilon):
    """Bring a row to mean 0 and variance 1, then scale and shift it; returns the first scale."""
    total = away = x.dtype.type(0)
    for k in range(x.size):
        total += x[k]
    mean = total / x.dtype.type(x.size)
    for k in range(x.size):
        away += (x[k] - mean) * (x[k] - mean)
    scale = x.dtype.type(1 / math.sqrt(away / x.dtype.type(x.size) + x.dtype.type(epsilon)))
    for k in range(x.size):
        normal[k] = (x[k] - mean) * scale
    for k in range(x.size):
        y[k] = normal[k] * gamma[k] + beta[k]
    return scale


@kernel(parallel=True)
def layer_norm(y, normal, scale, x, gamma, beta, epsilon, chunks):
    """Normalise all rows."""
    for chunk in numba.prange(chunks):
        for r in range(chunk * len(x) // chunks, (chunk + 1) * len(x) // chunks):
            scale[r] = normalise(y[r], normal[r], x[r], gamma, beta, epsilon)


@kernel()
def centre(dx, g, gamma, normal, scale):
    """Write the gradient of a row that was normalised."""
    total = along = g.dtype.type(0)
    for k in range(g.size):
        total += g[k] * gamma[k]
        along += g[k] * gamma[k] * normal[k]
    mean, slope = total / g.dtype.type(g.size), along / g.dtype.type(g.size)
    for k in range(g.size):
        dx[k] = scale * (g[k] * gamma[k] - mean - normal[k] * slope)


@kernel(parallel=True)
def layer_norm_gradient(dx, g, gamma, normal, scale, chunks):
    """Write the gradient of all rows."""
    for chunk in numba.prange(chunks):
        for r in range(chunk * len(g) // chunks, (chunk + 1) * len(g) // chunks):
            centre(dx[r], g[r], gamma, normal[r], scale[r])
