"""Convolution and its gradients on their kernels: in tiles by Winograd's algorithm where that pays, or as products."""

from __future__ import annotations

import math
from functools import lru_cache
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


@lru_cache(maxsize=1024)  # an eager convolution asks each time
def starts(p: Windows, width: int, channels: int) -> tuple[Array, Array]:
    """Return where the windows of a group begin, row by row, in images of a width, and how far on each tap sees."""
    begin = np.arange(p.oh)[:, None] * p.sh * width + np.arange(p.ow) * p.sw
    seen = np.arange(p.kh)[:, None] * width * channels + np.arange(p.kw * channels)
    return begin.reshape(-1) * channels, seen.reshape(-1)


@lru_cache(maxsize=1024)
def starts_of_strips(p: Windows, filters: int) -> tuple[Array, Array]:
    """Return where the windows of a row begin in the cotangent, and how far on turned weights see."""
    windows = p.groups * p.ow
    seen = np.arange(p.kh)[:, None] * windows * filters + np.arange(filters)
    return np.arange(windows) * filters, seen.reshape(-1)


def _padded(x: Value, p: Windows) -> Shape:
    """Return the shape of images with margins, for all chunks; of nothing where windows see none."""
    seen, chunks = p.seen(), chunks_of(x.shape[0])
    margins = p.top or p.left or seen[0] > x.shape[1] or seen[1] > x.shape[2]
    return (chunks, *seen, x.shape[3]) if margins else (chunks, 0, 0, 0)


def _starts(padded: Array, x: Array, p: Windows) -> tuple[Array, Array]:
    """Return where windows begin in the images that a kernel reads: those with margins, if there are any."""
    return starts(p, padded.shape[2] or x.shape[2], x.shape[3])


def input_grad_scratch(g: Value, w: Value, p: Windows) -> tuple[Spec, ...]:
    """Return the working arrays of the gradient of the input: strips, and turned weights."""
    kh, kw, channels, filters = w.shape
    shapes = (chunks_of(g.shape[0]), p.groups * p.ow, kw * channels), (kh * filters, kw * channels)
    return tuple(Spec(shape, g.dtype) for shape in shapes)


# --- by Winograd's algorithm


def tiles_of(p: Geometry, size: tuple[int, ...], weights: Shape) -> tuple[int, int] | None:
    """Return the rows and columns of tiles of 2x2, where these save a third of the multiplications at least."""
    tiles = -(-size[0] // 2), -(-size[1] // 2)
    saved = 3 * 16 * math.prod(tiles) <= 2 * 9 * math.prod(size[:2])
    return tiles if saved and p[:4] == (3, 3, 1, 1) and min(weights[2:]) >= winograd.LEAST_CHANNELS else None


def _lanes(n: int, tiles: tuple[int, int]) -> tuple[int, int, int]:
    """Return the number of chunks, of sets of working arrays, and of tiles in a block.

    A plane has room for one tile more: a power of two apart, planes would lie in the same few lines of the cache.
    """
    chunks, rows = winograd.cut(n * tiles[0], tiles[1])
    return chunks, min(chunks, get_num_threads()), rows * tiles[1] + 1


def winograd_scratch(m: int, x: Value, tiles: tuple[int, int], c: int, f: int) -> tuple[Spec, ...]:
    """Return the working arrays of a convolution of c channels by f filters, in tiles of m x m outputs."""
    _, lanes, block = _lanes(x.shape[0], tiles)
    s, strip = m + 2, (m, m * tiles[1], f)
    shapes = (9, c, f), (s * s, c * f), (lanes, s * s, block * c), (lanes, s * s, block * f)
    return tuple(Spec(shape, x.dtype) for shape in (*shapes, (lanes, *strip), (lanes, s, x.shape[2])))


def winograd_call(
    m: int, tiles: tuple[int, int], *arrays: Any, corner: Shape, adjoint: bool = False, rectified: bool = False
) -> tuple[Any, ...]:
    """Return the call on y, winners of a pooling or None, working arrays, x, w, and a bias, or one of no values.

    ``corner`` is where the first filter lies: so many pixels above and left of the image. Filters that are constant are
    transformed by the first call alone, into arrays that nothing else works in.
    """
    chunks, lanes, _ = _lanes(len(arrays[-3]), tiles)
    kernel = for_chunks(winograd.convolution(m, arrays[1] is not None), lanes)
    constant = is_constant(Tensor(arrays[-2]))
    if constant:
        arrays = (*arrays[:2], *map(np.empty_like, arrays[2:4]), *arrays[4:])
    return kernel, *arrays, rectified, *corner, tiles[0], chunks, adjoint, np.zeros(1, bool), constant


# --- the ops


def _forward_scratch(x: Value, w: Value, *bias: Value, p: Geometry, rectified: bool = False) -> tuple[Spec, ...]:
    tiles = tiles_of(p, p[6:], w.shape)
    if tiles:
        return winograd_scratch(2, x, tiles, *w.shape[2:])
    return (Spec(_padded(x, Windows(*p)), x.dtype),)


def _forward(y: Array, *rest: Array, p: Geometry, rectified: bool = False) -> tuple[Any, ...]:
    tiles = tiles_of(p, p[6:], rest[-2].shape)
    if tiles:
        return winograd_call(2, tiles, y, None, *rest, corner=(p.top, p.left), rectified=rectified)
    places = _starts(rest[0], rest[1], Windows(*p))
    return for_chunks(kernels.conv2d, len(rest[0])), y, *rest, rectified, *places, Windows(*p)


def _input_grad_scratch(g: Value, w: Value, p: Geometry, size: Shape) -> tuple[Spec, ...]:
    tiles = tiles_of(p, size, w.shape)
    if tiles:
        return winograd_scratch(2, g, tiles, w.shape[3], w.shape[2])
    return input_grad_scratch(g, w, Windows(*p))


def _input_grad(dx: Array, *rest: Array, p: Geometry, size: Shape) -> tuple[Any, ...]:
    tiles = tiles_of(p, size, rest[-1].shape)
    if tiles:
        return winograd_call(
            2, tiles, dx, None, *rest, np.empty(0, dx.dtype), corner=(2 - p.top, 2 - p.left), adjoint=True
        )
    places = starts_of_strips(Windows(*p), rest[-1].shape[3])
    return for_chunks(kernels.conv2d_input_grad, len(rest[0])), dx, *rest, *places, Windows(*p)


def _weight_grad_scratch(x: Value, g: Value, p: Geometry) -> tuple[Spec, ...]:
    c, f = x.shape[3], g.shape[3]
    tiles = tiles_of(p, p[6:], (3, 3, c, f))
    if tiles:
        chunks, lanes, block = _lanes(x.shape[0], tiles)
        sums = (chunks, 9, c * f), (lanes, 16, c * f)
        shapes = *sums, (lanes, 16, block * c), (lanes, 16, block * f)
        return tuple(Spec(shape, x.dtype) for shape in shapes)
    padded = _padded(x, Windows(*p))
    return Spec(padded, x.dtype), Spec((padded[0], p.kh * p.kw * c, f), x.dtype)


def _weight_grad(dw: Array, *rest: Array, p: Geometry) -> tuple[Any, ...]:
    if tiles_of(p, p[6:], dw.shape):
        return for_chunks(winograd.weight_grad, len(rest[1])), dw.reshape(9, -1), *rest, p.top, p.left
    places = _starts(rest[0], rest[2], Windows(*p))
    return for_chunks(kernels.conv2d_weight_grad, len(rest[0])), dw.reshape(-1), *rest, *places, Windows(*p)


conv2d = Implementation(
    lambda y, *rest, p: _forward(y, *rest, np.empty(0, y.dtype), p=p), _forward_scratch, contiguous=True
)
conv2d_bias = Implementation(_forward, _forward_scratch, contiguous=True)
conv2d_input_grad = Implementation(_input_grad, _input_grad_scratch, contiguous=True)
conv2d_weight_grad = Implementation(_weight_grad, _weight_grad_scratch, contiguous=True)
