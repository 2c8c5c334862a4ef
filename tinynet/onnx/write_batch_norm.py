"""Batch normalisation, which tinynet makes of ops, as the one operator that ONNX has for it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np

from tinynet import ops
from tinynet.core.engine import Op
from tinynet.onnx.trace import Leaf, Use
from tinynet.onnx.writer import Order, Value, Writer
from tinynet.ops.powers import _power


class BatchNorm(NamedTuple):
    """What makes up a batch normalisation: where its input comes from, its parameters and states, and a number."""

    x: Any
    gamma: Leaf
    beta: Leaf
    mean: Leaf
    variance: Leaf
    epsilon: float


def find_batch_norm(uses: list[Use], i: int, states: Collection[str]) -> BatchNorm | None:
    """Return the batch normalisation that ends with a use of an op; None if it is the end of none.

    That is (x - mean) (gamma / (variance + epsilon)^0.5) + beta, in float32, with states for mean and variance.
    """

    def sides(source: Any, op: Op) -> tuple[Any, ...]:
        use = uses[source[0]] if isinstance(source, tuple) else None
        return use.inputs if use is not None and use.node.op is op else (None, None)

    if uses[i].node.values[0].dtype != np.float32 or len(uses[i].shapes[0]) < 2:
        return None  # ONNX has epsilon in float32
    product, beta = sides((i, 0), ops.add)
    away, factor = sides(product, ops.multiply)
    x, mean = sides(away, ops.subtract)
    gamma, deviation = sides(factor, ops.divide)
    shifted, half = sides(deviation, _power)
    variance, epsilon = sides(shifted, ops.add)
    leaves = (gamma, beta, mean, variance)
    numbers = [leaf.values.item() if isinstance(leaf, Leaf) and not leaf.shape else None for leaf in (half, epsilon)]
    if not all(isinstance(leaf, Leaf) and leaf.shape == uses[i].shapes[0][-1:] for leaf in leaves):
        return None
    if not all(leaf.name for leaf in leaves) or not {mean.name, variance.name} <= set(states):
        return None
    if numbers[0] != 0.5 or numbers[1] is None:
        return None
    return BatchNorm(x, gamma, beta, mean, variance, float(numbers[1]))


def write_batch_norm(w: Writer, use: Use, found: BatchNorm, x: Value) -> Value:
    """Write it, with the channels second."""
    rank = len(x.shape)
    order: Order = (0, rank - 1, *range(1, rank - 1))
    dtype = use.node.values[0].dtype
    names = [w.leaf(leaf, dtype).name for leaf in (found.gamma, found.beta, found.mean, found.variance)]
    name = w.node("BatchNormalization", w.ordered(x, order), *names, epsilon=found.epsilon)
    return w.value(name, use.shapes[0], dtype, order)
