"""Arguments for every op that tinynet declares, at the shapes that it meets in practice.

Most come from the graph of a training step of the CNN, as it is traced and as it is fused: each of its nodes is
computed once, on real digits, and its arguments are kept. Ops that the CNN does not need get arguments by hand.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

import tinynet as tn
from tinynet.core.engine import Op, Tensor, ancestors
from tinynet.core.mode import tracing
from tinynet.core.spec import Array, Spec
from tinynet.fast import fusions
from tinynet.fast.fuse import fuse
from tinynet.fast.implementation import evaluate
from tinynet.optim.adam import adam
from tinynet.optim.clipping import sum_of_squares
from tinynet.optim.rmsprop import rmsprop, rmsprop_with_momentum
from tinynet.optim.sgd import momentum_step
from tinynet.recipes import RECIPES

OF_OPTIMIZERS = adam, momentum_step, rmsprop, rmsprop_with_momentum, sum_of_squares
OPS = {**tn.ops.declared(), **{op.name: op for op in fusions.STANDS_FOR}, **{op.name: op for op in OF_OPTIMIZERS}}

BATCH = 32
_SMALL = 10_000  # values; an op that the training step uses on fewer gets a larger case besides


class Case(NamedTuple):
    """One use of an op."""

    op: Op
    inputs: tuple[Array, ...]
    attrs: dict[str, Any]

    def __str__(self) -> str:
        shapes = ["x".join(map(str, a.shape)) or "number" for a in self.inputs]
        return f"{self.op.name}: {', '.join(shapes[:3])}{', ...' if len(shapes) > 3 else ''}"


def cases() -> dict[str, Case]:
    """Return the cases of all ops, by a name that begins with the op's."""
    found = {str(case): case for fused in (True, False) for case in _of_training(fused)}
    covered = {case.op.name for case in found.values() if max(a.size for a in case.inputs) >= _SMALL}
    return found | {str(case): case for case in _by_hand() if case.op.name not in covered}


def _of_training(fused: bool) -> Iterator[Case]:
    """Trace a training step of the CNN, and compute it node by node."""
    (images, labels), _ = tn.datasets.mnist(source="sample")
    model = RECIPES["cnn"].model(seed=0)
    theta = model.theta
    given = {
        "images": images,
        "labels": labels,
        "indices": np.arange(BATCH),
        "theta": theta.copy(),
        "rate": np.asarray(0.01, theta.dtype),
    }
    with tracing():
        leaf = {name: Tensor(Spec(a.shape, a.dtype)) for name, a in given.items()}
        picked = tn.ops.getitem(leaf["labels"], leaf["indices"])
        loss = tn.ops.cross_entropy(model(tn.ops.getitem(leaf["images"], leaf["indices"])), picked)
        (loss,) = fuse([loss]) if fused else [loss]
        gradients = tn.grad(loss, list(model.parameters.values()))
        gradient = tn.ops.concatenate([g.reshape(-1) for g in gradients])
        (new,) = tn.SGD(0.01).update(leaf["theta"], gradient, leaf["rate"])
        loss, new = fuse([loss, new], updates=[(leaf["theta"], new)]) if fused else [loss, new]
    values: dict[Any, Array] = {id(leaf[name]): a for name, a in given.items()}

    def value(x: Tensor) -> Array:
        if x.node is None:
            return values[id(x)] if x.symbolic else x.data
        return values[id(x.node), x.index]

    for node in ancestors([loss, new]):
        case = Case(node.op, tuple(value(x) for x in node.inputs), node.attrs)
        values |= {(id(node), i): a for i, a in enumerate(evaluate(case.op, case.inputs, case.attrs))}
        yield case


def _by_hand() -> Iterator[Case]:
    """Apply what is left to values of a hidden layer: the node of each result tells what was computed."""
    ops, rng = tn.ops, np.random.default_rng(0)

    def tensor(*shape: int) -> Tensor:
        return Tensor(rng.uniform(0.5, 2, shape).astype(np.float32), requires_grad=True)

    x, y = tensor(BATCH, 26, 26, 32), tensor(BATCH, 26, 26, 32)
    rows, window = tensor(1024, 64), (slice(None), slice(1, -1), slice(1, -1))
    both = (ops.add, ops.subtract, ops.multiply, ops.divide, ops.power, ops.maximum, ops.logaddexp)
    both += (ops.less, ops.less_equal, ops.greater, ops.greater_equal, ops.equal, ops.not_equal)
    one = (ops.negative, ops.abs, ops.sign, ops.exp, ops.log, ops.tanh, ops.sigmoid, ops.softplus)
    one += (ops.relu,)
    pooled = ops.max_pool(x, 2)
    results = [
        *(op(x, y) for op in both),
        *(op(x) for op in one),
        *(op(rows) for op in (ops.softmax, ops.log_softmax)),
        ops.where(x > 1, x, y),
        ops.logical_and(x > 1, y > 1),
        ops.logical_or(x > 1, y > 1),
        ops.logical_not(x > 1),
        ops.max(x, axis=(1, 2)),
        ops.sum(x, axis=(1, 2)),
        ops.broadcast_to(tensor(32), x.shape),
        ops.transpose(x, (0, 3, 1, 2)),
        ops.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)]),
        ops.cast(x, "float64"),
        ops.cross_entropy(rows, ops.softmax(tensor(1024, 64)).data),
        ops.concatenate([x, y]),
        ops.reshape(x, (BATCH, -1)),
        x[window],
        pooled,
        *tn.grad(x[window].sum(), [x], create_graph=True),
        *tn.grad(rows[np.arange(512)].sum(), [rows], create_graph=True),
    ]
    upstream = Tensor(np.ones(pooled.shape, np.float32), requires_grad=True)
    (back,) = tn.grad(pooled, [x], [upstream], create_graph=True)
    results += [back, *tn.grad(back.sum(), [upstream], create_graph=True)]
    for node in ancestors(results):
        yield Case(node.op, tuple(t.data for t in node.inputs), node.attrs)
    yield from _of_vectors(rng)


def _of_vectors(rng: np.random.Generator) -> Iterator[Case]:
    """Return the ops that full batches and Adam need, at the size of MNIST and of the parameters of the CNN."""
    images, standard = rng.integers(0, 256, (10_000, 784), np.uint8), {"shift": np.ones(784), "scale": np.ones(784)}
    matvec = fusions.standardised_matvec
    yield Case(matvec.standardised_matvec, (images, rng.standard_normal(784)), standard)
    yield Case(matvec.standardised_rmatvec, (images, rng.standard_normal(10_000)), standard)
    theta, first, second, gradient = (rng.random(93_962, np.float32) for _ in range(4))
    inputs = theta, first, second, np.array(3), gradient, np.array(0.01, np.float32)
    for op in (adam, OPS["adam_in_place"]):
        yield Case(op, inputs, {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8})
    rate = np.array(0.01, np.float32)
    for op in (momentum_step, OPS["momentum_step_in_place"]):
        yield Case(op, (theta, first, gradient, rate, rate), {"nesterov": True})
    for ending in ("", "_in_place"):
        numbers = {"rho": 0.9, "epsilon": 1e-8}
        yield Case(OPS[f"rmsprop{ending}"], (theta, second, gradient, rate), numbers)
        yield Case(OPS[f"rmsprop_with_momentum{ending}"], (theta, second, first, gradient, rate, rate), numbers)
    yield Case(sum_of_squares, (gradient,), {})
