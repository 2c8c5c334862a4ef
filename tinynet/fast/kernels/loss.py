"""Softmax and its logarithm over the rows of a matrix, safe for logits of any size, and the exponentials they need."""

import math

import numpy as np

from tinynet.fast.kernels.jit import kernel

# Adding a number that has no binary places rounds to one; the last bits of the sum then hold n and the bias of
# exponents, which are the exponent field of 2^n.
_ROUND_32, _ROUND_64 = np.float32(1.5 * 2**23 + 127), np.float64(1.5 * 2**52 + 1023)
_HIGH, _LOW = np.float32(0.693145752), np.float32(1.42860677e-06)  # log(2) in the digits of two numbers
_SERIES = tuple(1 / math.factorial(n) for n in range(13, -1, -1))  # of e^r; what is left out is below 1e-17
_SHORT = tuple(np.float32(term) for term in _SERIES[6:])  # and below 1e-8


@kernel(reorder=False)
def exp_single(x):
    """Compute e^x in float32 for x up to 0, in arithmetic that vectorises: 2^n e^r, with |r| up to log(2) / 2.

    The largest error is one unit in the last place; what is below the smallest normal number comes out as 0.
    """
    v = np.float32(-87.3) if x < np.float32(-87.3) else x
    shifted = np.float32(v * np.float32(1 / math.log(2)) + _ROUND_32)
    n = shifted - _ROUND_32
    r, p = v - n * _HIGH - n * _LOW, _SHORT[0]
    for term in _SHORT[1:]:
        p = p * r + term
    bits = np.int32(shifted.view(np.int32) << 23)
    return np.float32(0) if x < np.float32(-87.3) else p * bits.view(np.float32)


@kernel(reorder=False)
def exp_double(x):
    """Compute e^x in float64 for x up to 0, likewise."""
    v = -708.3 if x < -708.3 else x
    shifted = np.float64(v * (1 / math.log(2)) + _ROUND_64)
    n = shifted - _ROUND_64
    r, p = v - n * 0.6931471803691238 - n * 1.9082149292705877e-10, _SERIES[0]  # log(2) as in fdlibm (e_exp.c)
    for term in _SERIES[1:]:
        p = p * r + term
    bits = np.int64(shifted.view(np.int64) << 52)
    return 0.0 if x < -708.3 else p * bits.view(np.float64)


@kernel()
def exponentials(y, sums, x):
    """Write e^(x - top) for each row, where top is its maximum; and the tops and the sums of these rows into `sums`.

    The exponentials of all rows are computed in one loop, since one over a short row would hardly be vectorised.
    """
    for i in range(len(x)):
        top = x[i, 0]
        for k in range(1, x.shape[1]):
            top = max(top, x[i, k])
        for k in range(x.shape[1]):
            y[i, k] = x[i, k] - top
        sums[0, i] = top
    powers = y.reshape(y.size)
    if y.itemsize == 4:  # float32
        for k in range(y.size):
            powers[k] = exp_single(np.float32(powers[k]))
    else:
        for k in range(y.size):
            powers[k] = exp_double(np.float64(powers[k]))
    for i in range(len(x)):
        total = x.dtype.type(0)
        for k in range(x.shape[1]):
            total += y[i, k]
        sums[1, i] = total


@kernel()
def softmax(y, sums, x):
    """y[i] = exp(x[i]) / sum(exp(x[i])), shifted by the maximum of the row so that nothing overflows."""
    exponentials(y, sums, x)
    for i in range(len(x)):
        for k in range(x.shape[1]):
            y[i, k] /= sums[1, i]


@kernel(reorder=False)  # (x - top) - shift is exact where x - (top + shift) is not
def log_softmax(y, sums, x):
    """y[i] = x[i] - log(sum(exp(x[i]))), shifted likewise."""
    exponentials(y, sums, x)
    for i in range(len(x)):
        shift = math.log(sums[1, i])
        for k in range(x.shape[1]):
            y[i, k] = x[i, k] - sums[0, i] - shift
