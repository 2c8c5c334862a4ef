"""Is it a 5? Logistic regression that tells one class from the others, by line search, on all samples in each step."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tinynet.errors import ArgumentError
from tinynet.fullbatch import Backtracking, GradientDescent
from tinynet.model import Sequential
from tinynet.nn import Dense, Flatten, Input

LOGISTIC_DIGIT, LOGISTIC_STEPS = 5, 200
_LEAST_DEVIATION = 1e-9  # of a pixel; one that varies less is left at its scale
_PIECE = 1024  # images


def standardisation(images: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Find the shift and the scale that give each pixel of a set mean 0 and standard deviation 1, for `Input`.

    Parameters
    ----------
    images : ndarray
        (n, ...): at least one; they are converted a piece at a time.

    Returns
    -------
    shift, scale : ndarray
        The mean of each pixel, and 1 / its standard deviation, or 1 where that is below 1e-9.

    Raises
    ------
    ArgumentError
        If there are no images.

    Examples
    --------
    >>> import numpy as np
    >>> standardisation(np.array([[0, 7], [4, 7]], np.uint8))
    (array([2., 7.]), array([0.5, 1. ]))
    """
    if not len(images):
        raise ArgumentError(f"standardisation: needs at least one image, but got shape {images.shape}")
    shift = images.mean(axis=0, dtype=np.float64)
    squares = np.zeros_like(shift)
    for start in range(0, len(images), _PIECE):
        squares += ((images[start : start + _PIECE] - shift) ** 2).sum(axis=0)
    deviation = np.sqrt(squares / len(images))
    return shift, 1 / np.where(deviation < _LEAST_DEVIATION, 1.0, deviation)


def logistic_model(images: npt.NDArray[np.uint8], intercept: bool = False) -> Sequential:
    """Make the binary logistic regression that tells one class from the others, on standardised pixels, in float64.

    Parameters
    ----------
    images : ndarray
        (n, H, W): the training set, whose means and standard deviations the model takes.
    intercept : bool
        Add a bias to the product of pixels and weights; the model of the course text has none.

    Returns
    -------
    Sequential
        With all parameters 0.

    Examples
    --------
    >>> import tinynet as tn
    >>> (x, y), _ = tn.datasets.mnist(source="sample")
    >>> logistic_model(x).theta.shape, logistic_model(x, intercept=True).theta.shape
    ((784,), (785,))
    """
    shift, scale = standardisation(images)
    return Sequential(
        [
            Input(images.shape[1:], shift=shift, scale=scale, name="Input"),
            Flatten(name="Flatten"),
            Dense(1, activation="sigmoid", use_bias=intercept, kernel_init="zeros", name="Output"),
        ],
        dtype="float64",
        name="logistic",
    )


def logistic_optimizer(l2: float = 0.0) -> GradientDescent:
    """Make the optimizer of the logistic regression: gradient descent with the line search of the course text.

    Parameters
    ----------
    l2 : float
        The factor of a penalty (l2 / 2) |w|^2; the model of the course text has none.

    Returns
    -------
    GradientDescent
        With alpha 0.01, beta 0.5 and a first step of 1.
    """
    return GradientDescent(Backtracking(alpha=0.01, beta=0.5, initial_step=1.0), weight_decay=l2)
