"""Compute something of everything that runs on threads, and print a hash of every bit, by name, as JSON.

Run by test_threads.py in processes that differ in their threads alone.
"""

import hashlib
import json
import sys
from itertools import product

import numpy as np

import tinynet as tn


def network(dtype):
    """A small CNN: its loss, the gradients of its parameters, and a Hessian-vector product."""
    rng = np.random.default_rng(0)

    def tensor(*shape):
        return tn.Tensor((rng.standard_normal(shape) / 4).astype(dtype), requires_grad=True)

    x, labels = tensor(37, 17, 16, 3), rng.integers(0, 10, 37)
    w1, b1, w2, w3, b3 = tensor(3, 3, 3, 16), tensor(16), tensor(3, 2, 16, 24), tensor(216, 10), tensor(10)
    h = tn.ops.relu(tn.ops.conv2d(x, w1, padding="same") + b1)
    h = tn.ops.max_pool(h, 3, stride=2)
    h = tn.ops.max_pool(tn.ops.relu(tn.ops.conv2d(h, w2, stride=(1, 1))), 2)
    loss = tn.ops.cross_entropy(tn.ops.softmax(h.reshape(37, -1) @ w3 + b3), labels)
    yield "loss", loss
    inputs = {"x": x, "w1": w1, "b1": b1, "w2": w2, "w3": w3, "b3": b3}
    gradients = tn.grad(loss, list(inputs.values()), create_graph=True)
    yield from zip(inputs, gradients, strict=True)
    along = sum(((g * tensor(*g.shape).detach()).sum() for g in gradients[1:]), tn.Tensor(np.zeros((), dtype)))
    yield from ((f"second {name}", g) for name, g in zip(inputs, tn.grad(along, list(inputs.values())), strict=True))


def products(dtype):
    """Matrix products of all transpositions, from one chunk to many, with vectors and a stack among them."""
    rng = np.random.default_rng(1)
    for (m, k, n), trans_a, trans_b in product(
        [
            (1, 700, 300),
            (300, 700, 1),
            (32, 784, 128),
            (37, 576, 128),
            (9, 1000, 257),
            (128, 32, 784),
            (500, 33, 65),
            (130, 700, 530),
        ],
        [False, True],
        [False, True],
    ):
        a = rng.standard_normal((k, m) if trans_a else (m, k)).astype(dtype)
        b = rng.standard_normal((n, k) if trans_b else (k, n)).astype(dtype)
        yield f"({m}, {k}, {n}) {trans_a} {trans_b}", tn.ops.matmul(a, b, trans_a, trans_b)
    a, b = (rng.standard_normal((3, 150, 150)).astype(dtype) for _ in range(2))
    yield "stack", tn.ops.matmul(a, b)


def layers(dtype):
    """Layers with stacks of products, recurrence, and windows over the edge: the gradients of their parameters."""
    rng = np.random.default_rng(2)
    pooled = [tn.MaxPool(3, 2, "same"), tn.AvgPool(2, padding="same"), tn.UpSampling(2)]
    convolved = tn.Conv2D(8, 3, padding="same", activation="gelu"), tn.Conv2DTranspose(6, 3, 2, "same", "elu")
    attention = tn.Residual([tn.MultiHeadAttention(4, causal=True)])
    stacks = {
        "images": ([convolved[0], *pooled, convolved[1]], (37, 20, 20, 3)),
        "attention": ([tn.LayerNorm(), attention, tn.Dense(8)], (37, 40, 32)),
        "recurrent": ([tn.LSTM(48, return_sequences=True), tn.GRU(48)], (90, 7, 16)),
    }
    for name, (parts, shape) in stacks.items():
        model = tn.Sequential([tn.Input(shape[1:]), *parts], seed=0, dtype=dtype)
        y = model(rng.standard_normal(shape))
        yield from zip(model.parameters, tn.grad((y * y).mean(), list(model.parameters.values())), strict=True)
        yield name, y


def digest(array):
    """A hash of values that are worth comparing."""
    assert np.isfinite(array).all()
    assert array.any()
    return hashlib.sha256(np.ascontiguousarray(array)).hexdigest()


def main():
    for n in map(int, sys.argv[1:] or [tn.get_num_threads()]):
        tn.set_num_threads(n, fixed=True)
    computed = {
        f"{dtype}: {name}": digest(tensor.data)
        for dtype, part in product(["float32", "float64"], [network, products, layers])
        for name, tensor in part(dtype)
    }
    print(json.dumps(computed))


if __name__ == "__main__":
    main()
