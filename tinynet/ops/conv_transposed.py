"""Transposed convolution: the gradient of a convolution with respect to its images, used as a forward."""

from __future__ import annotations

from typing import Any

from tinynet.core.engine import Tensor
from tinynet.errors import ShapeError
from tinynet.ops.conv import _conv2d_input_grad, check_padding, geometry, pair
from tinynet.ops.dtypes import check_floating, promote


def conv2d_transpose(x: Any, w: Any, stride: int | tuple[int, int] = 1, padding: str = "valid") -> Tensor:
    """Spread each pixel over a window: the adjoint of `conv2d` with the same weights, stride and padding.

    Parameters
    ----------
    x : Tensor
        Floating, (N, H, W, C).
    w : Tensor
        Floating, (KH, KW, F, C).
    stride : int or (int, int)
        The step between windows, down and across.
    padding : {"valid", "same"}
        All pixels that the windows reach: (H - 1) SH + KH rows, or H SH if that is more; or H SH rows, from which a
        convolution with padding "same" makes H.

    Returns
    -------
    Tensor
        (N, OH, OW, F).

    Raises
    ------
    ShapeError
        If a rank is not 4, or the channels differ.
    ArgumentError
        If stride or padding is not one of the above.
    DTypeError
        If an argument is not floating.

    References
    ----------
    Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016, arXiv:1603.07285, chapter 4.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> x, w = tn.Tensor([[[[1.0], [2.0]]]]), tn.Tensor(np.ones((1, 2, 1, 1)))
    >>> tn.ops.conv2d_transpose(x, w).reshape(3)
    Tensor([1., 3., 2.])
    """
    x, w = promote(x, w)
    check_floating("conv2d_transpose", x.dtype)
    check_padding("conv2d_transpose", padding)
    if x.ndim != 4 or w.ndim != 4:
        raise ShapeError(
            f"conv2d_transpose: x must have the axes (N, H, W, C) and w (KH, KW, F, C), but x has shape {x.shape} and "
            f"w {w.shape}"
        )
    if x.shape[3] != w.shape[3]:
        raise ShapeError(
            f"conv2d_transpose: x has {x.shape[3]} channels (axis 3 of shape {x.shape}), but w takes {w.shape[3]} "
            f"(axis 3 of shape {w.shape}); the two must be equal"
        )
    if 0 in (*x.shape[1:], *w.shape):
        raise ShapeError(f"conv2d_transpose: no axis but N may be empty, but x has shape {x.shape} and w {w.shape}")
    window, step = (w.shape[0], w.shape[1]), pair("conv2d_transpose", "stride", stride)
    beyond = [0 if padding == "same" else max(k - s, 0) for k, s in zip(window, step, strict=True)]
    height, width = (n * s + more for n, s, more in zip(x.shape[1:3], step, beyond, strict=True))
    p = geometry("conv2d_transpose", (x.shape[0], height, width, w.shape[2]), window, step, padding)
    return _conv2d_input_grad(x, w, p=p, size=(height, width))
