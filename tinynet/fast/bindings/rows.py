"""Ops on rows, along the last axis, on their kernels: softmax and its logarithm, layer normalisation."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from tinynet.core.spec import Array, Spec, Value
from tinynet.fast.implementation import Implementation
from tinynet.fast.kernels import loss, normalised, pointwise
from tinynet.fast.kernels.jit import for_chunks


def _rows(*arrays: Array) -> list[Array]:
    return [a.reshape(-1, a.shape[-1]) for a in arrays]


def sums_of_rows(x: Value, *others: Value) -> tuple[Spec, ...]:
    """Return the working array of a softmax: the maximum of each row, and the sum of its exponentials."""
    return (Spec((2, math.prod(x.shape[:-1])), x.dtype),)


def _softmax(kernel: Any, y: Array, sums: Array, x: Array) -> tuple[Any, ...]:
    return kernel, *_rows(y), sums, *_rows(x)


def _layer_norm(y: Array, normal: Array, scale: Array, x: Array, *rest: Array, epsilon: float) -> tuple[Any, ...]:
    chunks = pointwise.count_chunks(x.size)
    kernel = for_chunks(normalised.layer_norm, chunks)
    return kernel, *_rows(y, normal), scale.reshape(-1), *_rows(x), *rest, epsilon, chunks


def _layer_norm_gradient(dx: Array, g: Array, gamma: Array, normal: Array, scale: Array) -> tuple[Any, ...]:
    chunks = pointwise.count_chunks(g.size)
    kernel = for_chunks(normalised.layer_norm_gradient, chunks)
    return kernel, *_rows(dx, g), gamma, *_rows(normal), scale.reshape(-1), chunks


softmax = Implementation(partial(_softmax, loss.softmax), sums_of_rows, contiguous=True)
log_softmax = Implementation(partial(_softmax, loss.log_softmax), sums_of_rows, contiguous=True)
layer_norm = Implementation(_layer_norm, contiguous=True)
layer_norm_gradient = Implementation(_layer_norm_gradient, contiguous=True)
