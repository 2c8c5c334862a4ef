"""The elementwise kernels that deserve one: those that pass over the largest arrays of a network."""

import math

import numba
import numpy as np

from tinynet.fast.kernels.jit import kernel
from tinynet.fast.kernels.loss import exp_single

_CHUNK = 16_384  # values; a smaller piece is not worth a thread


def count_chunks(size: int) -> int:
    """Give the number of chunks for an array of a size; it does not matter to the result."""
    return max(1, min(64, size // _CHUNK))


_MOST = np.float32(3.832506856900711)  # from there on, erf is 1 in float32
_ONE = np.float32(1)
# The coefficients of a rational approximation of erf(x) in float32: of x, x^3, ..., over those of 1, x^2, ...
_P = tuple(
    np.float32(c)
    for c in (
        -1.60960333262415e-02,
        -2.95459980854025e-03,
        -7.34990630326855e-04,
        -5.69250639462346e-05,
        -2.10102402082508e-06,
        2.77068142495902e-08,
        -2.72614225801306e-10,
    )
)
_Q = tuple(
    np.float32(c)
    for c in (
        -1.42647390514189e-02,
        -7.37332916720468e-03,
        -1.68282697438203e-03,
        -2.13374055278905e-04,
        -1.45660718464996e-05,
    )
)


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


@kernel(parallel=True)
def add_to_rows(out, x, y):
    """Add a row to each row of a matrix."""
    for r in numba.prange(len(x)):
        for k in range(y.size):
            out[r, k] = x[r, k] + y[k]


@kernel()
def erf(x):
    """Compute the error function of float32, as Eigen does; the largest error is some units in the last place."""
    v = _MOST if x > _MOST else -_MOST if x < -_MOST else x
    s = v * v
    p = (((((_P[6] * s + _P[5]) * s + _P[4]) * s + _P[3]) * s + _P[2]) * s + _P[1]) * s + _P[0]
    q = (((_Q[4] * s + _Q[3]) * s + _Q[2]) * s + _Q[1]) * s + _Q[0]
    e = v * p / q
    return _ONE if v == _MOST or e > _ONE else -_ONE if v == -_MOST or e < -_ONE else e


@kernel()
def gelu_chunk(out, x, g):
    """Write x times the probability that a normal number lies below x, or its derivative times g."""
    for i in range(x.size):
        below = np.float32(0.5) * (_ONE + erf(x[i] * np.float32(math.sqrt(0.5))))
        if g is None:
            out[i] = x[i] * below
        else:
            density = np.float32(1 / math.sqrt(2 * math.pi)) * exp_single(np.float32(-0.5) * x[i] * x[i])
            out[i] = g[i] * (below + x[i] * density)


@kernel(parallel=True)
def gelu(out, x, g, chunks):
    """Compute gelu of float32, or with a g that is not None its gradient."""
    for chunk in numba.prange(chunks):
        lo, hi = chunk * x.size // chunks, (chunk + 1) * x.size // chunks
        gelu_chunk(out[lo:hi], x[lo:hi], None if g is None else g[lo:hi])
