"""Comparisons, logical ops on their results, and the choice between values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinynet.core.engine import Op, Tensor, as_tensor
from tinynet.errors import DTypeError
from tinynet.ops.dtypes import promote
from tinynet.ops.pointwise import Elementwise, elementwise


def _comparison(name: str, compute: Callable[..., Any], sign: str) -> Elementwise:
    """Declare a comparison: its result is a bool tensor, which has no derivative."""
    return elementwise(name, compute, None, None, formula=f"x {sign} y", dtype=lambda _: np.bool_)


def _logical(name: str, compute: Callable[..., Any], formula: str, arguments: tuple[str, ...]) -> Elementwise:
    """Declare an op on bool tensors."""

    def dtype(given: np.dtype[Any]) -> np.dtype[Any]:
        if given != np.bool_:
            raise DTypeError(f"{name}: takes bool tensors, but got {given}; compare first, as in x > 0")
        return given

    rules = (None,) * len(arguments)
    return elementwise(name, compute, *rules, formula=formula, arguments=arguments, dtype=dtype)


less = _comparison("less", np.less, "<")
less_equal = _comparison("less_equal", np.less_equal, "<=")
greater = _comparison("greater", np.greater, ">")
greater_equal = _comparison("greater_equal", np.greater_equal, ">=")
equal = _comparison("equal", np.equal, "=")
not_equal = _comparison("not_equal", np.not_equal, "!=")

logical_and = _logical("logical_and", np.logical_and, "x and y", ("x", "y"))
logical_or = _logical("logical_or", np.logical_or, "x or y", ("x", "y"))
logical_not = _logical("logical_not", np.logical_not, "not x", ("x",))


_where: Elementwise = elementwise(
    "where",
    np.where,
    None,
    lambda g, out, condition, x, y: where(condition, g, 0.0),
    lambda g, out, condition, x, y: where(condition, 0.0, g),
    formula="x where condition, else y",
    arguments=("condition", "x", "y"),
)


def where(condition: Any, x: Any, y: Any) -> Tensor:
    """Take ``x`` where a condition holds, otherwise ``y``.

    A value that is not taken has no effect, even if it is NaN. Its gradient is 0. But this 0 is multiplied by the
    derivatives of the ops that made the value: if one is infinite, as that of ``x ** 0.5`` at 0, the product is NaN. In
    this case, choose the argument of the op first, as in the second example.

    Parameters
    ----------
    condition : Tensor
        Of dtype bool.
    x, y : Tensor or scalar
        Broadcast with the condition and each other.

    Returns
    -------
    Tensor
        Of the common shape and the dtype of ``x`` and ``y``.

    Raises
    ------
    DTypeError
        If the condition is not bool.
    ShapeError
        If the shapes do not broadcast.

    Examples
    --------
    >>> import tinynet as tn
    >>> t = tn.Tensor([-1.0, 2.0])
    >>> tn.ops.where(t > 0, t, 0.0)
    Tensor([0., 2.])
    >>> x = tn.Tensor([0.0, 4.0], requires_grad=True)
    >>> root = tn.ops.where(x > 0, tn.ops.where(x > 0, x, 1.0) ** 0.5, 0.0)
    >>> tn.grad(root.sum(), [x])
    [Tensor([0.  , 0.25])]
    """
    condition = as_tensor(condition)
    if condition.dtype != np.bool_:
        raise DTypeError(f"where: the condition must be of dtype bool, but got {condition.dtype}; compare, as in x > 0")
    return Op.__call__(_where, condition, *promote(x, y))
