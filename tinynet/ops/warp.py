"""Images moved, mirrored and turned: each pixel of the new image is taken from a place in the old one.

A map has the rows (a, b, t) and (d, e, u): pixel (i, j) has the value of the old image at
(a i + b j + t, d i + e j + u). Between pixels, this is a weighted mean of the four pixels around. Outside of the image,
it is 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from tinynet.core.engine import Op
from tinynet.core.spec import Array, Shape, Value
from tinynet.errors import DTypeError, ShapeError


def _infer(name: str, x: Value, maps: Value) -> Value:
    if x.ndim != 4 or maps.shape != (x.shape[0], 2, 3):
        raise ShapeError(f"{name}: takes images (n, H, W, C) and maps (n, 2, 3), but got {x.shape} and {maps.shape}")
    if x.dtype != np.uint8 and x.dtype.kind != "f":
        raise DTypeError(f"{name}: the images must be floating or uint8, but have dtype {x.dtype}")
    return x


def _corners(shape: Shape, maps: Array) -> Iterator[tuple[tuple[Array, ...], Array]]:
    """Yield four times the places and the weights (n, H, W, 1), in float64, of one of the pixels around each place."""
    n, h, w, _ = shape
    i, j = np.arange(h)[:, None], np.arange(w)
    coefficients = maps.astype(np.float64)[..., None, None]
    at = [coefficients[:, k, 0] * i + coefficients[:, k, 1] * j + coefficients[:, k, 2] for k in (0, 1)]
    for a in (0, 1):
        for b in (0, 1):
            row, column = np.floor(at[0]) + a, np.floor(at[1]) + b
            weight = (1 - np.abs(at[0] - row)) * (1 - np.abs(at[1] - column))
            inside = (row >= 0) & (row < h) & (column >= 0) & (column < w)
            place = [np.where(inside, p, 0).astype(np.intp) for p in (row, column)]
            samples: Array = np.arange(n)[:, None, None]
            yield (samples, *place), np.where(inside, weight, 0)[..., None]


def _warp(x: Array, maps: Array) -> Array:
    y = np.zeros(x.shape)
    for place, weight in _corners(x.shape, maps):
        y += np.where(weight == 0, 0, weight * x[place])
    return np.floor(y + 0.5).astype(np.uint8) if x.dtype == np.uint8 else y.astype(x.dtype)


def _unwarp(g: Array, maps: Array) -> Array:
    x = np.zeros(g.shape)
    for place, weight in _corners(g.shape, maps):
        np.add.at(x, place, np.where(weight == 0, 0, weight * g))
    return x.astype(g.dtype)


warp: Op = Op(
    "warp",
    infer=partial(_infer, "warp"),
    compute=_warp,
    vjp=(lambda g, y, x, maps: unwarp(g, maps), None),
    formula="y[n, i, j] = x[n] at the place (a i + b j + t, d i + e j + u), bilinear between pixels, 0 outside",
)
unwarp: Op = Op(
    "unwarp",
    infer=partial(_infer, "unwarp"),
    compute=_unwarp,
    vjp=(lambda g, y, x, maps: warp(g, maps), None),
    formula="the adjoint of warp: each pixel is added, with its weights, to the pixels from which warp makes it",
)
