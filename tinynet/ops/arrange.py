"""Ops that move values: transpose, pad, concatenate and stack."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tinynet.checks import check_integers
from tinynet.core.engine import Op, Tensor, as_tensor, constant
from tinynet.core.spec import Spec
from tinynet.errors import ArgumentError, ShapeError
from tinynet.ops.compare import where
from tinynet.ops.dtypes import promote
from tinynet.ops.join import _concatenate
from tinynet.ops.parts import _unslice
from tinynet.ops.shape import normal_axis, reshape

_transpose: Op = Op(
    "transpose",
    infer=lambda x, axes: Spec(tuple(x.shape[a] for a in axes), x.dtype),
    compute=lambda x, axes: x.transpose(axes),
    view=True,
    vjp=(lambda g, out, x, axes: _transpose(g, axes=tuple(int(a) for a in np.argsort(axes))),),
    formula="axis i of the result is axis axes[i] of x",
)


def transpose(x: Any, axes: Sequence[int] | None = None) -> Tensor:
    """Permute the axes; without ``axes``, reverse them.

    Parameters
    ----------
    x : Tensor
        Any shape.
    axes : sequence of int, optional
        A permutation of the axes of ``x``.

    Returns
    -------
    Tensor
        Shares memory with ``x``.

    Raises
    ------
    ShapeError
        If ``axes`` is not a permutation of the axes.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.ops.transpose(tn.Tensor(np.zeros((2, 3, 4))), (0, 2, 1)).shape
    (2, 4, 3)
    """
    x = as_tensor(x)
    order = tuple(range(x.ndim))[::-1] if axes is None else check_integers("transpose: axes", axes)
    normal = tuple(a + x.ndim if a < 0 else a for a in order)
    if sorted(normal) != list(range(x.ndim)):
        raise ShapeError(f"transpose: axes {order} are not a permutation of the {x.ndim} axes of x, of shape {x.shape}")
    return _transpose(x, axes=normal)


def pad(x: Any, widths: Sequence[tuple[int, int]], value: float = 0) -> Tensor:
    """Surround with zeros, or another value.

    Parameters
    ----------
    x : Tensor
        Any shape.
    widths : sequence of (int, int)
        For each axis, the number of values to add before and after.
    value : scalar
        The value to add.

    Returns
    -------
    Tensor
        Each axis is longer by the two widths.

    Raises
    ------
    ShapeError
        If there is not one pair of widths, of 0 or more, for each axis.

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.ops.pad(tn.Tensor([1, 2]), [(1, 2)])
    Tensor([0, 1, 2, 0, 0])
    """
    x = as_tensor(x)
    given = widths if isinstance(widths, Sequence) else [widths]
    pairs = [check_integers("pad: each of the widths", pair) for pair in given]
    if len(pairs) != x.ndim or any(len(pair) != 2 or min(pair) < 0 for pair in pairs):
        raise ShapeError(
            f"pad: x has shape {x.shape}, so widths must be {x.ndim} pairs (before, after) of 0 or more, "
            f"but {pairs} came"
        )
    if not any(map(any, pairs)):
        return x
    key = tuple(slice(before, before + n) for (before, _), n in zip(pairs, x.shape, strict=True))
    shape = tuple(before + n + after for (before, after), n in zip(pairs, x.shape, strict=True))
    surrounded: Tensor = _unslice(x, key=key, shape=shape)
    if value == 0:
        return surrounded
    inside = np.zeros([n if any(pair) else 1 for n, pair in zip(shape, pairs, strict=True)], bool)
    inside[tuple(part if any(pair) else slice(None) for part, pair in zip(key, pairs, strict=True))] = True
    return where(constant(inside), surrounded, value)


def concatenate(xs: Sequence[Any], axis: int = 0) -> Tensor:
    """Join tensors along an axis.

    Parameters
    ----------
    xs : sequence of Tensor
        At least one; their shapes agree except along the axis. They are converted to one dtype, as in NumPy.
    axis : int
        The axis to join along.

    Returns
    -------
    Tensor
        Its length along the axis is the sum of all lengths.

    Raises
    ------
    ArgumentError, ShapeError
        If there is nothing to join, or the shapes do not fit.

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.ops.concatenate([tn.Tensor([1, 2]), tn.Tensor([3])])
    Tensor([1, 2, 3])
    """
    tensors = _several("concatenate", xs)
    return _concatenate(*tensors, axis=normal_axis("concatenate", axis, tensors[0]))


def stack(xs: Sequence[Any], axis: int = 0) -> Tensor:
    """Join tensors along a new axis.

    Parameters
    ----------
    xs : sequence of Tensor
        At least one, all of one shape. They are converted to one dtype, as in NumPy.
    axis : int
        The place of the new axis in the result.

    Returns
    -------
    Tensor
        With one axis more, whose length is the number of tensors.

    Raises
    ------
    ArgumentError, ShapeError
        If there is nothing to join, or the shapes differ.

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.ops.stack([tn.Tensor([1, 2]), tn.Tensor([3, 4])], axis=1)
    Tensor([[1, 3],
            [2, 4]])
    """
    tensors = _several("stack", xs)
    first = tensors[0]
    for i, x in enumerate(tensors):
        if x.shape != first.shape:
            raise ShapeError(f"stack: argument {i} has shape {x.shape}, argument 0 has {first.shape}; all must agree")
    rows = [reshape(x, (1, *x.shape)) for x in tensors]
    place = normal_axis("stack", axis, rows[0])
    joined: Tensor = _concatenate(*rows, axis=0)
    order = [*range(1, place + 1), 0, *range(place + 1, joined.ndim)]
    return joined if place == 0 else transpose(joined, order)


def _several(name: str, xs: Sequence[Any]) -> tuple[Tensor, ...]:
    """Check the tensors to be joined, and convert them to one dtype."""
    if not isinstance(xs, Iterable):
        raise ArgumentError(f"{name}: takes a list of tensors, but got a {type(xs).__name__}")
    given = [as_tensor(x) for x in xs]
    if not given:
        raise ArgumentError(f"{name}: an empty list came; give at least one tensor")
    return promote(*given)
