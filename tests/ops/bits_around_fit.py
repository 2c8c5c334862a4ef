"""Compute some ops one by one, train, and compute them again: prints "the same", or the names of those that differ.

Run by test_meaning.py in a process of its own.
"""

import numpy as np

import tinynet as tn
from tinynet.recipes import RECIPES


def computed():
    """The bits of ops on arrays that are large enough for several threads, forward and backward."""
    rng = np.random.default_rng(0)
    x, w, bias = (rng.standard_normal(s).astype(np.float32) for s in ((32, 26, 26, 8), (3, 3, 8, 16), (16,)))
    a, b = (rng.standard_normal(s).astype(np.float32) for s in ((400, 784), (784, 500)))
    o = tn.ops
    functions = {
        "conv2d": lambda x, w, bias, a, b: o.conv2d(x, w),
        "block": lambda x, w, bias, a, b: o.max_pool(o.relu(o.conv2d(x, w) + bias), 2),
        "matmul": lambda x, w, bias, a, b: a @ b,
        "softmax": lambda x, w, bias, a, b: o.softmax(a),
        "log_softmax": lambda x, w, bias, a, b: o.log_softmax(a),
        "sum": lambda x, w, bias, a, b: a.sum(0),
        "pointwise": lambda x, w, bias, a, b: o.tanh(o.exp(-a * a)) + o.softplus(a) * o.sigmoid(a),
        "max": lambda x, w, bias, a, b: a.max(1),
    }
    found = {}
    for name, function in functions.items():
        leaves = [tn.Tensor(array, requires_grad=True) for array in (x, w, bias, a, b)]
        y = function(*leaves)
        gradients = tn.grad(y, leaves, [np.cos(np.arange(y.size, dtype=np.float32)).reshape(y.shape)])
        found[name] = [t.data.tobytes() for t in (y, *gradients)]
    return found


def main():
    before = computed()
    (x, y), _ = tn.datasets.mnist(source="sample")
    for name in ("cnn", "dense"):
        RECIPES[name].model(seed=0).fit(x[:64], y[:64], epochs=1, optimizer=tn.SGD(0.1), verbose=0)
    after = computed()
    print(" ".join(name for name in before if before[name] != after[name]) or "the same")


if __name__ == "__main__":
    main()
