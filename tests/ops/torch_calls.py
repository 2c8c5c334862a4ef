"""Calls of tinynet that PyTorch has too, by name; and the comparison of a sample with what PyTorch has computed.

A sample is a dictionary: ``call``, a name in `CALLS`; ``inputs``, arrays; ``attrs``, keyword arguments; ``outputs`` and
``gradients``, what PyTorch has made of them in float64. `freeze_torch` makes them, `test_like_torch` reads them.
"""

import numpy as np

import tinynet as tn
from tinynet.core.engine import Tensor

o = tn.ops


def _key(part):
    """Bring a part of an index from a form that JSON has."""
    kinds = {"slice": lambda: slice(*part["slice"]), "ellipsis": lambda: ..., "array": lambda: np.array(part["array"])}
    return next((make() for kind, make in kinds.items() if kind in part), part) if isinstance(part, dict) else part


def _getitem(x, key):
    return o.getitem(x, tuple(map(_key, key)))


def _linear(x, w, b=None):
    y = o.matmul(x, w, trans_b=True)
    return y if b is None else y + b


def _conv2d(x, w, b=None, *, stride, edges):
    y = o.conv2d(o.pad(x, edges), w, tuple(stride))
    return y if b is None else y + b


def _pool(op):
    return lambda x, size, stride: op(x, tuple(size), tuple(stride))


def _loss(op):
    return lambda output, labels, reduction, **options: {
        "mean": lambda: op(output, labels, **options),
        "none": lambda: op(output, labels, reduction="none", **options),
        "sum": lambda: op(output, labels, reduction="none", **options).sum(),
    }[reduction]()


CALLS = {
    **{name: getattr(o, name) for name in o.__all__ if name != "declared"},
    "avg_pool": _pool(o.avg_pool),
    "conv2d": _conv2d,
    "concatenate": lambda *xs, axis: o.concatenate(xs, axis),
    "cross_entropy": _loss(o.cross_entropy),
    "binary_cross_entropy": _loss(o.binary_cross_entropy),
    "einsum": lambda *xs, subscripts: o.einsum(subscripts, *xs),
    "getitem": _getitem,
    "huber": _loss(o.huber),
    "linear": _linear,
    "max_pool": _pool(o.max_pool),
    "mean_absolute_error": _loss(o.mean_absolute_error),
    "mean_squared_error": _loss(o.mean_squared_error),
    "negative power": lambda x, y: y**x,  # with the operands the other way round
    "subtract from": lambda x, y: y - x,
    "divide into": lambda x, y: y / x,
    "multiply by": lambda x, y: y * x,
    "add to": lambda x, y: y + x,
    "matmul behind": lambda x, y: y @ x,
    "stack": lambda *xs, axis: o.stack(xs, axis),
}


def cotangent(shape):
    """Return the cotangent of an output: numbers that any version makes alike."""
    return np.cos(np.arange(np.prod(shape, dtype=int))).reshape(shape)


def compute(call, inputs, attrs):
    """Return the outputs, and the gradients of the floating inputs, that tinynet makes of a sample."""
    tensors = [Tensor(x, requires_grad=x.dtype.kind == "f") for x in inputs]
    made = CALLS[call](*tensors, **attrs)
    outputs = list(made) if isinstance(made, list | tuple) else [made]
    leaves = [x for x in tensors if x.requires_grad]
    flowing = [y for y in outputs if y.requires_grad]
    found = tn.grad(flowing, leaves, [Tensor(cotangent(y.shape)) for y in flowing]) if flowing and leaves else []
    return [y.data for y in outputs], [g.data for g in found]


def compare(sample, tolerance=1e-10):
    """Check a sample: shapes are equal, and numbers agree relative to the largest."""
    outputs, gradients = compute(sample["call"], sample["inputs"], sample["attrs"])
    for what, found, expected in (("output", outputs, sample["outputs"]), ("gradient", gradients, sample["gradients"])):
        assert len(found) == len(expected), f"{len(found)} {what}s, not {len(expected)}"
        for a, b in zip(found, expected, strict=True):
            assert a.shape == b.shape, f"{what} of shape {a.shape}, not {b.shape}"
            finite = np.abs(b[np.isfinite(b)]).astype(float)
            atol = tolerance * max(1.0, finite.max(initial=0))
            np.testing.assert_allclose(a.astype(float), b.astype(float), rtol=0, atol=atol, err_msg=what)
