"""The product of many values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinynet.core.engine import Tensor, as_tensor
from tinynet.ops.arrange import concatenate, transpose
from tinynet.ops.dtypes import cast
from tinynet.ops.reduce import Axis, keep_axes, sum
from tinynet.ops.shape import normal_axes, reshape


def prod(x: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Product over some axes, in halves: the first half of the values times the second, until one is left.

    So the gradient needs no division, and is right even if values are 0.

    Parameters
    ----------
    x : Tensor
        Any shape; integers and bools are multiplied as int64.
    axis : int or sequence of int, optional
        The axes to multiply over; all by default.
    keepdims : bool
        Keep those axes, with length 1.

    Returns
    -------
    Tensor
        The products, in the dtype of ``x``; 1 if there are no values.

    Raises
    ------
    ShapeError
        If an axis does not exist.

    Examples
    --------
    >>> import tinynet as tn
    >>> t = tn.Tensor([2.0, 0.0, 3.0], requires_grad=True)
    >>> t.prod(), tn.grad(t.prod(), [t])
    (Tensor(0., requires_grad=True), [Tensor([0., 6., 0.])])
    """
    x = as_tensor(x)
    axes = normal_axes("prod", axis, x)
    kept = tuple(a for a in range(x.ndim) if a not in axes)
    shape = tuple(x.shape[a] for a in kept)
    numbers = x if x.dtype.kind == "f" else cast(x, np.int64)
    rows = reshape(transpose(numbers, axes + kept), (math.prod(x.shape[a] for a in axes), *shape))
    if not len(rows):
        rows = sum(rows, 0, keepdims=True) + 1  # an empty sum, which has the history of x
    while len(rows) > 1:
        half = len(rows) // 2
        halves = rows[:half] * rows[half : 2 * half]
        rows = concatenate([halves, rows[2 * half :]]) if len(rows) % 2 else halves
    return reshape(rows, keep_axes(x, axes) if keepdims else shape)
