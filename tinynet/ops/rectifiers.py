"""Relatives of relu that do not cut negative values to 0."""

from __future__ import annotations

from typing import Any

from tinynet.core.engine import Tensor, as_tensor, filled
from tinynet.core.spec import Spec
from tinynet.ops.compare import where
from tinynet.ops.dtypes import check_floating
from tinynet.ops.extremes import minimum
from tinynet.ops.pointwise import relu
from tinynet.ops.powers import expm1


def leaky_relu(x: Any, negative_slope: float = 0.2) -> Tensor:
    """Return x if x > 0, otherwise a fraction of it.

    Parameters
    ----------
    x : Tensor
        Floating, any shape.
    negative_slope : float
        That fraction, which is also the derivative at 0.

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
    Maas, Hannun and Ng, "Rectifier nonlinearities improve neural network acoustic models", ICML 2013, section 2.

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.ops.leaky_relu(tn.Tensor([-1.0, 2.0]), 0.1)
    Tensor([-0.1,  2. ])
    """
    x = as_tensor(x)
    check_floating("leaky_relu", x.dtype)
    return x * where(x > 0, filled(Spec((), x.dtype), 1), negative_slope)  # so that the gradient is one product


def elu(x: Any, alpha: float = 1.0) -> Tensor:
    """Return x if x > 0, otherwise alpha (e^x - 1).

    Parameters
    ----------
    x : Tensor
        Floating, any shape.
    alpha : float
        Large negative values tend to -alpha. It is also the derivative at 0.

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
    Clevert, Unterthiner and Hochreiter, "Fast and accurate deep network learning by exponential linear units (ELUs)",
    ICLR 2016, eq. 15.

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.ops.elu(tn.Tensor([-1.0, 2.0]))
    Tensor([-0.63212056,  2.        ])
    """
    x = as_tensor(x)
    check_floating("elu", x.dtype)
    return relu(x) + alpha * expm1(minimum(x, 0.0))  # expm1 of a large x would be infinite
