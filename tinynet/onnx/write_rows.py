"""Ops on the rows along the last axis: layer normalisation and its gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinynet.core.engine import Op
from tinynet.onnx.trace import Use
from tinynet.onnx.writer import Value, Writer
from tinynet.ops.normalised import layer_norm, layer_norm_gradient


def _mean(w: Writer, name: str) -> str:
    return w.node("ReduceMean", name, w.constant([-1], np.int64), keepdims=1)


def _layer_norm(w: Writer, use: Use, x: Value, gamma: Value, beta: Value) -> list[Value]:
    """Write it as the one operator that ONNX has for it; in float64 as its parts, since there epsilon is float32."""
    rows, *weights = (w.ordered(value) for value in (x, gamma, beta))
    away = w.node("Sub", rows, _mean(w, rows))
    shifted = w.node("Add", _mean(w, w.node("Mul", away, away)), w.constant(use.attrs["epsilon"], x.dtype))
    scale = w.node("Div", w.constant(1, x.dtype), w.node("Sqrt", shifted))
    normal = w.node("Mul", away, scale)
    if x.dtype == np.float32:
        y = w.node("LayerNormalization", rows, *weights, axis=-1, epsilon=use.attrs["epsilon"])
    else:
        y = w.node("Add", w.node("Mul", normal, weights[0]), weights[1])
    return [w.value(name, use.shapes[i], x.dtype) for i, name in enumerate((y, normal, scale))]


def _layer_norm_gradient(w: Writer, use: Use, g: Value, gamma: Value, normal: Value, scale: Value) -> Value:
    rows, scales = w.ordered(normal), w.ordered(scale)
    h = w.node("Mul", w.ordered(g), w.ordered(gamma))
    along = w.node("Mul", rows, _mean(w, w.node("Mul", h, rows)))
    centred = w.node("Sub", w.node("Sub", h, _mean(w, h)), along)
    return w.value(w.node("Mul", scales, centred), use.shapes[0], g.dtype)


ROWS: dict[Op, Callable[..., Any]] = {layer_norm: _layer_norm, layer_norm_gradient: _layer_norm_gradient}
