"""ONNX's normalisations, softmax and dropout, in tinynet's ops."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinynet import ops
from tinynet.core.engine import Tensor, filled
from tinynet.core.spec import Spec
from tinynet.core.transaction import training
from tinynet.errors import ArgumentError, ShapeError
from tinynet.onnx.network.calls import Call, Operator, axis_of
from tinynet.onnx.network.values import Value, channels_last, plain
from tinynet.ops import random


def _over_axis(function: Callable[..., Tensor]) -> Operator:
    """Return softmax or its logarithm; before opset 13 over all axes from one on."""

    def operator(call: Call) -> Value:
        x = call.value(0)
        if call.opset >= 13:
            return Value(function(x.tensor, x.order.index(axis_of(call.attribute("axis", -1), x.ndim))), x.order)
        axis = axis_of(call.attribute("axis", 1), x.ndim)
        rows = ops.reshape(x.plain(), (math.prod(x.shape[:axis]), math.prod(x.shape[axis:])))
        return plain(ops.reshape(function(rows), x.shape))

    return operator


def _batch_normalised(call: Call) -> Value:
    """BatchNormalization: in training by the moments of the batch, of which running means are kept.

    Whether it is training is for tinynet to say, not for the attribute training_mode of a file.
    """
    x = call.value(0)
    order = channels_last(x.ndim)
    tensor = x.ordered(order)
    gamma, beta, mean, variance = (call.tensor(i) for i in range(1, 5))
    if any(t.shape != tensor.shape[-1:] for t in (gamma, beta, mean, variance)):
        raise ShapeError(f"scale, bias, mean and variance do not fit {tensor.shape[-1]} channels")
    if training() and call.trainable:
        axes, momentum = tuple(range(x.ndim - 1)), call.attribute("momentum", 0.9)
        batch_mean = ops.mean(tensor, axes)
        batch_variance = ops.mean((tensor - batch_mean) ** 2, axes)
        call.update(3, momentum * mean + (1 - momentum) * batch_mean)
        call.update(4, momentum * variance + (1 - momentum) * batch_variance)
        mean, variance = batch_mean, batch_variance
    y = (tensor - mean) * (gamma / (variance + call.attribute("epsilon", 1e-5)) ** 0.5) + beta
    return Value(y, order)


def _dropped(call: Call) -> Any:
    """Dropout: nothing in inference."""
    x = call.value(0)
    rate = call.number("ratio", 1, 0.5)
    tensor = x.tensor
    kept = None
    if training() and call.trainable and rate > 0:
        kept = random.bernoulli(1 - rate, tensor.shape)
        tensor = ops.where(kept, tensor / (1 - rate), 0)
    if call.outputs == 1:
        return Value(tensor, x.order)
    mask = filled(Spec(tensor.shape, np.dtype(np.bool_)), 1) if kept is None else kept
    return Value(tensor, x.order), Value(mask, x.order)


def _layer_normalised(call: Call) -> Any:
    x = call.tensor(0)
    axes = tuple(range(axis_of(call.attribute("axis", -1), x.ndim), x.ndim))
    mean = ops.mean(x, axes, keepdims=True)
    away = x - mean
    deviation = ops.sqrt(ops.mean(away * away, axes, keepdims=True) + call.attribute("epsilon", 1e-5))
    y = away / deviation * call.tensor(1)
    y = y + call.tensor(2) if call.has(2) else y
    return (plain(y), plain(mean), plain(1.0 / deviation))[: call.outputs] if call.outputs > 1 else plain(y)


def _root_mean_square(call: Call) -> Value:
    x = call.tensor(0)
    axes = tuple(range(axis_of(call.attribute("axis", -1), x.ndim), x.ndim))
    root = ops.sqrt(ops.mean(x * x, axes, keepdims=True) + call.attribute("epsilon", 1e-5))
    return plain(x / root * call.tensor(1))


def _by_channel(factor: Tensor, rank: int) -> Tensor:
    return ops.reshape(factor, (1, -1, *(1,) * (rank - 2)))


def _instance_normalised(call: Call) -> Value:
    x = call.tensor(0)
    axes = tuple(range(2, x.ndim))
    away = x - ops.mean(x, axes, keepdims=True)
    deviation = ops.sqrt(ops.mean(away * away, axes, keepdims=True) + call.attribute("epsilon", 1e-5))
    scale, shift = (_by_channel(call.tensor(i), x.ndim) for i in (1, 2))
    return plain(away / deviation * scale + shift)


def _group_normalised(call: Call) -> Value:
    x, groups = call.tensor(0), call.attribute("num_groups", 1)
    if groups < 1 or x.ndim < 2 or x.shape[1] % groups:
        raise ShapeError(f"a value of shape {x.shape} does not have {groups} groups of channels")
    rows = ops.reshape(x, (x.shape[0], groups, -1))
    away = rows - ops.mean(rows, 2, keepdims=True)
    deviation = ops.sqrt(ops.mean(away * away, 2, keepdims=True) + call.attribute("epsilon", 1e-5))
    factors = [call.tensor(i) for i in (1, 2)]
    if factors[0].shape == (groups,) != (x.shape[1],):  # of groups, before opset 21
        factors = [ops.repeat(f, x.shape[1] // groups) for f in factors]
    scale, shift = (_by_channel(f, x.ndim) for f in factors)
    return plain(ops.reshape(away / deviation, x.shape) * scale + shift)


def _mean_variance_normalised(call: Call) -> Value:
    x = call.tensor(0)
    axes = tuple(axis_of(a, x.ndim) for a in call.attribute("axes", [0, 2, 3]))
    mean = ops.mean(x, axes, keepdims=True)
    deviation = ops.sqrt(ops.mean(x * x, axes, keepdims=True) - mean * mean)
    return plain((x - mean) / (deviation + 1e-9))


def _by_norm(call: Call) -> Value:
    """LpNormalization: by the sum of magnitudes, or the root of that of squares; nothing where that is 0."""
    x, p = call.tensor(0), call.attribute("p", 2)
    if p not in (1, 2):
        raise ArgumentError(f"p must be 1 or 2, but is {p}")
    axis = axis_of(call.attribute("axis", -1), x.ndim)
    size = ops.sum(ops.abs(x), axis, keepdims=True) if p == 1 else ops.sqrt(ops.sum(x * x, axis, keepdims=True))
    return plain(ops.where(size == 0, 0.0, x / ops.where(size == 0, 1.0, size)))


def _neighbours_normalised(call: Call) -> Value:
    """LRN: by the squares of some channels around each."""
    x, size = call.tensor(0), call.attribute("size", 1)
    if size < 1 or size > 4096:
        raise ArgumentError(f"size {size} is not from 1 to 4096")
    before, after = (size - 1) // 2, -(-(size - 1) // 2)
    squares = ops.pad(x * x, [(before, after) if a == 1 else (0, 0) for a in range(x.ndim)])
    total = squares[:, : x.shape[1]]
    for i in range(1, size):
        total = total + squares[:, i : i + x.shape[1]]
    alpha, beta, bias = (call.attribute(n, d) for n, d in (("alpha", 1e-4), ("beta", 0.75), ("bias", 1.0)))
    return plain(x / (bias + alpha / size * total) ** beta)


NORMALISATIONS: dict[str, Operator] = {
    "BatchNormalization": _batch_normalised,
    "Dropout": _dropped,
    "GroupNormalization": _group_normalised,
    "InstanceNormalization": _instance_normalised,
    "LRN": _neighbours_normalised,
    "LayerNormalization": _layer_normalised,
    "LogSoftmax": _over_axis(ops.log_softmax),
    "LpNormalization": _by_norm,
    "MeanVarianceNormalization": _mean_variance_normalised,
    "RMSNormalization": _root_mean_square,
    "Softmax": _over_axis(ops.softmax),
}
