"""Convolution and its two gradients on their kernels."""

from __future__ import annotations

import math
from typing import Any

from tinynet.core.spec import Array, Shape, Spec, Value
from tinynet.fast.implementation import Implementation
from tinynet.fast.kernels import conv as kernels
from tinynet.fast.kernels.jit import for_chunks
from tinynet.ops.conv import Geometry


def _columns(n: int, weights: Shape, p: Geometry, like: Value) -> Spec:
    taps, filters = math.prod(weights[:3]), weights[3]
    chunks, rows = kernels.chunks(n, p.oh, p.ow, taps, filters, like.dtype.itemsize)
    return Spec((chunks, rows * p.ow, taps), like.dtype)


def _forward_scratch(x: Value, w: Value, p: Geometry) -> tuple[Spec, ...]:
    return (_columns(x.shape[0], w.shape, p, x),)


def _forward(y: Array, columns: Array, x: Array, w: Array, p: Geometry) -> tuple[Any, ...]:
    return for_chunks(kernels.conv2d, len(columns)), y, columns, x, w, p


def _input_grad_scratch(g: Value, w: Value, p: Geometry, size: Shape) -> tuple[Spec, ...]:
    transposed = Spec((w.shape[3], math.prod(w.shape[:3])), g.dtype)
    return _columns(g.shape[0], w.shape, p, g), transposed


def _input_grad(
    dx: Array, columns: Array, transposed: Array, g: Array, w: Array, p: Geometry, size: Shape
) -> tuple[Any, ...]:
    return for_chunks(kernels.conv2d_input_grad, len(columns)), dx, columns, transposed, g, w, p


def _weight_grad_scratch(x: Value, g: Value, p: Geometry) -> tuple[Spec, ...]:
    columns = _columns(x.shape[0], (p.kh, p.kw, x.shape[3], g.shape[3]), p, x)
    partial = Spec((columns.shape[0], columns.shape[2], g.shape[3]), x.dtype)
    return columns, partial, partial


def _weight_grad(
    dw: Array, columns: Array, partial: Array, product: Array, x: Array, g: Array, p: Geometry
) -> tuple[Any, ...]:
    return for_chunks(kernels.conv2d_weight_grad, len(columns)), dw, columns, partial, product, x, g, p


conv2d = Implementation(_forward, _forward_scratch, contiguous=True, threaded=True)
conv2d_input_grad = Implementation(_input_grad, _input_grad_scratch, contiguous=True, threaded=True)
conv2d_weight_grad = Implementation(_weight_grad, _weight_grad_scratch, contiguous=True, threaded=True)
