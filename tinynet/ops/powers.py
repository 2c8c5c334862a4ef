"""Powers, roots and logarithms."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from tinynet.core.engine import Tensor, as_tensor
from tinynet.ops.compare import where
from tinynet.ops.dtypes import check_floating
from tinynet.ops.pointwise import Elementwise, elementwise, multiply, unary

log: Elementwise = unary("log", np.log, lambda g, out, x: g / x, formula="the natural logarithm of x")
sqrt: Elementwise = unary(
    "sqrt", np.sqrt, lambda g, out, x: g / (2 * out), formula="the square root of x; NaN where x < 0"
)
expm1: Elementwise = unary(
    "expm1", np.expm1, lambda g, out, x: g * (out + 1), formula="e^x - 1, exact in all digits if x is near 0"
)
# At x = 0, the factors x**(y - 1) and log(x) may be infinite. If the other factor is zero, the product must be zero.
_power: Elementwise = elementwise(
    "power",
    np.power,
    lambda g, out, x, y: g * y * x ** where(x == 0, where(y == 0, 1.0, y - 1), y - 1),
    lambda g, out, x, y: g * out * log(where(x == 0, where(y < 0, x, 1.0), x)),
    formula="x^y",
    dtype=partial(check_floating, "power"),
)


def power(x: Any, y: Any) -> Tensor:
    """Raise to a power: ``x ** y``.

    Parameters
    ----------
    x : Tensor or scalar
        Floating, any shape; the base.
    y : Tensor or scalar
        The exponent; broadcasts with ``x``. With the number 2, the op is ``x * x``, with its speed, bits and gradient.

    Returns
    -------
    Tensor
        Of the common shape and dtype; NaN where ``x < 0`` and ``y`` is not whole.

    Raises
    ------
    DTypeError
        If the dtype that the two have in common is not floating.
    ShapeError
        If the shapes do not broadcast.

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.Tensor([1.0, 2.0, 3.0]) ** 2
    Tensor([1., 4., 9.])
    """
    if isinstance(y, int | float | np.number) and y == 2 and not isinstance(x, int | float | np.generic):
        x = as_tensor(x)
        if x.dtype.kind == "f":
            check_floating("power", x.dtype)
            return multiply(x, x)
    return _power(x, y)
