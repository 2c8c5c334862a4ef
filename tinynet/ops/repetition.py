"""Repetition of elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinynet.checks import check_integers
from tinynet.core.engine import Tensor, as_tensor
from tinynet.errors import ArgumentError, ShapeError
from tinynet.ops.arrange import transpose
from tinynet.ops.reduce import broadcast_to
from tinynet.ops.shape import normal_axis, reshape
from tinynet.ops.slices import getitem


def repeat(x: Any, repeats: int | Sequence[int], axis: int | None = None) -> Tensor:
    """Repeat each element along an axis.

    Parameters
    ----------
    x : Tensor
        Any shape.
    repeats : int or sequence of int
        How many times; one number for all elements, or one for each place along the axis.
    axis : int, optional
        The axis to repeat along; by default all values in row order, as one axis.

    Returns
    -------
    Tensor
        Longer along the axis. The gradient of an element is the sum of those of its copies.

    Raises
    ------
    ShapeError
        If the axis does not exist, or there are not as many numbers as places along it.
    ArgumentError
        If a number is negative or no integer.

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.ops.repeat(tn.Tensor([1, 2]), 3), tn.ops.repeat(tn.Tensor([1, 2]), [1, 2])
    (Tensor([1, 1, 1, 2, 2, 2]), Tensor([1, 2, 2]))
    """
    x = as_tensor(x)
    if axis is None:
        x, axis = reshape(x, (x.size,)), 0
    place, counts = normal_axis("repeat", axis, x), check_integers("repeat: repeats", repeats)
    if min(counts, default=0) < 0:
        raise ArgumentError(f"repeat: repeats must be 0 or more, but {repeats} came")
    n = x.shape[place]
    if len(counts) == 1:
        shape, count = x.shape, counts[0]
        wide = reshape(x, (*shape[: place + 1], 1, *shape[place + 1 :]))
        wide = broadcast_to(wide, (*shape[: place + 1], count, *shape[place + 1 :]))
        return reshape(wide, (*shape[:place], n * count, *shape[place + 1 :]))
    if len(counts) != n:
        raise ShapeError(f"repeat: {len(counts)} repeats came for the {n} places of axis {place} of shape {x.shape}")
    order = [place, *(a for a in range(x.ndim) if a != place)]
    repeated = getitem(transpose(x, order), np.repeat(np.arange(n), counts))
    return transpose(repeated, [order.index(a) for a in range(x.ndim)])
