"""Average-pooling, by the sum of each window and its adjoint, which are the derivatives of each other."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.core.engine import Op, Tensor, constant
from tinynet.core.spec import Array, Shape, Spec
from tinynet.ops.conv import Geometry, margins
from tinynet.ops.pool import _places, pool_geometry

_LONG = 1_024  # values whose sum loses a digit in float32


def _sum_pool_compute(x: Array, p: Geometry) -> Array:
    first, *rest = _places(np.pad(x, margins(x.shape, p)), p)
    y = first.astype(x.dtype if len(rest) < _LONG else np.float64)  # long sums keep their digits
    for part in rest:
        y += part
    return y.astype(x.dtype, copy=False)


def _sum_unpool_compute(g: Array, p: Geometry, size: tuple[int, int]) -> Array:
    shape = (g.shape[0], *size, g.shape[3])
    x = np.zeros([n + before + after for n, (before, after) in zip(shape, margins(shape, p), strict=True)], g.dtype)
    for part in _places(x, p):
        part += g
    return x[:, p.top : p.top + size[0], p.left : p.left + size[1]].copy()


_sum_pool: Op = Op(
    "sum_pool",
    infer=lambda x, p: Spec((x.shape[0], p.oh, p.ow, x.shape[3]), x.dtype),
    compute=_sum_pool_compute,
    vjp=(lambda g, y, x, p: _sum_unpool(g, p=p, size=x.shape[1:3]),),
    formula="y[n, i, j, c] = sum_{a, b} x[n, i SH + a - TOP, j SW + b - LEFT, c]",
)
_sum_unpool: Op = Op(
    "sum_unpool",
    infer=lambda g, p, size: Spec((g.shape[0], *size, g.shape[3]), g.dtype),
    compute=_sum_unpool_compute,
    vjp=(lambda h, x, g, p, size: _sum_pool(h, p=p),),
    formula="x[n, i SH + a - TOP, j SW + b - LEFT, c] += g[n, i, j, c], for all a, b",
)


def _pixels(n: int, k: int, s: int, before: int, count: int) -> Array:
    """Return the number of pixels of an axis of length n that each window sees."""
    starts = np.arange(count) * s - before
    return np.minimum(starts + k, n) - np.maximum(starts, 0)


def _areas(shape: Shape, p: Geometry) -> Array:
    rows, columns = _pixels(shape[1], p.kh, p.sh, p.top, p.oh), _pixels(shape[2], p.kw, p.sw, p.left, p.ow)
    return rows[:, None, None] * columns[:, None]


def avg_pool(
    x: Any, pool_size: int | tuple[int, int], stride: int | tuple[int, int] | None = None, padding: str = "valid"
) -> Tensor:
    """Take the mean of each window.

    Parameters
    ----------
    x : Tensor
        Floating, (N, H, W, C).
    pool_size : int or (int, int)
        The height and width of the windows.
    stride : int or (int, int), optional
        The step between windows; the window itself by default. Windows may overlap.
    padding : {"valid", "same"}
        Only windows inside the image; or also windows over its edge, so that the output has ceil(H / SH) x ceil(W / SW)
        pixels, each the mean of the pixels of the image in its window.

    Returns
    -------
    Tensor
        (N, OH, OW, C).

    Raises
    ------
    ShapeError
        If the rank is not 4, or the window is larger than the image.
    ArgumentError
        If a size is not 1 or more, or the padding is not one of the above.
    DTypeError
        If ``x`` is not floating.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> x = tn.Tensor(np.arange(16.0).reshape(1, 4, 4, 1))
    >>> tn.ops.avg_pool(x, 2).reshape(2, 2)
    Tensor([[ 2.5,  4.5],
            [10.5, 12.5]])
    """
    x, p = pool_geometry("avg_pool", x, pool_size, stride, padding)
    return _sum_pool(x, p=p) / constant(_areas(x.shape, p).astype(x.dtype))
