"""ONNX's operators on shapes, and those that move values or look them up, in tinynet's ops."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinynet import ops
from tinynet.core.engine import Tensor, constant
from tinynet.errors import ArgumentError, ShapeError
from tinynet.onnx.network.calls import MOST_KNOWN, Call, Operator, axis_of, check_size
from tinynet.onnx.network.pointwise import DTYPES
from tinynet.onnx.network.values import Value, check_dtypes, natural, plain

# --- shapes


def _shape(call: Call) -> Any:
    shape = call.value(0).shape
    start, end = call.attribute("start", 0), call.attribute("end", len(shape))
    return np.array(shape[slice(*slice(start, end).indices(len(shape)))], np.int64)


def _size(call: Call) -> Any:
    return np.array(math.prod(call.value(0).shape), np.int64)


def _reshaped(call: Call) -> Any:
    x = call.value(0)
    wanted = call.integers("shape", 1)
    if not call.attribute("allowzero", 0):
        wanted = [x.shape[i] if n == 0 and i < x.ndim else n for i, n in enumerate(wanted)]
    return plain(ops.reshape(_unmoved(x), wanted))


def _unmoved(x: Value) -> Tensor:
    """Return a value with its axes in their places; where those that moved have length 1, that is a reshape."""
    long = [a for a in x.order if x.shape[a] != 1]
    return ops.reshape(x.tensor, x.shape) if long == sorted(long) else x.plain()


def _flattened(call: Call) -> Any:
    x = call.value(0)
    axis = call.attribute("axis", 1)
    if not -x.ndim <= axis <= x.ndim:
        raise ShapeError(f"axis {axis} does not fit a value of {x.ndim} axes")
    axis = axis + x.ndim if axis < 0 else axis
    return plain(ops.reshape(_unmoved(x), (math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))))


def _transposed(call: Call) -> Any:
    x = call.value(0)
    order = call.attribute("perm", list(range(x.ndim))[::-1])
    axes = [axis_of(a, x.ndim) for a in order]
    if sorted(axes) != list(range(x.ndim)):
        raise ShapeError(f"perm {order} is not a permutation of {x.ndim} axes")
    return Value(x.tensor, tuple(axes.index(a) for a in x.order))


def _squeezed(call: Call) -> Any:
    x = call.value(0)
    axes = call.integers("axes", 1)
    gone = [i for i, n in enumerate(x.shape) if n == 1] if axes is None else [axis_of(a, x.ndim) for a in axes]
    if any(x.shape[a] != 1 for a in gone):
        raise ShapeError(f"axes {axes} of a value of shape {x.shape} do not have length 1")
    kept = [a for a in x.order if a not in gone]
    tensor = ops.reshape(x.tensor, [x.shape[a] for a in kept])
    return Value(tensor, tuple(sorted(kept).index(a) for a in kept))


def _unsqueezed(call: Call) -> Any:
    x = call.value(0)
    given = call.integers("axes", 1, [])
    rank = x.ndim + len(given)
    new = sorted({axis_of(a, rank) for a in given})
    if len(new) < len(given):
        raise ShapeError(f"axes {given} come twice")
    left = iter(x.shape)
    return plain(ops.reshape(_unmoved(x), [1 if a in new else next(left) for a in range(rank)]))


def _expanded(call: Call) -> Any:
    x = call.tensor(0)
    shape = check_size(tuple(call.integers("shape", 1)))
    try:
        return plain(ops.broadcast_to(x, np.broadcast_shapes(x.shape, shape)))
    except ValueError:
        raise ShapeError(f"a value of shape {x.shape} does not broadcast with {shape}") from None


def _tiled(call: Call) -> Any:
    x = call.tensor(0)
    repeats = call.integers("repeats", 1)
    if len(repeats) != x.ndim or min(repeats, default=0) < 0:
        raise ShapeError(f"repeats {repeats} does not fit a value of shape {x.shape}")
    made = check_size(tuple(n * r for n, r in zip(x.shape, repeats, strict=True)))
    wide = ops.reshape(x, [m for n in x.shape for m in (1, n)])
    wide = ops.broadcast_to(wide, [m for n, r in zip(x.shape, repeats, strict=True) for m in (r, n)])
    return plain(ops.reshape(wide, made))


def _filled(call: Call) -> Any:
    shape = check_size(tuple(call.integers("shape", 0)), MOST_KNOWN)
    value = call.attribute("value", np.zeros(1, np.float32)).reshape(-1)
    return np.full(shape, value[0], value.dtype)


def _range(call: Call) -> Any:
    start, limit, step = (call.known(i).reshape(-1)[0] for i in range(3))
    if step == 0:
        raise ArgumentError("a step of 0 came")
    count = max(0, math.ceil((limit - start) / step))
    check_size((count,), MOST_KNOWN)
    return (start + np.arange(count) * step).astype(call.known(0).dtype)


def _constant(call: Call) -> Any:
    for name, dtype in (
        ("value_float", np.float32),
        ("value_floats", np.float32),
        ("value_int", np.int64),
        ("value_ints", np.int64),
    ):
        if name in call.attributes:
            return np.array(call.attributes[name], dtype)
    if "value" not in call.attributes:
        raise ArgumentError(f"a constant of the kind {sorted(call.attributes)} is not one that tinynet has")
    return call.attributes["value"]


def _eye(call: Call) -> Any:
    x, number = call.value(0), call.attribute("dtype")
    if x.ndim != 2 or number not in (None, *DTYPES):
        raise ShapeError(f"a matrix is made like one, but a value of shape {x.shape} came, or data type {number}")
    rows, columns = check_size(x.shape, MOST_KNOWN)
    return np.eye(rows, columns, call.attribute("k", 0), x.dtype if number is None else np.dtype(DTYPES[number]))


# --- parts


def _joined(call: Call) -> Any:
    values = [call.value(i) for i in range(len(call.inputs))]
    rank = values[0].ndim
    check_dtypes(*(v.dtype for v in values))
    axis = axis_of(call.attribute("axis", 1), rank)
    same = all(v.order == values[0].order for v in values)
    order = values[0].order if same else next((v.order for v in values if v.order != natural(rank)), natural(rank))
    if any(v.ndim != rank for v in values):
        raise ShapeError(f"values of shapes {[v.shape for v in values]} cannot be joined")
    return Value(ops.concatenate([v.ordered(order) for v in values], order.index(axis)), order)


def _cut(call: Call) -> Any:
    """Split: into lengths that are given, or as many pieces as there are outputs, of which the last may be short."""
    x = call.value(0)
    axis = axis_of(call.attribute("axis", 0), x.ndim)
    n, lengths = x.shape[axis], call.integers("split", 1)
    if lengths is None:
        parts = call.attribute("num_outputs", call.outputs)
        size = -(-n // parts) if parts > 0 else n
        lengths = [min(size, max(0, n - i * size)) for i in range(max(parts, 1))]
    if sum(lengths) != n or min(lengths) < 0:
        raise ShapeError(f"an axis of {n} cannot be cut into {lengths}")
    at = np.cumsum(lengths)[:-1].tolist()
    return tuple(Value(part, x.order) for part in ops.split(x.tensor, at, x.order.index(axis)))


def _sliced(call: Call) -> Any:
    x = call.value(0)
    starts, ends = call.integers("starts", 1), call.integers("ends", 2)
    axes = call.integers("axes", 3) or list(range(len(starts)))
    steps = call.integers("steps", 4) or [1] * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        raise ArgumentError(f"starts {starts}, ends {ends}, axes {axes} and steps {steps} do not fit")
    key = [slice(None)] * x.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        n = x.shape[axis_of(axis, x.ndim)]
        first = min(max(start + n if start < 0 else start, 0 if step > 0 else -1), n if step > 0 else n - 1)
        last = min(max(end + n if end < 0 else end, 0 if step > 0 else -1), n)
        key[axis_of(axis, x.ndim)] = slice(max(first, 0) if step > 0 else first, None if last < 0 else last, step)
        if step < 0 and first < 0:
            key[axis_of(axis, x.ndim)] = slice(0, 0)
    return Value(x.tensor[tuple(key[a] for a in x.order)], x.order)


def _padded(call: Call) -> Any:
    """Pad with a number, or with what is at the edge, mirrored, or at the other end."""
    x = call.tensor(0)
    pads = call.integers("pads", 1)
    axes = call.integers("axes", 3)
    axes = list(range(x.ndim)) if axes is None else [axis_of(a, x.ndim) for a in axes]
    if pads is None or len(pads) != 2 * len(axes):
        raise ArgumentError(f"pads {pads} does not fit {len(axes)} axes")
    mode = call.attribute("mode", "constant")
    around = [(0, 0)] * x.ndim
    for axis, before, after in zip(axes, pads[: len(axes)], pads[len(axes) :], strict=True):
        around[axis] = before, after
    made = check_size(tuple(max(0, n + before + after) for n, (before, after) in zip(x.shape, around, strict=True)))
    if any(before < 0 or after < 0 for before, after in around):  # which cut off
        x = x[tuple(slice(max(0, -b), n - max(0, -a)) for n, (b, a) in zip(x.shape, around, strict=True))]
        around = [(max(0, before), max(0, after)) for before, after in around]
    if mode == "constant":
        if not call.has(2) or isinstance(call.operand(2), np.ndarray):
            return plain(ops.pad(x, around, call.number("value", 2, 0)))
        check_size(made, MOST_KNOWN)
        inside = np.pad(np.ones(x.shape, bool), around)
        return plain(ops.where(constant(inside), ops.pad(x, around), ops.reshape(call.tensor(2), ())))
    if mode not in ("edge", "reflect", "wrap"):
        raise ArgumentError(f"mode {mode!r} is not one of constant, edge, reflect and wrap")
    for axis, (before, after) in enumerate(around):
        if before or after:
            check_size((made[axis],), MOST_KNOWN)
            places = np.pad(np.arange(x.shape[axis]), (before, after), mode)
            x = _taken(x, places, axis)
    return plain(x)


# --- looking up


def _taken(x: Tensor, indices: Any, axis: int) -> Tensor:
    """Take the places along an axis."""
    indices = indices if isinstance(indices, Tensor) else constant(np.array(indices))
    order = [axis, *(a for a in range(x.ndim) if a != axis)]
    taken = ops.transpose(x, order)[indices]
    k = indices.ndim
    rest = [a + k - 1 for a in range(1, x.ndim)]
    return ops.transpose(taken, [*rest[:axis], *range(k), *rest[axis:]])


def _gathered(call: Call) -> Any:
    x = call.value(0)
    indices = call.operand(1)
    axis = axis_of(call.attribute("axis", 0), x.ndim)
    if isinstance(indices, np.ndarray) and indices.ndim == 0:  # a slice, which takes no copy
        i, n = int(indices), x.shape[axis]
        if not -n <= i < n:
            raise ShapeError(f"index {i} does not fit an axis of {n}")
        key: list[Any] = [slice(None)] * x.ndim
        key[axis] = i
        return plain(x.plain()[tuple(key)])
    return plain(_taken(x.plain(), call.tensor(1), axis))


def _gathered_each(call: Call) -> Any:
    """GatherElements: of each place in the indices, the value there but for one axis, which the index names."""
    x, indices = call.tensor(0), call.tensor(1)
    axis = axis_of(call.attribute("axis", 0), x.ndim)
    if indices.ndim != x.ndim:
        raise ShapeError(f"indices of shape {indices.shape} do not fit a value of shape {x.shape}")
    check_size((max(indices.shape),), MOST_KNOWN)
    places = [constant(a) for a in np.ogrid[tuple(slice(n) for n in indices.shape)]] if x.ndim > 1 else [indices]
    return plain(x[tuple(indices if a == axis else place for a, place in enumerate(places))])


def _gathered_rows(call: Call) -> Any:
    """GatherND: the last axis of the indices names places along the first axes."""
    x, indices, batch = call.tensor(0), call.tensor(1), call.attribute("batch_dims", 0)
    if not 0 <= batch < min(x.ndim, indices.ndim) or indices.shape[-1] > x.ndim - batch:
        raise ShapeError(f"indices of shape {indices.shape} do not fit a value of shape {x.shape}")
    columns = [indices[..., k] for k in range(indices.shape[-1])]
    shape = indices.shape[:-1]
    check_size(shape[:batch], MOST_KNOWN)
    before = [
        constant(np.arange(n).reshape([-1 if a == i else 1 for a in range(len(shape))]))
        for i, n in enumerate(shape[:batch])
    ]
    return plain(x[(*before, *columns)])


def _one_hot(call: Call) -> Any:
    indices, depth, ends = call.tensor(0), int(call.known(1).reshape(-1)[0]), call.known(2)
    axis = call.attribute("axis", -1)
    rank = indices.ndim + 1
    axis = axis_of(axis, rank)
    check_size((*indices.shape, depth))
    check_size((depth,), MOST_KNOWN)
    classes = np.arange(depth).reshape([-1 if a == axis else 1 for a in range(rank)])
    whole = ops.cast(indices, np.int64)
    whole = ops.where(whole < 0, whole + depth, whole)
    wide = ops.reshape(whole, [*indices.shape[:axis], 1, *indices.shape[axis:]])
    return plain(ops.where(wide == constant(classes), constant(ends[1:2].reshape(())), constant(ends[:1].reshape(()))))


def _triangle(call: Call) -> Any:
    x = call.value(0)
    k = int(call.known(1).reshape(-1)[0]) if call.has(1) else 0
    rows, columns = check_size(x.shape[-2:], MOST_KNOWN)
    kept = np.tri(rows, columns, k, bool) if not call.attribute("upper", 1) else ~np.tri(rows, columns, k - 1, bool)
    return plain(ops.where(constant(kept), x.plain(), constant(np.zeros((), x.dtype))))


SHAPES: dict[str, Operator] = {
    "Concat": _joined,
    "Constant": _constant,
    "ConstantOfShape": _filled,
    "Expand": _expanded,
    "EyeLike": _eye,
    "Flatten": _flattened,
    "Gather": _gathered,
    "GatherElements": _gathered_each,
    "GatherND": _gathered_rows,
    "OneHot": _one_hot,
    "Pad": _padded,
    "Range": _range,
    "Reshape": _reshaped,
    "Shape": _shape,
    "Size": _size,
    "Slice": _sliced,
    "Split": _cut,
    "Squeeze": _squeezed,
    "Tile": _tiled,
    "Transpose": _transposed,
    "Trilu": _triangle,
    "Unsqueeze": _unsqueezed,
}
