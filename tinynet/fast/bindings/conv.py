"""Convolution and its gradients on their kernels: in tiles by Winograd's algorithm where that pays, or as products."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinynet.core.engine import Tensor, is_constant
from tinynet.core.spec import Array, Shape, Spec, Value
from tinynet.fast.implementation import Implementation
from tinynet.fast.kernels import conv as kernels
from tinynet.fast.kernels import winograd
from tinynet.fast.kernels.conv import Windows
from tinynet.fast.kernels.jit import chunks_of, for_chunks
from tinynet.fast.threads import get_num_threads
from tinynet.ops.conv import Geometry

# --- as products


def product_scratch(x: Value, filters: int, p: Windows, rows: int) -> tuple[Spec, Spec]:
    """Return the working arrays of what windows see of images x, some rows at a time: what is laid out, and shifts."""
    chunks, channels = chunks_of(x.shape[0]), x.shape[3]
    row, remainders, more = p.groups * p.ow * p.kw * channels, min(p.sh, p.kh), (p.kh - 1) // p.sh
    if p.few(channels):
        columns = (p.groups - 1) * p.apart + p.kw
        shifts = chunks, columns * channels, remainders, rows + more, p.ow
        return Spec((chunks, rows * p.kh * row), x.dtype), Spec(shifts, x.dtype)
    return Spec((chunks, remainders * (rows + more) * row), x.dtype), Spec((chunks, 0, 0, 0, 0), x.dtype)


def input_grad_scratch(g: Value, w: Value, p: Windows) -> tuple[Spec, Spec]:
    """Return the working arrays of the gradient of the input: strips, and transposed weights."""
    kh, kw, channels, filters = w.shape
    rows = p.rows_at_a_time(channels, filters, g.dtype.itemsize)
    strips = chunks_of(g.shape[0]), rows, p.groups, p.ow * kw * channels
    return Spec(strips, g.dtype), Spec((kh, filters, kw * channels), g.dtype)


def products(w: Shape, p: Windows) -> Shape:
    """Return the shape of weights as those of the products whose sum a convolution is: (products, depth, F)."""
    made = 1 if p.few(w[2]) else p.kh
    return made, math.prod(w[:3]) // made, w[3]


# --- by Winograd's algorithm


def tiles_of(p: Geometry, size: tuple[int, ...], weights: Shape) -> tuple[int, int] | None:
    """Return the rows and columns of tiles of 2x2, where these save a third of the multiplications at least."""
    tiles = -(-size[0] // 2), -(-size[1] // 2)
    saved = 3 * 16 * math.prod(tiles) <= 2 * 9 * math.prod(size[:2])
    return tiles if saved and p[:4] == (3, 3, 1, 1) and min(weights[2:]) >= winograd.LEAST_CHANNELS else None


def _lanes(n: int, tiles: tuple[int, int], channels: int, filters: int) -> tuple[int, int, int]:
    """Return the number of chunks, of sets of working arrays, and of tiles in a block."""
    chunks, rows = winograd.cut(n * tiles[0], tiles[1], channels, filters)
    return chunks, min(chunks, get_num_threads()), rows * tiles[1]


def winograd_scratch(m: int, x: Value, tiles: tuple[int, int], c: int, f: int) -> tuple[Spec, ...]:
    """Return the working arrays of a convolution of c channels by f filters, in tiles of m x m outputs."""
    _, lanes, block = _lanes(x.shape[0], tiles, c, f)
    s, slots, run = m + 2, tiles[1] + 1, tiles[1] * f
    whole = (9, c, f), (3 * s, c * f), (s * s, c * f), (lanes, s * s, block * c), (lanes, s * s, block * f)
    rows = (lanes, s, m, slots, c), (lanes, s, m * slots * c), (lanes, m * s, run), (lanes, m * m, run)
    return tuple(Spec(shape, x.dtype) for shape in (*whole, *rows, (lanes, s, x.shape[2])))


def winograd_call(
    m: int, tiles: tuple[int, int], *arrays: Any, corner: Shape, adjoint: bool = False
) -> tuple[Any, ...]:
    """Return the call on y, winners of the pooling or None, working arrays, x, w, and the bias of the pooling or None.

    ``corner`` is where the first filter lies: so many pixels above and left of the image. Filters that are constant are
    transformed by the first call alone, into arrays that nothing else works in.
    """
    chunks, lanes, _ = _lanes(len(arrays[-3]), tiles, *arrays[2].shape[1:])
    kernel = for_chunks(winograd.convolution(m, arrays[-1] is not None), lanes)
    constant = is_constant(Tensor(arrays[-2]))
    if constant:
        arrays = (*arrays[:2], *map(np.empty_like, arrays[2:5]), *arrays[5:])
    return kernel, *arrays, *corner, tiles[0], chunks, adjoint, np.zeros(1, bool), constant


# --- the ops


def _forward_scratch(x: Value, w: Value, p: Geometry) -> tuple[Spec, ...]:
    tiles = tiles_of(p, p[6:], w.shape)
    if tiles:
        return winograd_scratch(2, x, tiles, *w.shape[2:])
    windows = Windows(*p)
    return product_scratch(x, w.shape[3], windows, windows.rows_at_a_time(w.shape[2], w.shape[3], x.dtype.itemsize))


def _forward(y: Array, *rest: Array, p: Geometry) -> tuple[Any, ...]:
    tiles = tiles_of(p, p[6:], rest[-1].shape)
    if tiles:
        return winograd_call(2, tiles, y, None, *rest, None, corner=(p.top, p.left))
    *scratch, x, w = rest
    windows = Windows(*p)
    kernel = for_chunks(kernels.conv2d, len(scratch[0]))
    rows = windows.rows_at_a_time(w.shape[2], w.shape[3], x.itemsize)
    return kernel, y, *scratch, x, w.reshape(products(w.shape, windows)), rows, windows


def _input_grad_scratch(g: Value, w: Value, p: Geometry, size: Shape) -> tuple[Spec, ...]:
    tiles = tiles_of(p, size, w.shape)
    if tiles:
        return winograd_scratch(2, g, tiles, w.shape[3], w.shape[2])
    return input_grad_scratch(g, w, Windows(*p))


def _input_grad(dx: Array, *rest: Array, p: Geometry, size: Shape) -> tuple[Any, ...]:
    tiles = tiles_of(p, size, rest[-1].shape)
    if tiles:
        return winograd_call(2, tiles, dx, None, *rest, None, corner=(2 - p.top, 2 - p.left), adjoint=True)
    return for_chunks(kernels.conv2d_input_grad, len(rest[0])), dx, *rest, Windows(*p)


def _weight_grad_scratch(x: Value, g: Value, p: Geometry) -> tuple[Spec, ...]:
    c, f = x.shape[3], g.shape[3]
    tiles = tiles_of(p, p[6:], (3, 3, c, f))
    if tiles:
        chunks, lanes, block = _lanes(x.shape[0], tiles, c, f)
        shapes = (
            (chunks, 9, c * f), (lanes, 12, c * f), (lanes, 16, c * f), (lanes, c, f), (lanes, 16, block * c),
            (lanes, 16, block * f), (lanes, 4, 2, tiles[1] + 1, c), (lanes, 2, 2, tiles[1], f),
            (lanes, 4, 2 * (tiles[1] + 1) * c), (lanes, 4, 2 * tiles[1] * f),
        )  # fmt: skip
        return tuple(Spec(shape, x.dtype) for shape in shapes)
    windows = Windows(*p)
    laid, shifts = product_scratch(x, f, windows, windows.rows_at_a_time(c, f, x.dtype.itemsize))
    return laid, shifts, Spec((laid.shape[0], *products((p.kh, p.kw, c, f), windows)), x.dtype)


def _weight_grad(dw: Array, *rest: Array, p: Geometry) -> tuple[Any, ...]:
    if tiles_of(p, p[6:], dw.shape):
        return for_chunks(winograd.weight_grad, len(rest[1])), dw.reshape(9, -1), *rest, p.top, p.left
    windows = Windows(*p)
    rows = windows.rows_at_a_time(dw.shape[2], dw.shape[3], dw.itemsize)
    return for_chunks(kernels.conv2d_weight_grad, len(rest[0])), dw.reshape(-1), *rest, rows, windows


conv2d = Implementation(_forward, _forward_scratch, contiguous=True, threaded=True)
conv2d_input_grad = Implementation(_input_grad, _input_grad_scratch, contiguous=True, threaded=True)
conv2d_weight_grad = Implementation(_weight_grad, _weight_grad_scratch, contiguous=True, threaded=True)
