"""Softmax and its logarithm over the rows of a matrix, safe for logits of any size, and the exponentials they need."""

import math

import numpy as np

from tinynet.fast.kernels.jit import kernel

_LOWEST = np.float32(-87.3)  # e^x is below the smallest normal number there, and comes out as 0
_LOG2_E = np.float32(1.44269504)
_LN_2_HIGH, _LN_2_LOW = np.float32(0.693145752), np.float32(1.42860677e-06)  # their sum has the digits of two numbers
_C2, _C3, _C4 = np.float32(0.50000001201), np.float32(0.16666665459), np.float32(0.041665795894)
_C5, _C6, _C7 = np.float32(0.0083334519073), np.float32(0.0013981999507), np.float32(0.00019875691500)
# A number this large has no binary places, so that adding it rounds; its last bits then hold 127 + n, which is the
# exponent field of 2^n.
_ROUNDING = np.float32(1.5 * 2**23 + 127)
_FIELD = np.int32(23)  # where the exponent is in a number


@kernel(reorder=False)
def exp_single(x):
    """Compute e^x in float32 for x up to 0, in arithmetic that vectorises: 2^n e^r, with |r| up to log(2) / 2.

    The polynomial is that of Cephes (expf.c); the largest error is one unit in the last place.
    """
    v = _LOWEST if x < _LOWEST else x
    shifted = np.float32(v * _LOG2_E + _ROUNDING)
    n = shifted - _ROUNDING
    r = v - n * _LN_2_HIGH - n * _LN_2_LOW
    p = ((((_C7 * r + _C6) * r + _C5) * r + _C4) * r + _C3) * r + _C2
    bits = np.int32(shifted.view(np.int32) << _FIELD)
    return np.float32(0) if x < _LOWEST else (p * r * r + r + np.float32(1)) * bits.view(np.float32)


@kernel()
def exponentials(y, x):
    """Write e^(x - top) for a row, where top is its maximum; returns top and the sum of what is written."""
    top = x[0]
    for k in range(1, x.size):
        top = max(top, x[k])
    if x.itemsize == 4:  # float32
        for k in range(x.size):
            y[k] = exp_single(np.float32(x[k] - top))
    else:
        for k in range(x.size):
            y[k] = math.exp(x[k] - top)
    total = x.dtype.type(0)
    for k in range(x.size):
        total += y[k]
    return top, total


@kernel()
def softmax(y, x):
    """y[i] = exp(x[i]) / sum(exp(x[i])), shifted by the maximum of the row so that nothing overflows."""
    for i in range(len(x)):
        _, total = exponentials(y[i], x[i])
        for k in range(x.shape[1]):
            y[i, k] /= total


@kernel(reorder=False)  # (x - top) - shift is exact where x - (top + shift) is not
def log_softmax(y, x):
    """y[i] = x[i] - log(sum(exp(x[i]))), shifted likewise."""
    for i in range(len(x)):
        top, total = exponentials(y[i], x[i])
        shift = math.log(total)
        for k in range(x.shape[1]):
            y[i, k] = x[i, k] - top - shift
