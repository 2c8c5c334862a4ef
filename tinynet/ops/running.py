"""Running sums."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.core.engine import Op, Tensor, as_tensor
from tinynet.core.spec import Array, Spec, Value
from tinynet.ops.shape import normal_axis, reshape


def _infer(x: Value, axis: int, backward: bool) -> Spec:
    return Spec(x.shape, x.dtype if x.dtype.kind == "f" else np.dtype(np.int64))


def _compute(x: Array, axis: int, backward: bool) -> Array:
    dtype = _infer(x, axis, backward).dtype
    sums = np.cumsum(np.flip(x, axis) if backward else x, axis, np.float64 if dtype.kind == "f" else dtype)
    return np.asarray(np.flip(sums, axis) if backward else sums, dtype)  # long sums keep their digits


_cumsum: Op = Op(
    "cumsum",
    infer=_infer,
    compute=_compute,
    vjp=(lambda g, out, x, axis, backward: _cumsum(g, axis=axis, backward=not backward),),
    formula="y[i] = sum of x[j] for j <= i along an axis; backward, for j >= i",
)


def cumsum(x: Any, axis: int | None = None) -> Tensor:
    """Sum the values up to each place along an axis.

    Parameters
    ----------
    x : Tensor
        Any shape; integers and bools are summed as int64.
    axis : int, optional
        The axis to sum along; by default all values in row order, as one axis.

    Returns
    -------
    Tensor
        Of the shape of ``x``, or of one axis.

    Raises
    ------
    ShapeError
        If the axis does not exist.

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.ops.cumsum(tn.Tensor([1, 2, 3]))
    Tensor([1, 3, 6])
    """
    x = as_tensor(x)
    if axis is None:
        x, axis = reshape(x, (x.size,)), 0
    return _cumsum(x, axis=normal_axis("cumsum", axis, x), backward=False)
