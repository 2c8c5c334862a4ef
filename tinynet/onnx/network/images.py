"""ONNX's convolutions and poolings, of images with one or two spatial axes, in tinynet's ops."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from typing import Any, NamedTuple

import numpy as np

from tinynet import ops
from tinynet.core.engine import Tensor, constant
from tinynet.core.spec import Array, Shape
from tinynet.errors import ArgumentError, ShapeError
from tinynet.onnx.network.calls import MOST_KNOWN, Call, Operator, check_size
from tinynet.onnx.network.values import Value, channels_last, check_dtypes
from tinynet.ops.average import _sum_pool
from tinynet.ops.conv import Geometry, _conv2d
from tinynet.ops.dtypes import check_floating
from tinynet.ops.pool import _max_pool

_MOST_TAPS = 4096  # of windows whose taps are taken one by one


class Windows(NamedTuple):
    """How windows lie over images, for both axes: taps, steps, what is added before and after, distances of taps."""

    size: tuple[int, int]
    step: tuple[int, int]
    before: tuple[int, int]
    after: tuple[int, int]
    apart: tuple[int, int]

    def reach(self, axis: int) -> int:
        """Return how many pixels a window spans."""
        return (self.size[axis] - 1) * self.apart[axis] + 1

    def along(self, axis: int, n: int) -> int:
        """Return how many windows there are along an axis of n pixels."""
        rest = n + self.before[axis] + self.after[axis] - self.reach(axis)
        if rest < 0:
            raise ShapeError(
                f"the window spans {self.reach(axis)} pixels, but the image has {n}, with {self.before[axis]} before "
                f"and {self.after[axis]} after it"
            )
        return rest // self.step[axis] + 1


def _pair(given: Sequence[int] | None, rank: int, default: int, what: str) -> tuple[int, int]:
    """Return a number for each of the two axes; of images with one, the first has a single row."""
    several = [default] * rank if given is None else list(given)
    if len(several) != rank or min(several, default=1) < (0 if default == 0 else 1):
        raise ArgumentError(f"{what} {several} does not fit {rank} spatial axes")
    first, second = (default, several[0]) if rank == 1 else several
    return first, second


def _windows(call: Call, kernel: Sequence[int], image: Shape) -> Windows:
    """Read how windows lie over images of a height and width."""
    rank = len(kernel)
    size = _pair(kernel, rank, 1, "kernel_shape")
    step = _pair(call.attribute("strides"), rank, 1, "strides")
    apart = _pair(call.attribute("dilations"), rank, 1, "dilations")
    pads = call.attribute("pads") or [0] * 2 * rank
    if len(pads) != 2 * rank or min(pads) < 0:
        raise ArgumentError(f"pads {pads} does not fit {rank} spatial axes, or has numbers below 0")
    before, after = _pair(pads[:rank], rank, 0, "pads"), _pair(pads[rank:], rank, 0, "pads")
    found = Windows(size, step, before, after, apart)
    auto = call.attribute("auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        lacking = [
            max(0, (-(-n // s) - 1) * s + found.reach(a) - n) for a, (n, s) in enumerate(zip(image, step, strict=True))
        ]
        half, rest = [n // 2 for n in lacking], [n - n // 2 for n in lacking]
        first, last = (half, rest) if auto == "SAME_UPPER" else (rest, half)
        found = found._replace(before=(first[0], first[1]), after=(last[0], last[1]))
    elif auto not in ("NOTSET", "VALID", ""):
        raise ArgumentError(f"auto_pad {auto!r} is not one of NOTSET, SAME_UPPER, SAME_LOWER and VALID")
    elif auto == "VALID":
        found = found._replace(before=(0, 0), after=(0, 0))
    return found


def _images(x: Value) -> Tensor:
    """Return images as N H W C; those of one spatial axis have one row."""
    tensor = x.ordered(channels_last(x.ndim))
    if x.ndim not in (3, 4):
        raise ShapeError(f"images of {x.ndim - 2} spatial axes came, but tinynet has those of one or two")
    return tensor if x.ndim == 4 else ops.reshape(tensor, (tensor.shape[0], 1, *tensor.shape[1:]))


def _result(y: Tensor, rank: int) -> Value:
    """Return N H W C as a value of as many axes as came."""
    tensor = y if rank == 4 else ops.reshape(y, (y.shape[0], *y.shape[2:]))
    return Value(tensor, channels_last(rank))


def _filters(w: Value) -> Tensor:
    """Return filters (F, C, KH, KW) as (KH, KW, C, F)."""
    order = (*range(2, w.ndim), 1, 0)
    tensor = w.ordered(order)
    return tensor if w.ndim == 4 else ops.reshape(tensor, (1, *tensor.shape))


def _spread_out(w: Tensor, apart: tuple[int, int]) -> Tensor:
    """Put zeros between the taps of filters, so that a plain convolution sees pixels that lie apart."""
    if apart == (1, 1):
        return w
    (kh, kw, c, f), (down, across) = w.shape, apart
    wide = ops.reshape(w, (kh, 1, kw, 1, c, f))
    wide = ops.pad(wide, [(0, 0), (0, down - 1), (0, 0), (0, across - 1), (0, 0), (0, 0)])
    wide = ops.reshape(wide, (kh * down, kw * across, c, f))
    return wide[: (kh - 1) * down + 1, : (kw - 1) * across + 1]


def _convolution(call: Call) -> Value:
    x, weight = call.value(0), call.value(1)
    check_dtypes(*(call.value(i).dtype for i in range(3) if call.has(i)))
    if weight.ndim != x.ndim:
        raise ShapeError(f"filters of {weight.ndim} axes came for images of {x.ndim}")
    images, filters, groups = _images(x), _filters(weight), call.attribute("group", 1)
    windows = _windows(call, weight.shape[2:], images.shape[1:3])
    filters = _spread_out(filters, windows.apart)
    windows = windows._replace(size=(filters.shape[0], filters.shape[1]), apart=(1, 1))
    channels, made = images.shape[3], filters.shape[3]
    if 0 in (*images.shape[1:], *filters.shape):
        raise ShapeError(f"no axis but that of the samples may be empty, but {x.shape} and {weight.shape} came")
    if groups < 1 or channels != groups * filters.shape[2] or made % groups:
        raise ShapeError(
            f"images have {channels} channels and there are {groups} groups, but the filters take {filters.shape[2]} "
            f"and make {made}"
        )
    if groups == 1:
        y = _convolved(images, filters, windows)
    else:
        parts = zip(ops.split(images, groups, 3), ops.split(filters, groups, 3), strict=True)
        y = ops.concatenate([_convolved(a, b, windows) for a, b in parts], 3)
    return _result(y + call.tensor(2) if call.has(2) else y, x.ndim)


def _convolved(x: Tensor, w: Tensor, windows: Windows) -> Tensor:
    counts = windows.along(0, x.shape[1]), windows.along(1, x.shape[2])
    if any(b >= k for b, k in zip(windows.before, windows.size, strict=True)) or any(
        a >= k for a, k in zip(windows.after, windows.size, strict=True)
    ):  # some windows see no pixel
        x = _padded(x, windows, 0.0)
        windows = windows._replace(before=(0, 0), after=(0, 0))
    p = Geometry(*windows.size, *windows.step, *windows.before, *counts)
    check_floating("conv2d", x.dtype)
    y: Tensor = _conv2d(x, w, p=p)
    return y


def _padded(x: Tensor, windows: Windows, value: float) -> Tensor:
    around = list(zip(windows.before, windows.after, strict=True))
    return ops.pad(x, [(0, 0), *around, (0, 0)], value)


def _transposed(call: Call) -> Value:
    """ConvTranspose: each pixel is added to all that its window covers."""
    x, weight = call.value(0), call.value(1)
    check_dtypes(*(call.value(i).dtype for i in range(3) if call.has(i)))
    if weight.ndim != x.ndim:
        raise ShapeError(f"filters of {weight.ndim} axes came for images of {x.ndim}")
    images, groups = _images(x), call.attribute("group", 1)
    rank = x.ndim - 2
    filters = _spread_out(_filters(weight), _pair(call.attribute("dilations"), rank, 1, "dilations"))
    step = _pair(call.attribute("strides"), rank, 1, "strides")
    more = _pair(call.attribute("output_padding"), rank, 0, "output_padding")
    if groups < 1 or images.shape[3] % groups or images.shape[3] != filters.shape[3]:
        raise ShapeError(
            f"images have {images.shape[3]} channels, the filters take {filters.shape[3]}, in {groups} groups"
        )
    parts = zip(ops.split(images, groups, 3), ops.split(filters, groups, 3), strict=True)
    made = [ops.conv2d_transpose(a, b, step) for a, b in parts]
    y = made[0] if groups == 1 else ops.concatenate(made, 3)
    full = [(n - 1) * s + k for n, s, k in zip(images.shape[1:3], step, filters.shape[:2], strict=True)]
    before, size = _cut(call, full, images.shape[1:3], step, more)
    after = [max(0, b + n - have) for b, n, have in zip(before, size, y.shape[1:3], strict=True)]
    if any(after):
        y = ops.pad(y, [(0, 0), (0, after[0]), (0, after[1]), (0, 0)])
    y = y[:, before[0] : before[0] + size[0], before[1] : before[1] + size[1]]
    return _result(y + call.tensor(2) if call.has(2) else y, x.ndim)


def _cut(
    call: Call, full: Sequence[int], image: Sequence[int], step: tuple[int, int], more: tuple[int, int]
) -> tuple[list[int], list[int]]:
    """Return where the result of a transposed convolution begins in all that the windows cover, and its size."""
    rank = call.value(0).ndim - 2
    auto, wanted = call.attribute("auto_pad", "NOTSET"), call.attribute("output_shape")
    if wanted is not None or auto in ("SAME_UPPER", "SAME_LOWER"):
        sizes = [n * s for n, s in zip(image, step, strict=True)]
        if wanted is not None:
            sizes = [1, *wanted[-1:]] if rank == 1 else list(wanted[-2:])
        excess = [max(0, f + m - n) for f, m, n in zip(full, more, sizes, strict=True)]
        before = [e - e // 2 if auto == "SAME_LOWER" else e // 2 for e in excess]
        return before, sizes
    pads = call.attribute("pads") or [0] * 2 * rank
    if len(pads) != 2 * rank or min(pads) < 0:
        raise ArgumentError(f"pads {pads} does not fit {rank} spatial axes, or has numbers below 0")
    first, last = _pair(pads[:rank], rank, 0, "pads"), _pair(pads[rank:], rank, 0, "pads")
    sizes = [f + m - a - b for f, m, a, b in zip(full, more, first, last, strict=True)]
    if min(sizes) < 1:
        raise ShapeError(f"pads {pads} leave nothing of {full}")
    return list(first), sizes


# --- pooling


def _rounded_up(windows: Windows, image: Sequence[int]) -> Windows:
    """Add what the last window lacks, where the number of windows is rounded up; each begins within the image."""
    after = list(windows.after)
    for axis, n in enumerate(image):
        count, s = windows.along(axis, n), windows.step[axis]
        rest = (n + windows.before[axis] + windows.after[axis] - windows.reach(axis)) % s
        if rest and count * s < n + windows.before[axis]:
            after[axis] += s - rest
    return windows._replace(after=(after[0], after[1]))


def _pool_windows(call: Call, images: Tensor, rank: int) -> tuple[Windows, Windows]:
    """Return the windows of a pooling, before and after their number is rounded up."""
    kernel = call.attribute("kernel_shape")
    if kernel is None or len(kernel) != rank:
        raise ArgumentError(f"kernel_shape {kernel} does not fit {rank} spatial axes")
    windows = _windows(call, kernel, images.shape[1:3])
    return windows, _rounded_up(windows, images.shape[1:3]) if call.attribute("ceil_mode", 0) else windows


def _taps(x: Tensor, windows: Windows) -> list[Tensor]:
    """Return, for each place in a window by rows, what all windows have there."""
    (kh, kw), (sh, sw), (down, across) = windows.size, windows.step, windows.apart
    if kh * kw > _MOST_TAPS:
        raise ShapeError(f"windows of {kh} x {kw} taps that lie apart are too large")
    oh, ow = ((x.shape[a + 1] - windows.reach(a)) // windows.step[a] + 1 for a in (0, 1))
    starts = [(a * down, b * across) for a in range(kh) for b in range(kw)]
    return [x[:, i : i + (oh - 1) * sh + 1 : sh, j : j + (ow - 1) * sw + 1 : sw] for i, j in starts]


def _largest(call: Call) -> Any:
    """MaxPool, with the place of each winner in the image where it is asked for."""
    x = call.value(0)
    images = _images(x)
    _, windows = _pool_windows(call, images, x.ndim - 2)
    check_floating("MaxPool", images.dtype)
    padded = _padded(images, windows, -np.inf)
    if windows.apart == (1, 1) and call.outputs == 1:
        counts = [(padded.shape[a + 1] - windows.size[a]) // windows.step[a] + 1 for a in (0, 1)]
        return _result(_max_pool(padded, p=Geometry(*windows.size, *windows.step, 0, 0, *counts))[0], x.ndim)
    taps = _taps(padded, windows)
    best = _result(reduce(ops.maximum, taps), x.ndim)
    if call.outputs == 1:
        return best
    winners = ops.argmax(ops.stack(taps, -1), -1)
    check_size(winners.shape[1:], MOST_KNOWN)
    places = constant(_places(images.shape, windows, winners.shape[1:3], bool(call.attribute("storage_order", 0))))
    rows, columns, channels = (constant(a) for a in np.ogrid[tuple(slice(n) for n in winners.shape[1:])])
    samples = constant(np.arange(winners.shape[0]).reshape(-1, 1, 1, 1))
    within = places[rows, columns, winners]
    return best, _result(within + (samples * images.shape[3] + channels) * math.prod(images.shape[1:3]), x.ndim)


def _places(image: Shape, windows: Windows, counts: Shape, by_columns: bool) -> Array:
    """Return the place in an image of each tap of each window (OH, OW, taps)."""
    (kh, kw), (down, across) = windows.size, windows.apart
    check_size((*counts, kh * kw), MOST_KNOWN)
    i = np.arange(counts[0])[:, None] * windows.step[0] - windows.before[0] + np.arange(kh) * down
    j = np.arange(counts[1])[:, None] * windows.step[1] - windows.before[1] + np.arange(kw) * across
    rows, columns = i[:, None, :, None], j[None, :, None, :]
    places = columns * image[1] + rows if by_columns else rows * image[2] + columns
    return places.reshape(*counts, kh * kw).astype(np.int64)


def _seen(n: int, axis: int, windows: Windows, count: int, before: int, after: int) -> Array:
    """Return how many taps of each window lie within an axis of n pixels, and what is before and after it."""
    check_size((count, windows.size[axis]), MOST_KNOWN)
    places = np.arange(count)[:, None] * windows.step[axis] - windows.before[axis]
    places = places + np.arange(windows.size[axis]) * windows.apart[axis]
    seen: Array = ((places >= -before) & (places < n + after)).sum(1)
    return seen


def _averaged(call: Call) -> Value:
    x = call.value(0)
    images = _images(x)
    given, windows = _pool_windows(call, images, x.ndim - 2)
    check_floating("AveragePool", images.dtype)
    h, w = images.shape[1:3]
    counts = check_size((windows.along(0, h), windows.along(1, w)), MOST_KNOWN)
    beyond = any(b >= k for b, k in zip((*windows.before, *windows.after), windows.size * 2, strict=True))
    if windows.apart == (1, 1) and not beyond:
        total: Tensor = _sum_pool(images, p=Geometry(*windows.size, *windows.step, *windows.before, *counts))
    else:
        total = reduce(ops.add, _taps(_padded(images, windows, 0.0), windows))
    zeros = (given.before, given.after) if call.attribute("count_include_pad", 0) else ((0, 0), (0, 0))
    seen = [_seen(n, a, windows, counts[a], zeros[0][a], zeros[1][a]) for a, n in enumerate((h, w))]
    areas = (seen[0][:, None, None] * seen[1][:, None]).astype(images.dtype)
    return _result(total / constant(areas), x.ndim)


def _globally(function: Any) -> Operator:
    """Return the operator that reduces all spatial axes to length 1."""

    def operator(call: Call) -> Value:
        x = call.value(0)
        axes = tuple(i for i, a in enumerate(x.order) if a > 1)
        return Value(function(x.tensor, axes, keepdims=True), x.order)

    return operator


def _power_mean(call: Call) -> Value:
    """LpPool: the p-th root of the sum of the p-th powers of each window."""
    x = call.value(0)
    images = _images(x)
    _, windows = _pool_windows(call, images, x.ndim - 2)
    p = float(call.attribute("p", 2))
    padded = _padded(ops.abs(images) ** p, windows, 0.0)
    return _result(reduce(ops.add, _taps(padded, windows)) ** (1 / p), x.ndim)


def _depth_to_space(call: Call) -> Value:
    images, size = _images(call.value(0)), call.attribute("blocksize")
    n, h, w, c = images.shape
    if size is None or size < 1 or c % size**2:
        raise ShapeError(f"{c} channels cannot be cut into blocks of {size} x {size}")
    if call.attribute("mode", "DCR") == "CRD":
        parts = ops.transpose(ops.reshape(images, (n, h, w, c // size**2, size, size)), (0, 1, 4, 2, 5, 3))
    else:
        parts = ops.transpose(ops.reshape(images, (n, h, w, size, size, c // size**2)), (0, 1, 3, 2, 4, 5))
    return _result(ops.reshape(parts, (n, h * size, w * size, c // size**2)), 4)


def _space_to_depth(call: Call) -> Value:
    images, size = _images(call.value(0)), call.attribute("blocksize")
    n, h, w, c = images.shape
    if size is None or size < 1 or h % size or w % size:
        raise ShapeError(f"images of {h} x {w} cannot be cut into blocks of {size} x {size}")
    parts = ops.transpose(ops.reshape(images, (n, h // size, size, w // size, size, c)), (0, 1, 3, 2, 4, 5))
    if call.attribute("mode", "DCR") == "CRD":
        parts = ops.transpose(parts, (0, 1, 2, 5, 3, 4))
    return _result(ops.reshape(parts, (n, h // size, w // size, c * size**2)), 4)


IMAGES: dict[str, Operator] = {
    "AveragePool": _averaged,
    "Conv": _convolution,
    "ConvTranspose": _transposed,
    "DepthToSpace": _depth_to_space,
    "GlobalAveragePool": _globally(ops.mean),
    "GlobalMaxPool": _globally(ops.max),
    "LpPool": _power_mean,
    "MaxPool": _largest,
    "SpaceToDepth": _space_to_depth,
}
