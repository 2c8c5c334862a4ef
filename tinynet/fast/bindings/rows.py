"""Ops on rows, along the last axis, on their kernels: softmax and its logarithm, layer normalisation."""

from __future__ import annotations

from functools import partial
from typing import Any

from tinynet.core.spec import Array
from tinynet.fast.implementation import Implementation
from tinynet.fast.kernels import loss, normalised, pointwise
from tinynet.fast.kernels.jit import for_chunks


def _over_rows(kernel: Any, y: Array, x: Array) -> tuple[Any, ...]:
    return kernel, *(a.reshape(-1, a.shape[-1]) for a in (y, x))


def _layer_norm(y: Array, normal: Array, scale: Array, x: Array, *rest: Array, epsilon: float) -> tuple[Any, ...]:
    chunks = pointwise.chunks(x.size)
    to, rows, given = (a.reshape(-1, x.shape[-1]) for a in (y, normal, x))
    return for_chunks(normalised.layer_norm, chunks), to, rows, scale.reshape(-1), given, *rest, epsilon, chunks


def _layer_norm_gradient(dx: Array, g: Array, gamma: Array, normal: Array, scale: Array) -> tuple[Any, ...]:
    to, back, rows = (a.reshape(-1, gamma.size) for a in (dx, g, normal))
    chunks = pointwise.chunks(g.size)
    return for_chunks(normalised.layer_norm_gradient, chunks), to, back, gamma, rows, scale.reshape(-1), chunks


softmax = Implementation(partial(_over_rows, loss.softmax), contiguous=True)
log_softmax = Implementation(partial(_over_rows, loss.log_softmax), contiguous=True)
layer_norm = Implementation(_layer_norm, contiguous=True)
layer_norm_gradient = Implementation(_layer_norm_gradient, contiguous=True)
