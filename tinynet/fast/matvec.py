"""Standardised bytes times a vector, fused: full-batch models of one output read images as they are in memory.

Each of the two ops is linear in its vector and is the gradient of the other, so they have derivatives of every order.
"""

from __future__ import annotations

import math

import numpy as np

from tinynet.core.engine import Cost, Op, Tensor
from tinynet.core.spec import Array, Spec, Value
from tinynet.fast.kernels import matvec as kernels
from tinynet.fast.kernels.jit import for_chunks
from tinynet.fast.kernels.linear import chunks
from tinynet.ops.cast import cast
from tinynet.ops.linear import matmul


def _chunks(x: Value) -> int:
    return chunks(x.shape[0], 2 * math.prod(x.shape))


def _cost(x: Value, v: Value, shift: Array, scale: Array) -> Cost:
    return Cost(2 * math.prod(x.shape))


standardised_matvec: Op = Op(
    "standardised_matvec",
    infer=lambda x, v, shift, scale: Spec(x.shape[:1], v.dtype),
    scratch=lambda x, v, shift, scale: (Spec(x.shape[1:], np.dtype(np.float64)),),
    bind=lambda y, scaled, x, v, shift, scale: (
        for_chunks(kernels.matvec, _chunks(x)),
        y,
        scaled,
        x,
        v,
        shift,
        scale,
        _chunks(x),
    ),
    vjp=(None, lambda g, y, x, v, shift, scale: standardised_rmatvec(x, g, shift=shift, scale=scale)),
    contiguous=True,
    threaded=True,
    cost=_cost,
    fuses="cast + subtract + multiply + matmul",
    formula="((x - shift) scale) v, for bytes x (n, F) and a vector v (F,), with sums in float64",
)

standardised_rmatvec: Op = Op(
    "standardised_rmatvec",
    infer=lambda x, r, shift, scale: Spec(x.shape[1:], r.dtype),
    scratch=lambda x, r, shift, scale: (Spec((_chunks(x), x.shape[1]), np.dtype(np.float64)),),
    bind=lambda g, partial, x, r, shift, scale: (
        for_chunks(kernels.rmatvec, len(partial)),
        g,
        partial,
        x,
        r,
        shift,
        scale,
    ),
    vjp=(None, lambda h, g, x, r, shift, scale: standardised_matvec(x, h, shift=shift, scale=scale)),
    contiguous=True,
    threaded=True,
    cost=_cost,
    fuses="cast + subtract + multiply + matmul",
    formula="((x - shift) scale)^T r, for bytes x (n, F) and a vector r (n,), with sums in float64",
)


def standardised_matvec_parts(x: Tensor, v: Tensor, shift: Array, scale: Array) -> Tensor:
    """Compute what `standardised_matvec` does, by the ops that it stands for."""
    return matmul((cast(x, v.dtype) - shift.astype(v.dtype)) * scale.astype(v.dtype), v)


def standardised_rmatvec_parts(x: Tensor, r: Tensor, shift: Array, scale: Array) -> Tensor:
    """Compute what `standardised_rmatvec` does, by the ops that it stands for."""
    return matmul(r, (cast(x, r.dtype) - shift.astype(r.dtype)) * scale.astype(r.dtype))
