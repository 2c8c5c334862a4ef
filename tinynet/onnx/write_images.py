"""How convolutions and poolings are written: on images N C H W, with the pixels that windows see beyond the edge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinynet.core.engine import Op
from tinynet.errors import ArgumentError
from tinynet.onnx.trace import Use
from tinynet.onnx.writer import Order, Value, Writer
from tinynet.ops.average import _sum_pool, _sum_unpool
from tinynet.ops.conv import Geometry, _conv2d, _conv2d_input_grad, margins
from tinynet.ops.pool import _max_pool

NCHW: Order = (0, 3, 1, 2)
_FILTERS: Order = (3, 2, 0, 1)  # F C KH KW of KH KW C F; for a transposed convolution that is "in, out" too


def _images(w: Writer, use: Use, name: str) -> Value:
    return w.value(name, use.shapes[0], use.node.values[0].dtype, NCHW)


def _windows(use: Use, p: Geometry) -> dict[str, Any]:
    """Return how windows lie over the images that a use is given."""
    (top, bottom), (left, right) = margins(use.given[0], p)[1:3]
    sizes = (p.oh, p.ow)
    found = tuple(
        (n + sum(around) - k) // s + 1
        for n, around, k, s in zip(
            use.given[0][1:3], ((top, bottom), (left, right)), (p.kh, p.kw), (p.sh, p.sw), strict=True
        )
    )
    if found != sizes:
        raise ArgumentError(f"op {use.node.op.name!r}: windows {p} leave out pixels in a way that ONNX cannot say")
    return {"kernel_shape": [p.kh, p.kw], "strides": [p.sh, p.sw], "pads": [top, left, bottom, right]}


def _conv(w: Writer, use: Use, x: Value, weight: Value) -> Value:
    name = w.node("Conv", w.ordered(x, NCHW), w.stored(weight, _FILTERS), **_windows(use, use.attrs["p"]))
    return _images(w, use, name)


def _spread(p: Geometry, size: tuple[int, int]) -> dict[str, Any]:
    """Return how windows are added up into images: what is cut off, or added, at the edges."""
    cut = [
        (n - 1) * s + k - at - m
        for n, s, k, at, m in zip((p.oh, p.ow), (p.sh, p.sw), (p.kh, p.kw), (p.top, p.left), size, strict=True)
    ]
    after, lacking = [max(0, n) for n in cut], [max(0, -n) for n in cut]
    if lacking[0] >= p.sh or lacking[1] >= p.sw:
        raise ArgumentError(f"conv2d_transpose: windows {p} do not reach into images of {size} as ONNX has it")
    return {
        "kernel_shape": [p.kh, p.kw],
        "strides": [p.sh, p.sw],
        "pads": [p.top, p.left, *after],
        "output_padding": lacking,
    }


def _conv_transposed(w: Writer, use: Use, g: Value, weight: Value) -> Value:
    attributes = _spread(use.attrs["p"], use.attrs["size"])
    return _images(w, use, w.node("ConvTranspose", w.ordered(g, NCHW), w.stored(weight, _FILTERS), **attributes))


def _max(w: Writer, use: Use, x: Value) -> list[Value]:
    return [_images(w, use, w.node("MaxPool", w.ordered(x, NCHW), **_windows(use, use.attrs["p"])))]


def _sums(w: Writer, use: Use, x: Value) -> Value:
    """Write the sums of windows: their means, zeros beyond the edge included, times the number of pixels."""
    p = use.attrs["p"]
    means = w.node("AveragePool", w.ordered(x, NCHW), count_include_pad=1, **_windows(use, p))
    return _images(w, use, w.node("Mul", means, w.constant(p.kh * p.kw, x.dtype)))


def _sums_back(w: Writer, use: Use, g: Value) -> Value:
    p, channels = use.attrs["p"], g.shape[3]
    ones = w.constant(np.ones((channels, 1, p.kh, p.kw)), g.dtype)
    attributes = _spread(p, use.attrs["size"])
    return _images(w, use, w.node("ConvTranspose", w.ordered(g, NCHW), ones, group=channels, **attributes))


IMAGES: dict[Op, Callable[..., Any]] = {
    _conv2d: _conv,
    _conv2d_input_grad: _conv_transposed,
    _max_pool: _max,
    _sum_pool: _sums,
    _sum_unpool: _sums_back,
}
