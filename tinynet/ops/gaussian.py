"""The error function, and gelu, which is made of it."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from tinynet.core.engine import Tensor, as_tensor
from tinynet.core.spec import Array
from tinynet.ops.dtypes import check_floating
from tinynet.ops.logistic import tanh
from tinynet.ops.pointwise import Elementwise, elementwise, exp, unary


def _erf_compute(x: Array) -> Array:
    from scipy.special import erf  # late: NumPy has no erf, and `import tinynet` must not load SciPy

    return erf(x)


erf: Elementwise = unary(
    "erf",
    _erf_compute,
    lambda g, out, x: g * exp(-x * x) * (2 / math.sqrt(math.pi)),
    formula="2 / sqrt(pi) times the integral of e^(-t^2) for t from 0 to x",
)


def _below(x: Array) -> Array:
    """Return the probability that a normal random number is below x."""
    return 0.5 * (1 + _erf_compute(x * math.sqrt(0.5)))


def _density(x: Any) -> Any:
    return (np.exp if isinstance(x, np.ndarray) else exp)(-0.5 * x * x) * (2 * math.pi) ** -0.5


gelu_gradient: Elementwise = elementwise(
    "gelu_gradient",
    lambda g, x: g * (_below(x) + x * _density(x)),
    lambda h, out, g, x: gelu_gradient(h, x),
    lambda h, out, g, x: h * g * (2 - x * x) * _density(x),
    formula="g (P(x) + x p(x)), with the probability P that a normal number lies below x, and its density p",
    arguments=("g", "x"),
    dtype=partial(check_floating, "gelu_gradient"),
)
_gelu: Elementwise = unary(
    "gelu",
    lambda x: x * _below(x),
    lambda g, out, x: gelu_gradient(g, x),
    formula="x times the probability that a normal number lies below x",
)


def gelu(x: Any, approximate: bool = False) -> Tensor:
    """Multiply each value by the probability that a normal random number is below it.

    Parameters
    ----------
    x : Tensor
        Floating, any shape.
    approximate : bool
        Compute 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) instead of 0.5 x (1 + erf(x / sqrt(2))).

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``.

    Raises
    ------
    DTypeError
        If ``x`` is not floating.

    References
    ----------
    Hendrycks and Gimpel, "Gaussian error linear units (GELUs)", 2016, arXiv:1606.08415, section 2.

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.ops.gelu(tn.Tensor([-1.0, 0.0, 1.0]))
    Tensor([-0.15865525,  0.        ,  0.84134475])
    """
    x = as_tensor(x)
    if approximate:
        return 0.5 * x * (1 + tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * (x * x * x))))
    y: Tensor = _gelu(x)
    return y
