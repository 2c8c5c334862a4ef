"""Softmax and its logarithm over the rows of a matrix, safe for logits of any size."""

import math

from tinynet.fast.kernels.jit import kernel


@kernel()
def softmax(y, x):
    """y[i] = exp(x[i]) / sum(exp(x[i])), shifted by the maximum of the row so that nothing overflows."""
    for i in range(x.shape[0]):
        top = x[i, 0]
        for k in range(1, x.shape[1]):
            top = max(top, x[i, k])
        total = x.dtype.type(0)
        for k in range(x.shape[1]):
            y[i, k] = math.exp(x[i, k] - top)
            total += y[i, k]
        for k in range(x.shape[1]):
            y[i, k] /= total


@kernel(reorder=False)  # (x - top) - shift is exact where x - (top + shift) is not
def log_softmax(y, x):
    """y[i] = x[i] - log(sum(exp(x[i]))), shifted likewise."""
    for i in range(x.shape[0]):
        top = x[i, 0]
        for k in range(1, x.shape[1]):
            top = max(top, x[i, k])
        total = x.dtype.type(0)
        for k in range(x.shape[1]):
            total += math.exp(x[i, k] - top)
        shift = math.log(total)
        for k in range(x.shape[1]):
            y[i, k] = x[i, k] - top - shift
