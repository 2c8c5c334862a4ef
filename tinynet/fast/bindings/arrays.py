"""Ops that NumPy computes well, written into arrays that are there."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from tinynet.core.spec import Array, Shape
from tinynet.fast.implementation import Implementation
from tinynet.ops.shape import check_indices


def _cast(out: Array, x: Array, dtype: Any) -> tuple[Any, ...]:
    return partial(np.copyto, casting="unsafe"), out, x


def _select(out: Array, condition: Array, x: Array, y: Array) -> None:
    np.copyto(out, y)
    np.copyto(out, x, where=condition)


def _apply(functions: tuple[Any, ...], out: Array, x: Array) -> None:
    for function in functions:
        function(x, out=out)
        x = out


def _softplus(out: Array, x: Array) -> None:
    _apply((np.abs, np.negative, np.exp, np.log1p), out, x)
    np.add(out, np.maximum(x, 0), out=out)


def _extreme(find: Any, locate: Any, y: Array, index: Array, x: Array) -> None:
    find(x, axis=-1, out=y)
    locate(x, axis=-1, out=index)


def _take(out: Array, x: Array, indices: tuple[Array, ...], checked: bool) -> None:
    if not checked:
        check_indices(x, *indices)
    if len(indices) == 1:
        x.take(indices[0], 0, out, "wrap")  # which writes straight into out
    else:
        out[...] = x[indices]


def _add_at(out: Array, g: Array, indices: tuple[Array, ...]) -> None:
    out[...] = 0
    if len(indices) == 1 and out.ndim > 1:  # NumPy adds numbers at places several times as fast as it adds rows
        size = math.prod(out.shape[1:])
        places = indices[0].reshape(-1, 1).astype(np.intp) * size + np.arange(size)
        np.add.at(out.reshape(-1), places.reshape(-1), g.reshape(-1))
    else:
        np.add.at(out, indices, g)


def _put_slice(out: Array, g: Array, key: Any) -> None:
    out[...] = 0
    out[key] = g


def _add_slices(out: Array, keys: tuple[Any, ...], gs: tuple[Array, ...]) -> None:
    out[...] = 0
    for key, g in zip(keys, gs, strict=True):
        out[key] += g


def _index(out: Array, x: Array, *indices: Array, checked: bool) -> tuple[Any, ...]:
    if checked and len(indices) == 1:
        return x.take, indices[0], 0, out, "wrap"
    return _take, out, x, indices, checked


def _index_add(out: Array, g: Array, *indices: Array, shape: Shape) -> tuple[Any, ...]:
    return _add_at, out, g, indices


def _unslice(out: Array, g: Array, key: Any, shape: Shape) -> tuple[Any, ...]:
    return _put_slice, out, g, key


def _unslices(out: Array, *gs: Array, keys: tuple[Any, ...], shape: Shape) -> tuple[Any, ...]:
    return _add_slices, out, keys, gs


def _concatenate(out: Array, *xs: Array, axis: int) -> tuple[Any, ...]:
    return np.concatenate, xs, axis, out


def _copy_each(to: list[Array], parts: list[Array]) -> None:
    for out, part in zip(to, parts, strict=True):
        out[...] = part


def _split(*arrays: Array, axis: int, at: tuple[int, ...]) -> tuple[Any, ...]:
    *to, x = arrays
    return _copy_each, to, np.split(x, at, axis)


cast = Implementation(_cast)
where = Implementation(lambda *arrays: (_select, *arrays))
sigmoid = Implementation(lambda *arrays: (_apply, (np.negative, np.exp, partial(np.add, 1), np.reciprocal), *arrays))
softplus = Implementation(lambda *arrays: (_softplus, *arrays))
max = Implementation(lambda *arrays: (_extreme, np.max, np.argmax, *arrays))
min = Implementation(lambda *arrays: (_extreme, np.min, np.argmin, *arrays))
index = Implementation(_index)
index_add = Implementation(_index_add)
split = Implementation(_split)
unslice = Implementation(_unslice)
unslices = Implementation(_unslices)
concatenate = Implementation(_concatenate)
reshape = Implementation(contiguous=True)  # the view is then one
