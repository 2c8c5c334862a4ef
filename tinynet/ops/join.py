"""Concatenation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tinynet.core.engine import Op, Tensor
from tinynet.core.spec import Spec, Value
from tinynet.errors import ShapeError
from tinynet.ops.shape import reshape


def _concatenate_infer(*xs: Value, axis: int) -> Spec:
    first = xs[0]
    for i, x in enumerate(xs):
        if x.ndim != first.ndim or any(x.shape[a] != first.shape[a] for a in range(first.ndim) if a != axis):
            raise ShapeError(
                f"concatenate: argument {i} has shape {x.shape}, argument 0 has {first.shape}; all axes but axis "
                f"{axis} must agree"
            )
    total = sum(x.shape[axis] for x in xs)
    return Spec((*first.shape[:axis], total, *first.shape[axis + 1 :]), first.dtype)


def _concatenate_vjp(i: int, g: Tensor, out: Tensor, *xs: Tensor, axis: int) -> Tensor:
    start = sum(x.shape[axis] for x in xs[:i])
    return g[(slice(None),) * axis + (slice(start, start + xs[i].shape[axis]),)]


_concatenate: Op = Op(
    "concatenate",
    infer=_concatenate_infer,
    compute=lambda *xs, axis: np.concatenate(xs, axis=axis),
    vjp=_concatenate_vjp,
    formula="the inputs one after another along an axis",
)


def flat(tensors: Sequence[Tensor]) -> Tensor:
    """Put the values of tensors into one vector, one after another, as theta holds parameters."""
    joined: Tensor = _concatenate(*[reshape(t, -1) for t in tensors], axis=0)
    return joined
