"""Slices of a tensor and where they go back to, without an array of the tensor's size for each."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinynet.core.engine import Op, Tensor
from tinynet.core.spec import Array, Shape, Spec, Value


def _slice_infer(x: Value, key: Any) -> Spec:
    array = np.broadcast_to(np.int8(0), x.shape) if isinstance(x, Spec) else x
    return Spec(array[key].shape, x.dtype)


_slice: Op = Op(
    "slice",
    infer=_slice_infer,
    compute=lambda x, key: x[key if ... in key else (*key, ...)],  # an array, even of no axes, where NumPy has a scalar
    view=True,
    vjp=(lambda g, out, x, key: _unslice(g, key=key, shape=x.shape),),
    parts=lambda g, out, x, key: _Parts(g, key, x.spec),
    formula="x[key], for slices, integers, None and ...",
)


def _unslice_compute(g: Array, key: Any, shape: Shape) -> Array:
    out = np.zeros(shape, g.dtype)
    out[key] = g
    return out


_unslice: Op = Op(
    "unslice",
    infer=lambda g, key, shape: Spec(shape, g.dtype),
    compute=_unslice_compute,
    vjp=(lambda h, out, g, key, shape: _slice(h, key=key),),
    formula="zeros of the given shape with g at [key]: the adjoint of slice",
)


def _unslices_compute(*gs: Array, keys: tuple[Any, ...], shape: Shape) -> Array:
    out = np.zeros(shape, gs[0].dtype)
    for g, key in zip(gs, keys, strict=True):
        out[key] += g
    return out


_unslices: Op = Op(
    "unslices",
    infer=lambda *gs, keys, shape: Spec(shape, gs[0].dtype),
    compute=_unslices_compute,
    vjp=lambda i, h, out, *gs, keys, shape: _slice(h, key=keys[i]),
    formula="zeros of the given shape, to which each g is added at its key, one after another: the sum of unslices",
)


class _Parts:
    """The cotangent of a tensor from those of slices of it, which are added up when all have come.

    Many slices then take one array as large as the tensor, and not one each. Slices may overlap, so those that have
    come are added up whenever they have as many values as the tensor: they never take more memory than their sum.
    """

    def __init__(self, g: Tensor, key: Any, spec: Spec) -> None:
        self.shape, self.dtype = spec
        self.sum: Tensor | None = None
        self.gs, self.keys, self.values = [g], [key], g.size

    def __add__(self, other: _Parts) -> _Parts:
        """Take what another one has, and return this one."""
        self.gs += other.gs
        self.keys += other.keys
        self.values += other.values
        if self.values >= math.prod(self.shape):
            self.sum, self.gs, self.keys, self.values = self.whole(), [], [], 0
        return self

    def whole(self) -> Tensor:
        """Return the sum."""
        if not self.gs and self.sum is not None:
            return self.sum
        if len(self.gs) == 1:
            made = _unslice(self.gs[0], key=self.keys[0], shape=self.shape)
        else:
            made = _unslices(*self.gs, keys=tuple(self.keys), shape=self.shape)
        return made if self.sum is None else self.sum + made
