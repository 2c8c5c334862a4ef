"""Solutions of the labs: right ones, which are the library's own code, and wrong ones with their mistakes."""

# ruff: noqa: E501 - the table is read by rows

RIGHT = {
    1: """
import tinynet as tn
from tinynet.ops import linear

def compute(x, w, b):
    return linear._compute(x, w, trans_a=False, trans_b=False) + b

def x_rule(g, y, x, w, b):
    return linear._a_vjp(g, y, x, w, trans_a=False, trans_b=False)

def w_rule(g, y, x, w, b):
    return linear._b_vjp(g, y, x, w, trans_a=False, trans_b=False)

def b_rule(g, y, x, w, b):
    return tn.ops.sum_to(g, b.shape)

def infer(x, w, b):
    return linear._infer(x, w, trans_a=False, trans_b=False)

affine = tn.Op("affine", infer=infer, compute=compute, vjp=(x_rule, w_rule, b_rule))
""",
    2: """
import numpy as np
from tinynet.ops.loss import _log_softmax_compute, _softmax_compute

def softmax_cross_entropy(logits, labels):
    return -_log_softmax_compute(logits)[np.arange(len(labels)), labels].mean()

def softmax_cross_entropy_gradient(logits, labels):
    p = _softmax_compute(logits)
    p[np.arange(len(labels)), labels] -= 1
    return p / len(labels)
""",
    3: """
import numpy as np
from tinynet.ops import conv

def geometry(x, w):
    return conv.geometry("conv2d", x.shape, w.shape[:2], (1, 1), "valid")

def im2col(x, kh, kw):
    seen = conv.windows(x, conv.geometry("im2col", x.shape, (kh, kw), (1, 1), "valid"))
    return seen.transpose(0, 1, 2, 4, 5, 3).reshape(-1, kh * kw * x.shape[3])

def conv2d(x, w):
    p = geometry(x, w)
    return (im2col(x, p.kh, p.kw) @ w.reshape(-1, w.shape[3])).reshape(len(x), p.oh, p.ow, -1)

def conv2d_gradients(g, x, w):
    p = geometry(x, w)
    return conv._input_grad_compute(g, w, p, x.shape[1:3]), conv._weight_grad_compute(x, g, p)
""",
    4: """
import numpy as np
from tinynet.ops import average, pool
from tinynet.ops.conv import geometry

def windows(x, size):
    return geometry("pool", x.shape, (size, size), (size, size), "valid")

def max_pool(x, size):
    return pool._max_pool_compute(x, windows(x, size))[0]

def max_pool_gradient(g, x, size):
    p = windows(x, size)
    return pool._max_unpool_compute(g, pool._max_pool_compute(x, p)[1], p, x.shape[1:3])

def avg_pool_gradient(g, x, size):
    return average._sum_unpool_compute(g, windows(x, size), x.shape[1:3]) / size**2
""",
}

MEAN = """
def softmax_cross_entropy(logits, labels):
    x = logits - logits.max(1, keepdims=True)
    p = np.exp(x) / np.exp(x).sum(1, keepdims=True)
    return -np.log(p[np.arange(len(labels)), labels]).mean()
"""
LOOPS = """
def conv2d_gradients(g, x, w):
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    oh, ow = g.shape[1:3]
    for a in range(w.shape[0]):
        for b in range(w.shape[1]):
            dx[:, a : a + oh, b : b + ow] {} g @ w[{}].T
            dw[a, b] = np.tensordot(x[:, a : a + oh, b : b + ow], g, ([0, 1, 2], [0, 1, 2])) {}
    return dx, dw
"""
POOL = """
def blocks(x, size):
    n, h, w, c = x.shape
    return x[:, : h // size * size, : w // size * size].reshape(n, h // size, size, w // size, size, c)

def max_pool(x, size):
    return blocks(x, size).max((2, 4))

def max_pool_gradient(g, x, size):
    best = blocks(x, size) == blocks(x, size).max((2, 4), keepdims=True)
    dx = np.zeros_like(x)
    wide = np.broadcast_to(g[:, :, None, :, None], best.shape)
    part = np.where(best, wide, 0){}
    dx[:, : g.shape[1] * size, : g.shape[2] * size] = part.reshape(len(x), g.shape[1] * size, -1, x.shape[3])
    return dx
"""

# What replaces which part of the right solution (an empty part: what is added at its end), and the mistakes found.
WRONG = {
    1: [
        ("return linear._a_vjp(", "return -linear._a_vjp(", ["wrong sign", "not examined"]),
        ("return tn.ops.sum_to(g, b.shape)", "return g.mean(0)", ["missing factor", "not examined"]),
        ("return linear._b_vjp(g, y, x, w, trans_a=False, trans_b=False)", "return g.T @ x", ["transposed", "not examined"]),
        ("return tn.ops.sum_to(g, b.shape)", "return g.sum(1)", ["wrong axis", "not examined"]),
        ("(x_rule, w_rule, b_rule)", "(x_rule, w_rule)", ["no gradient", "not examined"]),
        ("return linear._compute(", "x -= 0.5\n    return linear._compute(", ["mutates its input"]),
        ("return tn.ops.sum_to(g, b.shape)", "return tn.Tensor(g.data.sum(0))", ["leaves the ops"]),
        ("return linear._a_vjp(g,", "return linear._a_vjp(g * 0 + 1,", ["ignores the cotangent", "not examined"]),
    ],
    2: [
        ("", MEAN, ["not stable"]),
        ("", MEAN.replace("p[np.arange(len(labels)), labels]", "p[np.arange(len(labels)), labels] + 1e-9"), ["not stable"]),
        ("p / len(labels)", "p", ["missing factor", "not examined"]),
        ("p / len(labels)", "-p / len(labels)", ["wrong sign", "not examined"]),
        ("labels].mean()", "labels].sum()", ["missing factor", "not examined"]),
        (" = _softmax_compute(logits)", " = _softmax_compute(logits.T).T.copy()", ["wrong axis", "not examined"]),
        ("return -_log", "logits -= logits.max(1, keepdims=True)\n    return -_log", ["mutates its input", "not examined"]),
        ("logits)[np", "logits.astype(np.float64))[np", ["wrong dtype", "not examined"]),
        ("    p[np.arange(len(labels)), labels] -= 1\n", "", ["missing summand", "not examined"]),
    ],
    3: [
        ("", LOOPS.format("=", "a, b", ""), ["overwrites"]),
        ("", LOOPS.format("+=", "-1 - a, -1 - b", ""), ["flipped"]),
        ("", LOOPS.format("+=", "a, b", "/ len(x)"), ["missing factor"]),
        ("seen.transpose(0, 1, 2, 4, 5, 3)", "seen", ["wrong order", "wrong order"]),
        ("@ w.reshape", "@ w[::-1, ::-1].reshape", ["flipped"]),
        ("return conv._input_grad_compute(g, w, p, x.shape[1:3]), ", "return None, ", ["no gradient"]),
        (", conv._weight_grad_compute(x, g, p)", ", conv._weight_grad_compute(x, g, p).astype(np.float64)", ["wrong dtype"]),
        ("_weight_grad_compute(x, g, p)", "_weight_grad_compute(x, g, p).transpose(0, 1, 3, 2)", ["transposed"]),
    ],
    4: [
        ("", POOL.format(""), ["ties"]),
        ("", POOL.format(" / best.sum((2, 4), keepdims=True)"), ["ties"]),
        (" / size**2", "", ["missing factor"]),
        (" / size**2", " / size", ["missing factor"]),
        ("pool._max_pool_compute(x, p)[1], p", "pool._max_pool_compute(-x, p)[1], p", ["wrong place", "not examined"]),
        ("return pool._max_unpool_compute", "return -pool._max_unpool_compute", ["wrong sign", "not examined"]),
        ("return pool._max_pool_compute", "return -pool._max_pool_compute", ["wrong sign"]),
    ],
}  # fmt: skip
