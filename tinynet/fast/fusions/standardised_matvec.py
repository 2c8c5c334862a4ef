"""Standardised bytes times a vector: full-batch models of one output read images as they are in memory.

Each of the two ops is linear in its vector and is the gradient of the other, so they have derivatives of every order.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinynet.core.engine import Node, Op, Tensor
from tinynet.core.spec import Array, Spec, Value
from tinynet.fast.fusions.gather import standardised
from tinynet.fast.implementation import Implementation
from tinynet.fast.kernels import linear
from tinynet.fast.kernels import matvec as kernels
from tinynet.fast.kernels.jit import for_chunks
from tinynet.fast.match import Fusion, Rewrite, Uses, fused_op
from tinynet.ops.dtypes import _cast, cast
from tinynet.ops.linear import _matmul, matmul
from tinynet.ops.pointwise import multiply, subtract
from tinynet.ops.shape import _reshape, reshape


def standardised_matvec_parts(x: Tensor, v: Tensor, shift: Array, scale: Array) -> Tensor:
    """Compute ((x - shift) scale) v by the ops that the fused op stands for."""
    return matmul((cast(x, v.dtype) - shift.astype(v.dtype)) * scale.astype(v.dtype), v)


def standardised_rmatvec_parts(x: Tensor, r: Tensor, shift: Array, scale: Array) -> Tensor:
    """Compute ((x - shift) scale)^T r by the ops that the fused op stands for."""
    return matmul(r, (cast(x, r.dtype) - shift.astype(r.dtype)) * scale.astype(r.dtype))


def _chunks(x: Value) -> int:
    return linear.count_chunks(x.shape[0], 2 * math.prod(x.shape))


def _scratch(x: Value, v: Value, shift: Array, scale: Array) -> tuple[Spec, ...]:
    return (Spec(x.shape[1:], np.dtype(np.float64)),)


def _bind(y: Array, scaled: Array, x: Array, v: Array, shift: Array, scale: Array) -> tuple[Any, ...]:
    chunks = _chunks(x)
    return for_chunks(kernels.matvec, chunks), y, scaled, x, v, shift, scale, chunks


def _transposed_scratch(x: Value, r: Value, shift: Array, scale: Array) -> tuple[Spec, ...]:
    return (Spec((_chunks(x), x.shape[1]), np.dtype(np.float64)),)


def _transposed_bind(g: Array, partial: Array, x: Array, r: Array, shift: Array, scale: Array) -> tuple[Any, ...]:
    return for_chunks(kernels.rmatvec, len(partial)), g, partial, x, r, shift, scale


standardised_matvec: Op = fused_op(
    "standardised_matvec",
    standardised_matvec_parts,
    infer=lambda x, v, shift, scale: Spec(x.shape[:1], v.dtype),
    implementation=Implementation(_bind, _scratch, contiguous=True),
    vjp=(None, lambda g, y, x, v, shift, scale: standardised_rmatvec(x, g, shift=shift, scale=scale)),
    formula="((x - shift) scale) v, for bytes x (n, F) and a vector v (F,), with sums in float64",
)

standardised_rmatvec: Op = fused_op(
    "standardised_rmatvec",
    standardised_rmatvec_parts,
    infer=lambda x, r, shift, scale: Spec(x.shape[1:], r.dtype),
    implementation=Implementation(_transposed_bind, _transposed_scratch, contiguous=True),
    vjp=(None, lambda h, g, x, r, shift, scale: standardised_matvec(x, h, shift=shift, scale=scale)),
    formula="((x - shift) scale)^T r, for bytes x (n, F) and a vector r (n,), with sums in float64",
)


def match(node: Node, uses: Uses) -> Rewrite | None:
    """Match the product of standardised bytes, all of them, with a single column."""
    if node.op is not _matmul or any(node.attrs.values()) or node.values[0].shape[1:] != (1,):
        return None
    x, column = node.inputs
    flat = uses.sole_producer(x, _reshape)
    made = flat.inputs[0] if flat else x
    ways = (uses.sole_producer(made, op) for op in (multiply, subtract, _cast))
    last = next((way for way in ways if way is not None), None)
    found = standardised(last, uses) if last else None
    if last is None or found is None or len(found) > 3 or found[0].dtype != np.uint8 or len(made) != len(x):
        return None
    sample = last.values[0].shape[1:]
    shift, scale = (np.broadcast_to(v.data, sample).reshape(-1).astype(float) for v in found[1:])

    def make(data: Tensor, column: Tensor) -> Tensor:
        y: Tensor = standardised_matvec(reshape(data, x.shape), reshape(column, -1), shift=shift, scale=scale)
        return reshape(y, node.values[0].shape)

    return Rewrite(make, (found[0], column))


_PARTS = "cast + subtract + multiply + matmul"
FUSION = Fusion(match, {standardised_matvec: _PARTS, standardised_rmatvec: _PARTS}, second_derivatives=True)
