"""Layer normalisation and its gradient on their kernels."""

from __future__ import annotations

from typing import Any

from tinynet.core.spec import Array
from tinynet.fast.implementation import Implementation
from tinynet.fast.kernels import normalised as kernels
from tinynet.fast.kernels.jit import for_chunks


def _layer_norm(
    y: Array, normal: Array, scale: Array, x: Array, gamma: Array, beta: Array, epsilon: float
) -> tuple[Any, ...]:
    rows, chunks = (a.reshape(-1, gamma.size) for a in (y, normal)), kernels.chunks(scale.size, x.size)
    given = x.reshape(-1, gamma.size), gamma, beta, epsilon, chunks
    return for_chunks(kernels.layer_norm, chunks), *rows, scale.reshape(-1), *given


def _gradient(dx: Array, g: Array, gamma: Array, normal: Array, scale: Array) -> tuple[Any, ...]:
    to, back, rows = (a.reshape(-1, gamma.size) for a in (dx, g, normal))
    chunks = kernels.chunks(scale.size, g.size)
    return for_chunks(kernels.layer_norm_gradient, chunks), to, back, gamma, rows, scale.reshape(-1), chunks


layer_norm = Implementation(_layer_norm, contiguous=True)
layer_norm_gradient = Implementation(_gradient, contiguous=True)
