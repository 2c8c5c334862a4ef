"""Compute something with every kernel, and print a hash of every bit, by name, and the kernels that ran, as JSON.

Run by test_build.py in processes that find other kernels built, in another order, or that lost their threads by a fork:
``python kernel_bits.py [float32] [reversed] [forked]``.
"""

import hashlib
import json
import os
import sys
from itertools import product

import numpy as np

from tinynet.core.engine import Tensor
from tinynet.core.mode import tracing
from tinynet.fast import fusions
from tinynet.fast.kernels import build
from tinynet.fast.plan import Plan
from tinynet.ops import conv, gaussian, linear, loss, normalised, pointwise, pool, reduce, warp
from tinynet.ops.conv import geometry
from tinynet.optim.adam import adam
from tinynet.optim.clipping import sum_of_squares
from tinynet.optim.rmsprop import rmsprop, rmsprop_with_momentum
from tinynet.optim.sgd import momentum_step

BETAS = {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-7}
RHO = {"rho": 0.9, "epsilon": 1e-7}


def normal(*shape):
    """Values that differ from shape to shape, and not from call to call."""
    return np.random.default_rng(shape).standard_normal(shape)


def conv_pool(n, h, w, c, f, taps, window):
    """The fused block and its gradients, of one geometry."""
    x, weights, bias, g = normal(n, h, w, c), normal(*taps, c, f), normal(f), None
    p = geometry("case", x.shape, taps, (1, 1), "valid")
    q = geometry("case", (n, p.oh, p.ow, f), window, window, "valid")
    g, index = normal(n, q.oh, q.ow, f), np.random.default_rng(n).integers(0, 4, (n, q.oh, q.ow, f), np.uint8)
    index[::2, ::2, :, ::3] = 255
    geometries = {"p": p, "q": q}
    yield fusions.conv_pool.conv_pool, (x, weights, bias), geometries
    yield fusions.conv_pool.conv_pool_weight_grad, (x, g, index), geometries
    yield fusions.conv_pool.conv_pool_input_grad, (g, weights, index), geometries | {"shape": x.shape}


def convolution(n, size, padding, channels=3):
    x, w = normal(n, size, size, channels), normal(3, 3, channels, 16)
    p = geometry("case", x.shape, (3, 3), (1, 1), padding)
    g = normal(n, p.oh, p.ow, 16)
    yield conv._conv2d, (x, w), {"p": p}
    yield fusions.bias_relu.WITH_BIAS[conv._conv2d], (x, w, normal(16)), {"p": p, "rectified": True}
    yield conv._conv2d_input_grad, (g, w), {"p": p, "size": x.shape[1:3]}
    yield conv._conv2d_weight_grad, (x, g), {"p": p}


def pooling(n):
    x = normal(n, 12, 12, 5)
    p = geometry("case", x.shape, (3, 2), (3, 2), "valid")
    g, index = normal(n, p.oh, p.ow, 5), np.random.default_rng(n).integers(0, 6, (n, p.oh, p.ow, 5), np.uint8)
    yield pool._max_pool, (x,), {"p": p}
    yield pool._max_unpool, (g, index), {"p": p, "size": (12, 12)}
    for images in (x, np.random.default_rng(n).integers(0, 256, x.shape, np.uint8)):
        yield warp.warp, (images, normal(n, 2, 3)), {}


def products(m, k, n):
    for trans_a, trans_b in product([False, True], repeat=2):
        a, b = normal(*((k, m) if trans_a else (m, k))), normal(*((n, k) if trans_b else (k, n)))
        attrs = {"trans_a": trans_a, "trans_b": trans_b}
        yield linear._matmul, (a, b), attrs
        yield fusions.bias_relu.WITH_BIAS[linear._matmul], (a, b, normal(n)), attrs | {"rectified": True}
    b = normal(k, n)
    b.flags.writeable = False  # one that is constant lies in panels if it is wide
    yield linear._matmul, (normal(m, k), b), {"trans_a": False, "trans_b": False}


def stack(n, m, k, columns):
    yield linear._matmul, (normal(n, m, k), normal(k, columns)[None]), {"trans_a": False, "trans_b": False}


def rows(n, k):
    x, labels = normal(n, k), np.arange(n) % k
    data, flat = np.random.default_rng(n).integers(0, 256, (n, k), np.uint8), normal(n * k)
    yield pointwise.add, (x, normal(k)), {}
    yield pointwise.relu, (x,), {}
    yield pointwise.relu_gradient, (normal(k, n).T.copy(), x), {}
    yield reduce._sum, (x,), {"axes": (0,)}
    yield reduce._sum, (x.reshape(n, -1, 5),), {"axes": (1,)}
    yield gaussian._gelu, (x,), {}
    yield gaussian.gelu_gradient, (x, x), {}
    yield normalised.layer_norm, (x, normal(k), normal(1, k)[0]), {"epsilon": 1e-5}
    yield normalised.layer_norm_gradient, (x + 1, normal(k), x, normal(n, 1)), {}
    yield reduce.all_finite, (flat,), {}
    yield loss._softmax, (x,), {}
    yield loss._log_softmax, (x,), {}
    yield fusions.cross_entropy.softmax_cross_entropy, (x, labels), {}
    yield fusions.gather.gather, (data, labels, normal(k), normal(1, k)[0]), {"sample": (k,)}
    yield fusions.descend.descend, (flat, flat + 1, np.array(0.1)), {}
    yield momentum_step, (flat - 1, flat / 2, flat + 1, np.array(0.1), np.array(0.9)), {"nesterov": True}
    yield rmsprop, (flat - 1, flat * flat, flat + 1, np.array(0.1)), RHO
    yield rmsprop_with_momentum, (flat - 1, flat * flat, flat / 2, flat + 1, np.array(0.1), np.array(0.9)), RHO
    yield sum_of_squares, (flat,), {}
    yield adam, (flat - 1, flat / 2, flat * flat, np.array(3), flat + 1, np.array(0.1)), BETAS
    standard = {"shift": normal(k), "scale": np.abs(normal(1, k)[0])}
    yield fusions.standardised_matvec.standardised_matvec, (data, normal(k)), standard
    yield fusions.standardised_matvec.standardised_rmatvec, (data, normal(n)), standard


def cases():
    """Every op that has a kernel, on one chunk and on several."""
    for n in (1, 19):
        yield from conv_pool(n, 12, 11, 1, 16, (3, 3), (2, 2))  # products in registers
        yield from conv_pool(n, 13, 13, 16, 16, (3, 3), (3, 3))  # Winograd's
        yield from conv_pool(n, 13, 13, 16, 16, (3, 3), (2, 2))
        yield from conv_pool(n, 12, 11, 5, 16, (3, 3), (2, 2))  # of matrices
        yield from convolution(n, 9, "valid")
        yield from convolution(n, 7, "same")
        yield from convolution(n, 7, "same", channels=8)
        yield from convolution(n, 8, "same", channels=16)  # Winograd's
        yield from pooling(n)
    for shape in [(3, 4, 5), (32, 784, 128), (300, 40, 500), (5, 300, 700), (130, 700, 530)]:
        yield from products(*shape)
    yield from stack(3, 4, 5, 6)
    yield from stack(40, 30, 50, 70)
    for shape in [(7, 5), (400, 700)]:
        yield from rows(*shape)


def converted(array, dtype):
    """The array in a dtype if it is of floats, and constant if it was."""
    made = array.astype(dtype if array.dtype == np.float64 else array.dtype)
    made.flags.writeable = array.flags.writeable
    return made


def plan(dtypes, backwards):
    """Plan all cases as one graph, so that all kernels that are missing are built together."""
    outputs = {}
    numbered = list(enumerate(product(cases(), dtypes)))
    with tracing():
        for number, ((op, arrays, attrs), dtype) in reversed(numbered) if backwards else numbered:
            inputs = [Tensor(converted(a, dtype)) for a in arrays]
            made = op(*inputs, **attrs)
            for i, y in enumerate(made if isinstance(made, tuple) else (made,)):
                outputs[f"{number} {op.name} {dtype} {i}"] = y
    return Plan({}, outputs)


def main():
    arguments = sys.argv[1:]
    dtypes = ["float32"] if "float32" in arguments else ["float32", "float64"]
    loaded, load = set(), build.load

    def listening(identity, target):
        loaded.add((identity.module, identity.name))
        return load(identity, target)

    build.load = listening
    planned = plan(dtypes, "reversed" in arguments)
    if "forked" in arguments:
        Tensor(np.ones(10**6)) @ np.ones((10**6, 2))  # starts the threads that the child will not have
        child = os.fork()
        if child:
            sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    bits = {name: hashlib.sha256(y.tobytes()).hexdigest() for name, y in planned.run().items()}
    print(json.dumps({"bits": dict(sorted(bits.items())), "kernels": sorted(loaded)}), flush=True)


if __name__ == "__main__":
    main()
