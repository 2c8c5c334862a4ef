"""Random numbers within a step of training: pure functions of a key, without a state.

The key has the seed, the number of the step, of the layer, of the draw in it, and of the micro-batch. Philox encrypts a
counter with it; its output cannot be distinguished from random numbers. Eager and compiled steps draw the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tinynet.checks import check_integers
from tinynet.core.engine import Op, Tensor
from tinynet.core.spec import Array, Shape, Spec
from tinynet.core.transaction import train_transaction
from tinynet.errors import ArgumentError, DTypeError
from tinynet.ops.compare import less
from tinynet.ops.dtypes import check_floating
from tinynet.ops.keys import next_key
from tinynet.ops.philox import words


def _fractions(key: Array, shape: Shape, dtype: Any) -> Array:
    """Return multiples of 2^-24 in float32, of 2^-53 in float64, from 0 to below 1."""
    size = math.prod(shape)
    if np.dtype(dtype) == np.float32:
        return ((words(key, size) >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)).reshape(shape)
    high, low = words(key, 2 * size).reshape(-1, 2).T.astype(np.float64)
    return ((np.floor(high / 2**5) * 2**26 + np.floor(low / 2**6)) / 2.0**53).reshape(shape)


def _gaussian(key: Array, shape: Shape, dtype: Any) -> Array:
    """Return normal numbers, two from each pair of fractions, by Box and Muller."""
    pairs = _fractions(key, (2, -(-math.prod(shape) // 2)), dtype)
    radius, angle = np.sqrt(-2 * np.log(1 - pairs[0])), (2 * np.pi * pairs[1]).astype(dtype)
    both = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])
    return both[: math.prod(shape)].reshape(shape).astype(dtype)


random_uniform: Op = Op(
    "random_uniform",
    infer=lambda key, shape, dtype: Spec(shape, np.dtype(dtype)),
    compute=_fractions,
    vjp=(None,),
    constant=frozenset({0}),
    formula="random numbers from 0 to below 1",
    source="Salmon et al., SC 2011 (Philox4x32-10)",
)
random_normal: Op = Op(
    "random_normal",
    infer=lambda key, shape, dtype: Spec(shape, np.dtype(dtype)),
    compute=_gaussian,
    vjp=(None,),
    constant=frozenset({0}),
    formula="random numbers of mean 0 and variance 1",
    source="Box and Muller, Annals of Mathematical Statistics 29, 1958",
)


def _draw(op: Op, name: str, shape: Sequence[int], dtype: npt.DTypeLike) -> Tensor:
    step = train_transaction(f"random.{name}")
    lengths = check_integers(f"random.{name}: shape", shape)
    if min(lengths, default=0) < 0 or math.prod(lengths) >= 2**32:
        raise ArgumentError(f"random.{name}: shape must have fewer than 2^32 values, and no length below 0: {lengths}")
    try:
        wanted = np.dtype(dtype)
    except TypeError:
        raise DTypeError(f"random.{name}: dtype must be float32 or float64, but got {dtype!r}") from None
    found = check_floating(f"random.{name}", wanted)
    made: Tensor = op(next_key(step), shape=lengths, dtype=found)
    return made


def _not_finite(value: Any) -> bool:
    return isinstance(value, bool) or not isinstance(value, int | float | np.number) or not math.isfinite(value)


def _check_numbers(name: str, **given: Any) -> None:
    """Check that arguments are finite numbers."""
    for argument, value in given.items():
        if _not_finite(value):
            raise ArgumentError(f"random.{name}: {argument} must be a finite number, but got {value!r}")


def uniform(shape: Sequence[int], low: float = 0.0, high: float = 1.0, dtype: npt.DTypeLike = "float32") -> Tensor:
    """Draw from the uniform distribution, within a step of training.

    Parameters
    ----------
    shape : sequence of int
        The shape of the result; fewer than 2^32 values.
    low, high : float
        The numbers are from ``low`` to below ``high`` (or equal to it, by rounding).
    dtype : {"float32", "float64"}
        The dtype of the result.

    Returns
    -------
    Tensor
        Without a gradient.

    Raises
    ------
    ArgumentError, DTypeError
        Outside of a step of training, see `tinynet.train_mode`, or if an argument is not one of the above.

    Examples
    --------
    >>> import tinynet as tn
    >>> with tn.train_mode(seed=0):
    ...     x = tn.random.uniform((1000,))
    >>> bool(x.data.min() >= 0), bool(x.data.max() < 1), abs(float(x.data.mean()) - 0.5) < 0.05
    (True, True, True)
    """
    _check_numbers("uniform", low=low, high=high)
    if low > high:
        raise ArgumentError(f"random.uniform: low must not be above high, but got {low!r} and {high!r}")
    fractions = _draw(random_uniform, "uniform", shape, dtype)
    return fractions if (low, high) == (0, 1) else fractions * (high - low) + low


def normal(shape: Sequence[int], mean: float = 0.0, stddev: float = 1.0, dtype: npt.DTypeLike = "float32") -> Tensor:
    """Draw from the normal distribution, within a step of training.

    Parameters
    ----------
    shape, dtype
        As for `uniform`.
    mean, stddev : float
        The mean and the standard deviation.

    Returns
    -------
    Tensor
        Without a gradient.

    Raises
    ------
    ArgumentError, DTypeError
        As for `uniform`.

    Examples
    --------
    >>> import tinynet as tn
    >>> with tn.train_mode(seed=0):
    ...     x = tn.random.normal((10000,), stddev=2.0)
    >>> round(float(x.data.std()), 1)
    2.0
    """
    _check_numbers("normal", mean=mean, stddev=stddev)
    if stddev < 0:
        raise ArgumentError(f"random.normal: stddev must be 0 or more, but got {stddev!r}")
    numbers = _draw(random_normal, "normal", shape, dtype)
    return numbers if (mean, stddev) == (0, 1) else numbers * stddev + mean


def bernoulli(probability: float | Tensor, shape: Sequence[int]) -> Tensor:
    """Draw True with a probability and otherwise False, within a step of training.

    Parameters
    ----------
    probability : float or Tensor
        From 0 to 1; a tensor broadcasts over ``shape``.
    shape : sequence of int
        The shape of the result; fewer than 2^32 values.

    Returns
    -------
    Tensor
        Of dtype bool.

    Raises
    ------
    ArgumentError
        Outside of a step of training, or if an argument is not one of the above.

    Examples
    --------
    >>> import tinynet as tn
    >>> with tn.train_mode(seed=0):
    ...     kept = tn.random.bernoulli(0.25, (10000,))
    >>> round(float(kept.data.mean()), 2)
    0.25
    """
    if not isinstance(probability, Tensor) and (_not_finite(probability) or not 0 <= probability <= 1):
        raise ArgumentError(f"random.bernoulli: the probability must be from 0 to 1, but got {probability!r}")
    return less(_draw(random_uniform, "bernoulli", shape, "float32"), probability)
