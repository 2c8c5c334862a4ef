"""Max-pooling, unpooling and the gather of winners: the gradients of each are made of others, so the set is closed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinynet.core.engine import Op, Tensor, as_tensor
from tinynet.core.spec import Array, Spec, Value
from tinynet.errors import ShapeError
from tinynet.ops.conv import Geometry, geometry, margins, pair
from tinynet.ops.dtypes import check_floating


def _infer(x: Value, p: Geometry) -> tuple[Spec, Spec]:
    shape = (x.shape[0], p.oh, p.ow, x.shape[3])
    return Spec(shape, x.dtype), Spec(shape, np.dtype(np.uint8 if p.kh * p.kw <= 256 else np.int32))


def _places(x: Array, p: Geometry) -> Iterator[Array]:
    """Yield, for each place in a window by rows, the values of all windows there: a view (N, OH, OW, C) of images."""
    for place in range(p.kh * p.kw):
        a, b = divmod(place, p.kw)
        yield x[:, a : a + p.oh * p.sh : p.sh, b : b + p.ow * p.sw : p.sw][:, : p.oh, : p.ow]


def _max_pool_compute(x: Array, p: Geometry) -> tuple[Array, Array]:
    """Find the largest value of each window, and its first place; a NaN counts as the largest."""
    first, *rest = _places(x, p)
    best, index = first.copy(), np.zeros(first.shape, _infer(x, p)[1].dtype)
    for place, v in enumerate(rest, 1):
        wins = (v > best) | (v != v)
        best[wins], index[wins] = v[wins], place
    return best, index


def _max_unpool_compute(g: Array, index: Array, p: Geometry, size: tuple[int, int]) -> Array:
    x = np.zeros((g.shape[0], *size, g.shape[3]), g.dtype)
    for place, part in enumerate(_places(x, p)):
        part += np.where(index == place, g, g.dtype.type(0))
    return x


def _pool_gather_compute(x: Array, index: Array, p: Geometry) -> Array:
    y = np.zeros(index.shape, x.dtype)
    for place, v in enumerate(_places(x, p)):
        np.copyto(y, v, where=index == place)
    return y


_max_pool: Op = Op(
    "max_pool",
    infer=_infer,
    compute=_max_pool_compute,
    vjp=(lambda g, out, x, p: _max_unpool(g[0], out[1], p=p, size=x.shape[1:3]),),
    constant=frozenset({1}),
    formula="y[n, i, j, c] = max_{a, b} x[n, i SH + a, j SW + b, c], and the first place of it in row order",
)


_max_unpool: Op = Op(
    "max_unpool",
    infer=lambda g, index, p, size: Spec((g.shape[0], *size, g.shape[3]), g.dtype),
    compute=_max_unpool_compute,
    vjp=(lambda h, x, g, index, p, size: _pool_gather(h, index, p=p),),
    formula="x[n, i SH + a, j SW + b, c] += g[n, i, j, c], (a, b) the place that index names",
)


_pool_gather: Op = Op(
    "pool_gather",
    infer=lambda x, index, p: Spec(index.shape, x.dtype),
    compute=_pool_gather_compute,
    vjp=(lambda g, y, x, index, p: _max_unpool(g, index, p=p, size=x.shape[1:3]),),
    formula="y[n, i, j, c] = x[n, i SH + a, j SW + b, c], (a, b) the place that index names",
)


def pool_geometry(
    name: str, x: Any, pool_size: int | tuple[int, int], stride: int | tuple[int, int] | None, padding: str
) -> tuple[Tensor, Geometry]:
    """Check the arguments of a pooling; returns the images and the geometry of their windows."""
    x = as_tensor(x)
    check_floating(name, x.dtype)
    if x.ndim != 4:
        raise ShapeError(f"{name}: x must have the axes (N, H, W, C), but has shape {x.shape}")
    window = pair(name, "pool_size", pool_size)
    step = window if stride is None else pair(name, "stride", stride)
    return x, geometry(name, x.shape, window, step, padding)


def max_pool(
    x: Any, pool_size: int | tuple[int, int], stride: int | tuple[int, int] | None = None, padding: str = "valid"
) -> Tensor:
    """Take the maximum of each window. The gradient goes to the first maximum in row order; a NaN stays NaN.

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
        pixels, as in TensorFlow.

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
    >>> tn.ops.max_pool(x, 2).reshape(2, 2)
    Tensor([[ 5.,  7.],
            [13., 15.]])
    """
    x, p = pool_geometry("max_pool", x, pool_size, stride, padding)
    if padding == "same":
        x = x.pad(margins(x.shape, p), -np.inf)  # smaller than any finite value
    y: Tensor = _max_pool(x, p=p._replace(top=0, left=0))[0]
    return y
