"""Concatenation."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np

from tinynet.core.engine import Op, Tensor, gradients_at_once
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


def _cut_up(g: Tensor, out: Tensor, *xs: Tensor, axis: int) -> list[Tensor]:
    """Return the cotangents of all inputs of a concatenation: pieces of that of its output."""
    ends = accumulate(x.shape[axis] for x in xs)
    return [g[(slice(None),) * axis + (slice(end - x.shape[axis], end),)] for x, end in zip(xs, ends, strict=True)]


_concatenate: Op = Op(
    "concatenate",
    infer=_concatenate_infer,
    compute=lambda *xs, axis: np.concatenate(xs, axis=axis),
    vjp=lambda i, *given, axis: _cut_up(*given, axis=axis)[i],
    formula="the inputs one after another along an axis",
)
gradients_at_once[_concatenate] = _cut_up


def flat(tensors: Sequence[Tensor]) -> Tensor:
    """Put the values of tensors into one vector, one after another, as theta holds parameters."""
    joined: Tensor = _concatenate(*[reshape(t, -1) for t in tensors], axis=0)
    return joined
