"""Small fusions: gather + scale, softmax + cross-entropy, the steps of SGD, Adam and RMSprop."""

import math
from functools import partial

import numba

from tinynet.fast.kernels.jit import chunks_of, kernel
from tinynet.fast.kernels.loss import exponentials
from tinynet.fast.kernels.reduce import part

count_chunks = partial(chunks_of, worth=8_192)  # values of a pass over rows


@kernel()
def gather(out, x, indices, shift, scale):
    """Write (x[indices] - shift) * scale, with a shift and scale for each value of a sample."""
    for r in range(out.shape[0]):
        source = indices[r]
        for k in range(out.shape[1]):
            out[r, k] = (out.dtype.type(x[source, k]) - shift[k]) * scale[k]


@kernel()
def cross_entropy(loss, slope, sums, logits, labels):
    """Write the mean cross-entropy of rows and its gradient: (softmax - one-hot) / n; NaN where a label is no class."""
    n, classes = logits.shape
    total = 0.0
    exponentials(slope, sums, logits)
    for r in range(n):
        factor = 1 / (sums[1, r] * n)
        for k in range(classes):
            slope[r, k] *= factor
        label = labels[r]
        if 0 <= label < classes:
            total -= (logits[r, label] - sums[0, r]) - math.log(sums[1, r])
            slope[r, label] -= logits.dtype.type(1) / n
        else:
            total = math.nan
    loss[0] = total / n


@kernel()
def descend_chunk(theta, velocity, gradient, rate, momentum, nesterov):
    """Add the gradient to the velocity, if there is one, and move theta along it, in place."""
    for k in range(theta.size):
        v = g = gradient[k]
        if velocity is not None:
            v += momentum * velocity[k]
            velocity[k] = v
        theta[k] -= rate * (g + momentum * v if nesterov else v)


@kernel(parallel=True)
def descend(theta, velocity, gradient, rate, momentum, nesterov, chunks):
    """Make a step of gradient descent in place; without a momentum, the velocity is None."""
    for chunk in numba.prange(chunks):
        v = part(velocity, chunk, chunks)
        descend_chunk(part(theta, chunk, chunks), v, part(gradient, chunk, chunks), rate[0], momentum[0], nesterov)


@kernel()
def adam_chunk(theta, first, second, gradient, rate, keep, beta1, rest1, beta2, rest2, shrink, epsilon):
    """Move both moments towards the gradient and its square, and theta along their ratio, in place."""
    for k in range(theta.size):
        g = gradient[k]
        first[k] = beta1 * first[k] + rest1 * g
        second[k] = beta2 * second[k] + rest2 * (g * g)
        theta[k] = theta[k] * keep - rate * first[k] / (math.sqrt(second[k]) * shrink + epsilon)


@kernel(parallel=True)
def adam(theta, first, second, steps, gradient, rate, beta1, beta2, epsilon, decay, chunks):
    """Make a step of Adam in place, the how manyth it is said to be; what is near 0 or 1 is computed in float64."""
    t = steps[0]
    scale = theta.dtype.type(rate[0] / (1 - beta1**t))
    keep = theta.dtype.type(1 - rate[0] * decay)
    shrink = theta.dtype.type(1 / math.sqrt(1 - beta2**t))
    b1, r1 = theta.dtype.type(beta1), theta.dtype.type(1 - beta1)
    b2, r2 = theta.dtype.type(beta2), theta.dtype.type(1 - beta2)
    eps = theta.dtype.type(epsilon)
    for chunk in numba.prange(chunks):
        adam_chunk(
            part(theta, chunk, chunks),
            part(first, chunk, chunks),
            part(second, chunk, chunks),
            part(gradient, chunk, chunks),
            scale, keep, b1, r1, b2, r2, shrink, eps,
        )  # fmt: skip


@kernel()
def rmsprop_chunk(theta, square, velocity, gradient, rate, momentum, keep, rest, epsilon):
    """Move the mean square towards the gradient's, and theta along the ratio or the velocity, if any, in place."""
    for k in range(theta.size):
        g = gradient[k]
        square[k] = keep * square[k] + rest * (g * g)
        v = g / (math.sqrt(square[k]) + epsilon)
        if velocity is not None:
            v += momentum * velocity[k]
            velocity[k] = v
        theta[k] -= rate * v


@kernel(parallel=True)
def rmsprop(theta, square, velocity, gradient, rate, momentum, rho, epsilon, chunks):
    """Make a step of RMSprop in place; without a momentum, the velocity is None."""
    keep, rest, eps = theta.dtype.type(rho), theta.dtype.type(1 - rho), theta.dtype.type(epsilon)
    for chunk in numba.prange(chunks):
        rmsprop_chunk(
            part(theta, chunk, chunks),
            part(square, chunk, chunks),
            part(velocity, chunk, chunks),
            part(gradient, chunk, chunks),
            rate[0], momentum[0], keep, rest, eps,
        )  # fmt: skip
