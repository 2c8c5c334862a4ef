"""Pieces of a tensor along an axis. They come from one op, so that the gradient of all of them is one pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinynet.checks import check_integers
from tinynet.core.engine import Op, Tensor, as_tensor
from tinynet.core.spec import Array, Spec, Value
from tinynet.errors import ShapeError
from tinynet.ops.arrange import concatenate
from tinynet.ops.pointwise import zeros_like
from tinynet.ops.shape import normal_axis, reshape


def _infer(x: Value, axis: int, at: tuple[int, ...]) -> tuple[Spec, ...]:
    ends = zip((0, *at), (*at, x.shape[axis]), strict=True)
    return tuple(Spec((*x.shape[:axis], end - start, *x.shape[axis + 1 :]), x.dtype) for start, end in ends)


def _compute(x: Array, axis: int, at: tuple[int, ...]) -> tuple[Array, ...]:
    return tuple(np.split(x, at, axis))


def _join(g: tuple[Tensor | None, ...], out: tuple[Tensor, ...], x: Tensor, axis: int, at: tuple[int, ...]) -> Tensor:
    return concatenate([zeros_like(y) if h is None else h for h, y in zip(g, out, strict=True)], axis)


_split: Op = Op(
    "split",
    infer=_infer,
    compute=_compute,
    vjp=(_join,),
    formula="the pieces of x between the places at, along an axis",
)


def split(x: Any, parts: int | Sequence[int], axis: int = 0) -> list[Tensor]:
    """Cut a tensor into pieces along an axis.

    Parameters
    ----------
    x : Tensor
        Any shape with at least one axis.
    parts : int or sequence of int
        Into how many pieces of one length; or the places to cut at, in ascending order.
    axis : int
        The axis to cut.

    Returns
    -------
    list of Tensor
        The pieces.

    Raises
    ------
    ShapeError
        If the axis does not exist, its length is not a multiple of the number of pieces, or a place is not on it.
    ArgumentError
        If ``parts`` is neither.

    Examples
    --------
    >>> import tinynet as tn
    >>> t = tn.Tensor([1, 2, 3, 4])
    >>> tn.ops.split(t, 2), tn.ops.split(t, [1])
    ([Tensor([1, 2]), Tensor([3, 4])], [Tensor([1]), Tensor([2, 3, 4])])
    """
    x = as_tensor(x)
    place = normal_axis("split", axis, x)
    n, given = x.shape[place], check_integers("split: parts", parts)
    if isinstance(parts, Sequence | np.ndarray):
        at = tuple(i + n if i < 0 else i for i in given)
        if list(at) != sorted(at) or any(not 0 <= i <= n for i in at):
            raise ShapeError(
                f"split: the places {given} do not fit axis {place} of x, which has shape {x.shape}; give places from "
                f"0 to {n} in ascending order"
            )
    else:
        count = given[0]
        if count < 1 or n % count:
            raise ShapeError(
                f"split: axis {place} of x, of shape {x.shape}, cannot be cut into {count} equal pieces; give a "
                f"divisor of {n}, or the places to cut at"
            )
        at = tuple(range(n // count, n, n // count)) if n else (0,) * (count - 1)
    return list(_split(x, axis=place, at=at)) if at else [x]


def unstack(x: Any, axis: int = 0) -> list[Tensor]:
    """Take a tensor apart along an axis: the inverse of `stack`.

    Parameters
    ----------
    x : Tensor
        Any shape with at least one axis.
    axis : int
        The axis that goes.

    Returns
    -------
    list of Tensor
        As many as the axis is long, each with one axis less.

    Raises
    ------
    ShapeError
        If the axis does not exist.

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.ops.unstack(tn.Tensor([[1, 2], [3, 4]]), axis=1)
    [Tensor([1, 3]), Tensor([2, 4])]
    """
    x = as_tensor(x)
    place = normal_axis("unstack", axis, x)
    shape = x.shape[:place] + x.shape[place + 1 :]
    return [reshape(piece, shape) for piece in (split(x, x.shape[place], place) if x.shape[place] else [])]
