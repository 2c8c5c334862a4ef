"""The logistic function and related ones."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from tinynet.core.engine import Tensor, as_tensor
from tinynet.core.spec import Array
from tinynet.ops.compare import where
from tinynet.ops.dtypes import check_floating
from tinynet.ops.extremes import maximum
from tinynet.ops.pointwise import Elementwise, elementwise, unary


def _weight(x: Tensor, y: Tensor) -> Tensor:
    """Return e^x / (e^x + e^y), and 0 if x and y are both -inf."""
    return sigmoid(where(maximum(x, y) == -np.inf, -np.inf, x - y))


logaddexp: Elementwise = elementwise(
    "logaddexp",
    np.logaddexp,
    lambda g, out, x, y: g * _weight(x, y),
    lambda g, out, x, y: g * _weight(y, x),
    formula="log(e^x + e^y), without overflow",
    dtype=partial(check_floating, "logaddexp"),
)
tanh: Elementwise = unary("tanh", np.tanh, lambda g, out, x: g * (1 - out * out), formula="(e^x - e^-x) / (e^x + e^-x)")


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))  # if exp overflows to infinity, the reciprocal is 0, as it should be


def _softplus(x: Array) -> Array:
    """Return logaddexp(0, x), several times as fast as NumPy does, which does not vectorise it."""
    return np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0)


sigmoid: Elementwise = unary("sigmoid", _sigmoid, lambda g, out, x: g * out * (1 - out), formula="1 / (1 + e^-x)")
softplus: Elementwise = unary(
    "softplus", _softplus, lambda g, out, x: g * sigmoid(x), formula="log(1 + e^x), without overflow"
)


def silu(x: Any) -> Tensor:
    """Multiply each value by its sigmoid: x / (1 + e^-x), also called swish.

    Parameters
    ----------
    x : Tensor
        Floating, any shape.

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
    Elfwing, Uchibe and Doya, "Sigmoid-weighted linear units for neural network function approximation in reinforcement
    learning", Neural Networks 107, 2018, eq. 1.

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.ops.silu(tn.Tensor([-1.0, 0.0, 1.0]))
    Tensor([-0.26894142,  0.        ,  0.73105858])
    """
    x = as_tensor(x)
    return x * sigmoid(x)
