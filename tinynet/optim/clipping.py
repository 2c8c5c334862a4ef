"""Clipping: gradients that are too large are scaled down before the update."""

from __future__ import annotations

import functools
import operator

import numpy as np

from tinynet.core.engine import Op, Tensor
from tinynet.core.spec import Spec
from tinynet.ops.dtypes import cast
from tinynet.ops.extremes import clip, maximum
from tinynet.ops.powers import sqrt
from tinynet.optim.optimizer import Optimizer, add_transform

sum_of_squares: Op = Op(
    "sum_of_squares",
    infer=lambda x: Spec((), np.dtype(np.float64)),
    compute=lambda x: np.sum(np.square(x, dtype=np.float64)),
    vjp=(lambda g, out, x: cast(2 * g * cast(x, "float64"), x.dtype),),
    formula="the sum of x^2, in float64",
)


def clip_by_value(gradients: list[Tensor], most: float) -> list[Tensor]:
    """Limit each number in some gradients.

    Parameters
    ----------
    gradients : list of Tensor
        One for each span of the parameters.
    most : float
        The largest absolute value.

    Returns
    -------
    list of Tensor
        Of the same shapes.
    """
    return [clip(gradient, -most, most) for gradient in gradients]


def clip_by_norm(gradients: list[Tensor], most: float) -> list[Tensor]:
    """Scale some gradients, all by one factor, so that their common norm is at most a given one.

    The factor is ``most / max(norm, most)``, which is exactly 1 if the norm is small enough. The squares are added up
    in float64, in which squares of float32 numbers cannot overflow: first within each span, then over the spans in
    order.

    Parameters
    ----------
    gradients : list of Tensor
        One for each span of the parameters.
    most : float
        The largest norm.

    Returns
    -------
    list of Tensor
        Of the same shapes.

    References
    ----------
    Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks", ICML 2013, algorithm 1.
    """
    norm = sqrt(functools.reduce(operator.add, map(sum_of_squares, gradients)))
    factor = most / maximum(norm, most)
    return [gradient * cast(factor, gradient.dtype) for gradient in gradients]


def _clip(optimizer: Optimizer, gradients: list[Tensor]) -> list[Tensor]:
    if optimizer.clip_value is not None:
        gradients = clip_by_value(gradients, optimizer.clip_value)
    return gradients if optimizer.clip_norm is None else clip_by_norm(gradients, optimizer.clip_norm)


add_transform(_clip)
