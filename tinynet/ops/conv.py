"""Convolution and its two gradients. The gradients of each are made of the other two, so the set is closed.

Axes: images have N, H, W, C, and weights KH, KW, C, F. As in every framework, the weights are not flipped.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tinynet.core.engine import Op, Tensor
from tinynet.core.spec import Array, Shape, Spec, Value
from tinynet.errors import ArgumentError, ShapeError
from tinynet.ops.dtypes import check_floating, promote


class Geometry(NamedTuple):
    """The positions of windows on images: taps, strides, padding before, and the size of the output."""

    kh: int
    kw: int
    sh: int
    sw: int
    top: int
    left: int
    oh: int
    ow: int


def pair(name: str, argument: str, value: int | Sequence[int]) -> tuple[int, int]:
    """Convert a size, one integer or two, to two integers of 1 or more."""
    try:
        two = (value, value) if not isinstance(value, Sequence) else tuple(value)
        h, w = (operator.index(v) for v in two)
    except (TypeError, ValueError):
        raise ArgumentError(f"{name}: {argument} must be an integer or a pair of integers, but got {value!r}") from None
    if h < 1 or w < 1:
        raise ArgumentError(f"{name}: {argument} must be 1 or more, but got {value!r}")
    return h, w


def check_padding(name: str, padding: str) -> str:
    """Check that a padding is "valid" or "same"; returns it."""
    if padding not in ("valid", "same"):
        raise ArgumentError(f'{name}: padding must be "valid" or "same", but got {padding!r}')
    return padding


def check_images(owner: str, input_shape: Shape) -> None:
    """Check that samples are images, (H, W, C)."""
    if len(input_shape) != 3:
        raise ShapeError(f"{owner} takes images with the axes (n, H, W, C), not {len(input_shape) + 1} axes")


def geometry(name: str, shape: Shape, window: tuple[int, int], stride: tuple[int, int], padding: str) -> Geometry:
    """Compute the positions of windows on images of a shape; "same" pads as TensorFlow does, an odd pixel after."""
    check_padding(name, padding)
    for axis, k in zip((1, 2), window, strict=True):
        if padding == "valid" and k > shape[axis]:
            raise ShapeError(
                f"{name}: the window {window} is larger than the image along axis {axis}: x has shape {shape}; use a "
                'smaller window, or padding="same"'
            )
    top, oh = _along(shape[1], window[0], stride[0], padding)
    left, ow = _along(shape[2], window[1], stride[1], padding)
    return Geometry(*window, *stride, top, left, oh, ow)


def _along(n: int, k: int, s: int, padding: str) -> tuple[int, int]:
    """Return the zeros before an axis of length n, and the number of windows of length k and stride s along it."""
    if padding == "valid":
        return 0, (n - k) // s + 1
    count = -(-n // s)  # rounded up
    return max(0, (count - 1) * s + k - n) // 2, count


def margins(shape: Shape, p: Geometry) -> list[tuple[int, int]]:
    """Return the pixels that windows see outside of images of a shape: before and after each axis."""
    bottom = max(0, (p.oh - 1) * p.sh + p.kh - shape[1] - p.top)
    right = max(0, (p.ow - 1) * p.sw + p.kw - shape[2] - p.left)
    return [(0, 0), (p.top, bottom), (p.left, right), (0, 0)]


def windows(x: Array, p: Geometry) -> Array:
    """Return the values in each window, a view (N, OH, OW, C, KH, KW) of padded images (N, H, W, C)."""
    padded = np.pad(x, margins(x.shape, p))
    return sliding_window_view(padded, (p.kh, p.kw), axis=(1, 2))[:, :: p.sh, :: p.sw][:, : p.oh, : p.ow]


def _conv2d_compute(x: Array, w: Array, p: Geometry) -> Array:
    return np.einsum("nijcab,abcf->nijf", windows(x, p), w, optimize=True)


def _input_grad_compute(g: Array, w: Array, p: Geometry, size: tuple[int, int]) -> Array:
    """Add, tap by tap, the cotangent of each output pixel to the input pixel under the tap."""
    height, width = (p.oh - 1) * p.sh + p.kh, (p.ow - 1) * p.sw + p.kw
    h, w_in = max(height, size[0] + p.top), max(width, size[1] + p.left)
    dx = np.zeros((g.shape[0], h, w_in, w.shape[2]), g.dtype)
    for a in range(p.kh):
        for b in range(p.kw):
            dx[:, a : a + p.oh * p.sh : p.sh, b : b + p.ow * p.sw : p.sw][:, : p.oh, : p.ow] += g @ w[a, b].T
    return dx[:, p.top : p.top + size[0], p.left : p.left + size[1]].copy()


def _weight_grad_compute(x: Array, g: Array, p: Geometry) -> Array:
    return np.einsum("nijcab,nijf->abcf", windows(x, p), g, optimize=True)


_conv2d: Op = Op(
    "conv2d",
    infer=lambda x, w, p: Spec((x.shape[0], p.oh, p.ow, w.shape[3]), x.dtype),
    compute=_conv2d_compute,
    vjp=(
        lambda g, y, x, w, p: _conv2d_input_grad(g, w, p=p, size=x.shape[1:3]),
        lambda g, y, x, w, p: _conv2d_weight_grad(x, g, p=p),
    ),
    formula="y[n, i, j, f] = sum_{a, b, c} x[n, i SH + a - TOP, j SW + b - LEFT, c] w[a, b, c, f]",
)


_conv2d_input_grad: Op = Op(
    "conv2d_input_grad",
    infer=lambda g, w, p, size: Spec((g.shape[0], *size, w.shape[2]), g.dtype),
    compute=_input_grad_compute,
    vjp=(
        lambda h, dx, g, w, p, size: _conv2d(h, w, p=p),
        lambda h, dx, g, w, p, size: _conv2d_weight_grad(h, g, p=p),
    ),
    formula="dx[n, i SH + a - TOP, j SW + b - LEFT, c] += sum_f g[n, i, j, f] w[a, b, c, f]",
)


def _weight_grad_infer(x: Value, g: Value, p: Geometry) -> Spec:
    return Spec((p.kh, p.kw, x.shape[3], g.shape[3]), x.dtype)


_conv2d_weight_grad: Op = Op(
    "conv2d_weight_grad",
    infer=_weight_grad_infer,
    compute=_weight_grad_compute,
    vjp=(
        lambda h, dw, x, g, p: _conv2d_input_grad(g, h, p=p, size=x.shape[1:3]),
        lambda h, dw, x, g, p: _conv2d(x, h, p=p),
    ),
    formula="dw[a, b, c, f] = sum_{n, i, j} x[n, i SH + a - TOP, j SW + b - LEFT, c] g[n, i, j, f]",
)


def conv2d(x: Any, w: Any, stride: int | tuple[int, int] = 1, padding: str = "valid") -> Tensor:
    """Convolve images with filters (cross-correlation, as in every framework).

    Parameters
    ----------
    x : Tensor
        Floating, (N, H, W, C).
    w : Tensor
        Floating, (KH, KW, C, F).
    stride : int or (int, int)
        The step between windows, down and across.
    padding : {"valid", "same"}
        Only windows inside the image; or zeros around it, so that the output has ceil(H / SH) x ceil(W / SW) pixels. An
        odd zero comes after, as in TensorFlow.

    Returns
    -------
    Tensor
        (N, OH, OW, F).

    Raises
    ------
    ShapeError
        If a rank is not 4, the channels differ, or the window is larger than the image.
    ArgumentError
        If stride or padding is not one of the above.
    DTypeError
        If an argument is not floating.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> x, w = tn.Tensor(np.ones((1, 3, 3, 1))), tn.Tensor(np.ones((2, 2, 1, 1)))
    >>> tn.ops.conv2d(x, w).reshape(2, 2)
    Tensor([[4., 4.],
            [4., 4.]])
    """
    x, w = promote(x, w)
    check_floating("conv2d", x.dtype)
    if x.ndim != 4 or w.ndim != 4:
        raise ShapeError(
            f"conv2d: x must have the axes (N, H, W, C) and w (KH, KW, C, F), but x has shape {x.shape} and w {w.shape}"
        )
    if x.shape[3] != w.shape[2]:
        raise ShapeError(
            f"conv2d: x has {x.shape[3]} channels (axis 3 of shape {x.shape}), but w takes {w.shape[2]} (axis 2 of "
            f"shape {w.shape}); the two must be equal"
        )
    if 0 in (*x.shape[1:], *w.shape):
        raise ShapeError(f"conv2d: no axis but N may be empty, but x has shape {x.shape} and w {w.shape}")
    window = (w.shape[0], w.shape[1])
    p = geometry("conv2d", x.shape, window, pair("conv2d", "stride", stride), padding)
    return _conv2d(x, w, p=p)
