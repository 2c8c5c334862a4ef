"""How ops are written that move values, look them up, or reduce axes, and the products of matrices."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinynet.core.engine import Op
from tinynet.errors import ArgumentError
from tinynet.onnx.trace import Batch, Dims, Use
from tinynet.onnx.writer import Value, Writer, natural
from tinynet.ops.arrange import _transpose
from tinynet.ops.extremes import _max, _min
from tinynet.ops.join import _concatenate
from tinynet.ops.linear import _matmul
from tinynet.ops.loss import _log_softmax, _softmax
from tinynet.ops.parts import _slice, _unslice, _unslices
from tinynet.ops.pieces import _split
from tinynet.ops.reduce import _broadcast_to, _sum
from tinynet.ops.running import _cumsum
from tinynet.ops.shape import _index, _index_add, _reshape

_FIRST, _LAST = -(2**63), 2**63 - 1  # what ONNX takes for the ends of an axis


def _made(w: Writer, use: Use, name: str, i: int = 0) -> Value:
    return w.value(name, use.shapes[i], use.node.values[i].dtype)


def _reshaped(w: Writer, use: Use, x: Value) -> Value:
    return _made(w, use, w.reshape(w.ordered(x), use.shapes[0]))


def _transposed(w: Writer, use: Use, x: Value) -> Value:
    """Write nothing: what is in the file is the transposed value too, in another order."""
    axes = use.attrs["axes"]
    return w.value(x.name, use.shapes[0], x.dtype, tuple(axes.index(a) for a in x.order))


def _broadcast(w: Writer, use: Use, x: Value) -> Value:
    return _made(w, use, w.node("Expand", w.ordered(x), w.vector(use.shapes[0])))


def _product(w: Writer, use: Use, a: Value, b: Value) -> Value:
    def last_two_swapped(value: Value, swapped: bool) -> str:
        order = natural(value.shape)
        return w.stored(value, (*order[:-2], order[-1], order[-2])) if swapped else w.ordered(value)

    names = last_two_swapped(a, use.attrs["trans_a"]), last_two_swapped(b, use.attrs["trans_b"])
    return _made(w, use, w.node("MatMul", *names))


def _summed(w: Writer, use: Use, x: Value) -> Value:
    """Write a sum over axes, in whatever order they lie."""
    x = w.converted(x, use.node.values[0].dtype)
    axes = use.attrs["axes"]
    places = sorted(x.order.index(a) for a in axes)
    rest = [a for a in x.order if a not in axes]
    if not axes:
        return x
    name = w.node("ReduceSum", x.name, w.constant(places, np.int64), keepdims=0)
    return w.value(name, use.shapes[0], x.dtype, tuple(sorted(rest).index(a) for a in rest))


def _extreme(kind: str) -> Callable[..., list[Value | None]]:
    """Return how the largest or smallest value of each row is written, and its place, each if it is used."""

    def rule(w: Writer, use: Use, x: Value) -> list[Value | None]:
        name, last = w.ordered(x), w.constant([1], np.int64)
        best = w.node(f"Reduce{kind}", name, last, keepdims=0)
        place = w.node(f"Arg{kind}", name, axis=1, keepdims=0)
        return [_made(w, use, best), _made(w, use, place, 1)]

    return rule


def _over_last(kind: str) -> Callable[..., Value]:
    return lambda w, use, x: _made(w, use, w.node(kind, w.ordered(x), axis=-1))


def _running(w: Writer, use: Use, x: Value) -> Value:
    name = w.ordered(w.converted(x, use.node.values[0].dtype))
    axis = w.constant(use.attrs["axis"], np.int64)
    return _made(w, use, w.node("CumSum", name, axis, reverse=int(use.attrs["backward"])))


def _joined(w: Writer, use: Use, *xs: Value) -> Value:
    """Write them one after another; where all lie in one order of axes, so does the result."""
    order = xs[0].order if len({x.order for x in xs}) == 1 else natural(xs[0].shape)
    name = w.node("Concat", *(w.ordered(x, order) for x in xs), axis=order.index(use.attrs["axis"]))
    return w.value(name, use.shapes[0], xs[0].dtype, order)


def _pieces(w: Writer, use: Use, x: Value) -> list[Value]:
    axis = use.attrs["axis"]
    lengths = w.vector([shape[axis] for shape in use.shapes])
    if len(use.shapes) == 1:
        return [x]
    names = w.several("Split", [w.ordered(x), lengths], len(use.shapes), axis=axis)
    return [_made(w, use, name, i) for i, name in enumerate(names)]


# --- slices


def _by_axis(key: tuple[Any, ...], rank: int) -> list[Any]:
    """Return the parts of a key without "...", so that each but None has its axis."""
    own = sum(part is not None and part is not ... for part in key)
    place = key.index(...) if ... in key else len(key)
    return [*key[:place], *[slice(None)] * (rank - own), *key[place + 1 :]]


def _ends(part: Any) -> tuple[Any, Any, int]:
    """Return where a part of a key begins and ends along its axis, and its step, as ONNX has them."""
    if not isinstance(part, slice):
        return part, _LAST if part == -1 else part + 1, 1
    step = 1 if part.step is None else part.step
    if isinstance(step, Batch):
        raise ArgumentError("op 'slice': a step that depends on the size of the batch cannot be written")
    first, last = (0, _LAST) if step > 0 else (_LAST, _FIRST)
    return first if part.start is None else part.start, last if part.stop is None else part.stop, step


def _sliced(w: Writer, use: Use, x: Value) -> Value:
    parts = _by_axis(use.attrs["key"], len(x.shape))
    name = w.ordered(x)
    starts: list[Any] = []
    ends: list[Any] = []
    steps: list[int] = []
    axes: list[int] = []
    for axis, part in enumerate(part for part in parts if part is not None):
        if part == slice(None):
            continue
        start, end, step = _ends(part)
        starts.append(start)
        ends.append(end)
        steps.append(step)
        axes.append(axis)
    if axes:
        name = w.node(
            "Slice", name, w.vector(starts), w.vector(ends), w.constant(axes, np.int64), w.constant(steps, np.int64)
        )
    if any(part is None or not isinstance(part, slice) for part in parts):
        name = w.reshape(name, use.shapes[0])
    return _made(w, use, name)


def _put_back(w: Writer, g: Value, key: tuple[Any, ...], shape: Dims) -> Value:
    """Write zeros of a shape with something at a place in them: it is padded or, where the key has steps, scattered."""
    parts = [part for part in _by_axis(key, len(shape)) if part is not None]
    if any(isinstance(n, Batch) and part != slice(None) for part, n in zip(parts[1:], shape[1:], strict=True)):
        raise ArgumentError("op 'unslice': an axis whose length depends on the size of the batch must be the first")
    if shape and isinstance(shape[0], Batch) and parts[0] not in (slice(None), slice(0, shape[0])):
        raise ArgumentError("op 'unslice': a part of a batch cannot be put back into it; cut samples, not batches")
    ranges = [
        range(1)
        if isinstance(n, Batch)
        else range(n)[part]
        if isinstance(part, slice)
        else range(part % n, part % n + 1)
        for part, n in zip(parts, shape, strict=True)
    ]
    if any(len(places) > 1 and places.step != 1 for places in ranges) or any(not places for places in ranges):
        return _scattered(w, g, key, shape)
    wide = tuple(n if isinstance(n, Batch) else len(places) for n, places in zip(shape, ranges, strict=True))
    around = [
        (0, 0) if isinstance(n, Batch) else (places[0], n - 1 - places[-1])
        for n, places in zip(shape, ranges, strict=True)
    ]
    x = g if wide == g.shape else w.value(w.reshape(w.ordered(g), wide), wide, g.dtype)
    pads = [around[a][0] for a in x.order] + [around[a][1] for a in x.order]
    return w.value(w.node("Pad", x.name, w.constant(pads, np.int64), w.constant(0, g.dtype)), shape, g.dtype, x.order)


def _scattered(w: Writer, g: Value, key: tuple[Any, ...], shape: Dims) -> Value:
    """Write zeros with something at places that are counted, in each sample if the first axis is that of a batch."""
    batch = shape[:1] if shape and isinstance(shape[0], Batch) else ()
    rest = shape[len(batch) :]
    places = np.arange(math.prod(rest)).reshape((1,) * len(batch) + rest)[key].reshape((1,) * len(batch) + (-1,))
    flat = (*batch, places.size)
    zeros = w.node("Expand", w.constant(0, g.dtype), w.vector((*batch, math.prod(rest))))
    indices = w.node("Expand", w.constant(places, np.int64), w.vector(flat))
    name = w.node("ScatterElements", zeros, indices, w.reshape(w.ordered(g), flat), axis=len(batch))
    return w.value(w.reshape(name, shape), shape, g.dtype)


def _unsliced(w: Writer, use: Use, g: Value) -> Value:
    return _put_back(w, g, use.attrs["key"], use.attrs["shape"])


def _unsliced_sum(w: Writer, use: Use, *gs: Value) -> Value:
    parts = [_put_back(w, g, key, use.attrs["shape"]) for g, key in zip(gs, use.attrs["keys"], strict=True)]
    return _made(w, use, w.node("Sum", *(w.ordered(part) for part in parts)))


# --- looking up


def _places(w: Writer, indices: Sequence[Value], shape: Dims) -> str:
    """Write the indices of several axes as rows (..., axes)."""
    columns = []
    for index in indices:
        name = w.ordered(w.converted(index, np.int64))
        wide = name if index.shape == shape else w.node("Expand", name, w.vector(shape))
        columns.append(w.reshape(wide, (*shape, 1)))
    return columns[0] if len(columns) == 1 else w.node("Concat", *columns, axis=-1)


def _looked_up(w: Writer, use: Use, x: Value, *indices: Value) -> Value:
    if len(indices) == 1:
        return _made(w, use, w.node("Gather", w.ordered(x), w.ordered(w.converted(indices[0], np.int64)), axis=0))
    common = use.shapes[0][: len(use.shapes[0]) - len(x.shape) + len(indices)]
    return _made(w, use, w.node("GatherND", w.ordered(x), _places(w, indices, common)))


def _added_at(w: Writer, use: Use, g: Value, *indices: Value) -> Value:
    shape = use.attrs["shape"]
    common = g.shape[: len(g.shape) - len(shape) + len(indices)]
    zeros = w.node("Expand", w.constant(0, g.dtype), w.vector(shape))
    return _made(w, use, w.node("ScatterND", zeros, _places(w, indices, common), w.ordered(g), reduction="add"))


MOVING: dict[Op, Callable[..., Any]] = {
    _reshape: _reshaped,
    _transpose: _transposed,
    _broadcast_to: _broadcast,
    _matmul: _product,
    _sum: _summed,
    _max: _extreme("Max"),
    _min: _extreme("Min"),
    _softmax: _over_last("Softmax"),
    _log_softmax: _over_last("LogSoftmax"),
    _cumsum: _running,
    _concatenate: _joined,
    _split: _pieces,
    _slice: _sliced,
    _unslice: _unsliced,
    _unslices: _unsliced_sum,
    _index: _looked_up,
    _index_add: _added_at,
}
