"""Variance and standard deviation."""

from __future__ import annotations

import math
from typing import Any

from tinynet.core.engine import Tensor, as_tensor
from tinynet.errors import ShapeError
from tinynet.ops.powers import sqrt
from tinynet.ops.reduce import Axis, mean
from tinynet.ops.shape import normal_axes


def var(x: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Mean square of the distance from the mean, over some axes: the biased variance, as in NumPy.

    Parameters
    ----------
    x : Tensor
        Floating, any shape with at least one value along the axes.
    axis : int or sequence of int, optional
        The axes to reduce; all by default.
    keepdims : bool
        Keep those axes, with length 1.

    Returns
    -------
    Tensor
        The variances, in the dtype of ``x``.

    Raises
    ------
    ShapeError
        If an axis does not exist, or has no values.

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.ops.var(tn.Tensor([1.0, 2.0, 3.0, 6.0]))
    Tensor(3.5)
    """
    return _var("var", as_tensor(x), axis, keepdims)


def std(x: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Root of the variance over some axes. If all values are equal, it is 0, and has no finite derivative.

    Parameters
    ----------
    x : Tensor
        Floating, any shape with at least one value along the axes.
    axis : int or sequence of int, optional
        The axes to reduce; all by default.
    keepdims : bool
        Keep those axes, with length 1.

    Returns
    -------
    Tensor
        The standard deviations, in the dtype of ``x``.

    Raises
    ------
    ShapeError
        If an axis does not exist, or has no values.

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.ops.std(tn.Tensor([1.0, 1.0, 5.0, 5.0]))
    Tensor(2.)
    """
    return sqrt(_var("std", as_tensor(x), axis, keepdims))


def _var(name: str, x: Tensor, axis: Axis, keepdims: bool) -> Tensor:
    if math.prod(x.shape[a] for a in normal_axes(name, axis, x)) == 0:
        raise ShapeError(f"{name}: x of shape {x.shape} has no values along axis {axis}; a variance needs at least one")
    away = x - mean(x, axis, keepdims=True)
    return mean(away * away, axis, keepdims)
