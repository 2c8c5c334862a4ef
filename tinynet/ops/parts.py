"""Slices of a tensor, and the gradients of slices and indices, without an array of the tensor's size for each."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinynet.core.engine import Op, Tensor, gradients_in_parts
from tinynet.core.spec import Array, Shape, Spec, Value
from tinynet.ops.dtypes import cast
from tinynet.ops.join import _concatenate
from tinynet.ops.reduce import broadcast_to
from tinynet.ops.shape import _index, _index_add, reshape


def _slice_infer(x: Value, key: Any) -> Spec:
    array = np.broadcast_to(np.int8(0), x.shape) if isinstance(x, Spec) else x
    return Spec(array[key].shape, x.dtype)


_slice: Op = Op(
    "slice",
    infer=_slice_infer,
    compute=lambda x, key: x[key if ... in key else (*key, ...)],  # an array, where NumPy may return a scalar
    view=True,
    vjp=(lambda g, out, x, key: _unslice(g, key=key, shape=x.shape),),
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


Indices = tuple[Tensor, ...]


class _Parts:
    """The cotangent of a tensor as a collection of cotangents of parts of it, which are added up in the end.

    So all parts together need one array as large as the tensor, instead of one each. Parts may overlap. So they are
    added up whenever they have as many values as the tensor, and never take more memory than their sum.

    Attributes
    ----------
    slices : list of (Tensor, key)
        Cotangents of slices, and the slices.
    rows : dict of int to list of (Tensor, tuple of Tensor)
        Cotangents of values taken by integer arrays, and these arrays, by the number of axes that they index.
    """

    def __init__(self, g: Tensor, spec: Spec, key: Any = None, indices: Indices = ()) -> None:
        self.shape, self.dtype = spec
        self.sum: Tensor | None = None
        self.values = g.size
        self.slices: list[tuple[Tensor, Any]] = [] if indices else [(g, key)]
        self.rows: dict[int, list[tuple[Tensor, Indices]]] = {len(indices): [(g, indices)]} if indices else {}

    def __add__(self, other: _Parts) -> _Parts:
        """Add the parts of another collection to this one, and return it."""
        self.slices += other.slices
        for axes, rows in other.rows.items():
            self.rows.setdefault(axes, []).extend(rows)
        self.values += other.values
        if self.values >= math.prod(self.shape):
            self.sum, self.slices, self.rows, self.values = self.whole(), [], {}, 0
        return self

    def whole(self) -> Tensor:
        """Return the sum of all parts."""
        made = [] if self.sum is None else [self.sum]
        if len(self.slices) == 1:
            made.append(_unslice(self.slices[0][0], key=self.slices[0][1], shape=self.shape))
        elif self.slices:
            gs, keys = zip(*self.slices, strict=True)
            made.append(_unslices(*gs, keys=keys, shape=self.shape))
        for axes, rows in self.rows.items():
            g, indices = rows[0] if len(rows) == 1 else _joined(rows, self.shape[axes:])
            made.append(_index_add(g, *indices, shape=self.shape))
        total = made[0]
        for part in made[1:]:
            total = total + part
        return total


def _joined(rows: list[tuple[Tensor, Indices]], rest: Shape) -> tuple[Tensor, Indices]:
    """Join cotangents of values taken by integer arrays, and these arrays, along one axis."""
    gs, flat = [], []
    for g, indices in rows:
        shape = g.shape[: g.ndim - len(rest)]
        gs.append(reshape(g, (math.prod(shape), *rest)))
        flat.append([reshape(broadcast_to(cast(i, np.intp), shape), math.prod(shape)) for i in indices])
    columns = [_concatenate(*column, axis=0) for column in zip(*flat, strict=True)]
    return _concatenate(*gs, axis=0), tuple(columns)


gradients_in_parts[_slice] = lambda g, out, x, key: _Parts(g, x.spec, key)
gradients_in_parts[_index] = lambda g, out, x, *indices, checked: _Parts(g, x.spec, indices=indices)
