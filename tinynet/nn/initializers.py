"""Further initial values, with the names that they have in Keras."""

from __future__ import annotations

import math

import numpy as np

from tinynet.core.spec import Array
from tinynet.nn.initial import fans, initializers


def truncated_normal(scale: float, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Draw from a normal distribution that is cut at two standard deviations, with a given standard deviation.

    Parameters
    ----------
    scale : float
        The standard deviation of the numbers.
    shape : tuple of int
        The shape.
    rng : numpy.random.Generator
        The random generator.

    Returns
    -------
    ndarray
        Of that shape, in float64.
    """
    values = rng.standard_normal(shape)
    while (beyond := np.abs(values) > 2).any():
        values[beyond] = rng.standard_normal(np.count_nonzero(beyond))
    return values * (scale / 0.87962566103423978)  # the standard deviation of a standard one that is cut at 2


def glorot_normal(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Draw with the variance 2 / (fan_in + fan_out), from a normal distribution without its tails.

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
    eq. 12.
    """
    return truncated_normal(math.sqrt(2 / sum(fans(shape))), shape, rng)


def he_normal(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Draw with the variance 2 / fan_in, which relu keeps, from a normal distribution without its tails.

    Parameters
    ----------
    shape : tuple of int
        (..., IN, OUT); leading axes are taps of a convolution.
    rng : numpy.random.Generator
        The random generator.

    Returns
    -------
    ndarray
        Of that shape, in float64.

    References
    ----------
    He, Zhang, Ren and Sun, "Delving deep into rectifiers", ICCV 2015, eq. 10.
    """
    return truncated_normal(math.sqrt(2 / fans(shape)[0]), shape, rng)


def he_uniform(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Draw uniformly from +-sqrt(6 / fan_in), whose variance relu keeps.

    Parameters
    ----------
    shape : tuple of int
        (..., IN, OUT); leading axes are taps of a convolution.
    rng : numpy.random.Generator
        The random generator.

    Returns
    -------
    ndarray
        Of that shape, in float64.

    References
    ----------
    He, Zhang, Ren and Sun, "Delving deep into rectifiers", ICCV 2015, eq. 10.
    """
    limit = math.sqrt(6 / fans(shape)[0])
    return rng.uniform(-limit, limit, shape)


def orthogonal(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Draw a matrix whose columns, or rows if these are fewer, are orthogonal and of length 1, all equally likely.

    Parameters
    ----------
    shape : tuple of int
        (..., OUT); all axes but the last count as one.
    rng : numpy.random.Generator
        The random generator.

    Returns
    -------
    ndarray
        Of that shape, in float64.

    References
    ----------
    Saxe, McClelland and Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear neural
    networks", ICLR 2014, section 3.
    """
    rows, columns = math.prod(shape[:-1]), shape[-1]
    q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
    q = q * np.where(np.diag(r) < 0, -1.0, 1.0)  # otherwise some matrices would be more likely than others
    return (q.T if rows < columns else q).reshape(shape)


def uniform(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Draw uniformly from +-0.05.

    Parameters
    ----------
    shape : tuple of int
        The shape.
    rng : numpy.random.Generator
        The random generator.

    Returns
    -------
    ndarray
        Of that shape, in float64.
    """
    return rng.uniform(-0.05, 0.05, shape)


for _function in (glorot_normal, he_normal, he_uniform, orthogonal, uniform):
    initializers[_function.__name__] = _function
