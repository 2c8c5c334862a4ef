"""Initial values of parameters: functions of a shape and a random generator."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from tinynet.checks import find_function

Array = npt.NDArray[Any]
Initializer = Callable[[tuple[int, ...], np.random.Generator], npt.ArrayLike]


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the fan-in and the fan-out of a shape (..., IN, OUT); leading axes count in both."""
    taps = math.prod(shape[:-2])
    return (shape[-2] if len(shape) > 1 else 1) * taps, shape[-1] * taps


def glorot_uniform(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Draw uniformly from +-sqrt(6 / (fan_in + fan_out)), so that variances neither grow nor shrink between layers.

    Parameters
    ----------
    shape : tuple of int
        (..., IN, OUT); leading axes are taps of a convolution, which count in both fans.
    rng : numpy.random.Generator
        The random generator.

    Returns
    -------
    ndarray
        Of that shape, in float64.

    References
    ----------
    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010,
    eq. 16.

    Examples
    --------
    >>> import numpy as np
    >>> bool(np.abs(glorot_uniform((2, 1), np.random.default_rng(0))).max() <= 2**0.5)
    True
    """
    limit = math.sqrt(6 / sum(fans(shape)))
    return rng.uniform(-limit, limit, shape)


def zeros(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Return zeros.

    Parameters
    ----------
    shape : tuple of int
        The shape.
    rng : numpy.random.Generator
        Not used.

    Returns
    -------
    ndarray
        Of that shape, in float64.
    """
    return np.zeros(shape)


initializers: dict[str, Initializer] = {"glorot_uniform": glorot_uniform, "zeros": zeros}  # by name


def initializer(owner: str, init: str | Initializer) -> Initializer:
    """Find an initializer by name, or return a function as it is.

    Parameters
    ----------
    owner : str
        The caller, for the error.
    init : str or callable
        A name, such as "glorot_uniform" or "zeros", or a function of a shape and a generator.

    Returns
    -------
    callable
        The function.

    Raises
    ------
    ArgumentError
        If there is no such initializer.
    """
    return find_function(f"{owner}: an initializer must be", initializers, init, "(shape, rng)")
