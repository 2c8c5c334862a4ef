"""How far outputs are from numbers that are known."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.core.spec import Array
from tinynet.ops.regression import check_targets
from tinynet.train.metrics.correct import check_outputs


def mean_absolute_error(output: Any, labels: Any) -> float:
    """Return the mean of the distances |output - label|.

    Parameters
    ----------
    output : array_like
        (n, ...).
    labels : array_like
        Numbers of the same shape; (n,) fits (n, 1), and the reverse.

    Returns
    -------
    float
        0 or more; NaN if a value is NaN.

    Raises
    ------
    ShapeError
        If the shapes do not fit.
    DataError
        If there are no samples.
    DTypeError
        If something is no array of numbers.

    Examples
    --------
    >>> mean_absolute_error([[1.0], [4.0]], [1, 2])
    1.0
    """
    return float(np.mean(np.abs(_errors("mean_absolute_error", output, labels))))


def mean_squared_error(output: Any, labels: Any) -> float:
    """Return the mean of the squares of output - label.

    Parameters
    ----------
    output : array_like
        (n, ...).
    labels : array_like
        Numbers of the same shape; (n,) fits (n, 1), and the reverse.

    Returns
    -------
    float
        0 or more; NaN if a value is NaN.

    Raises
    ------
    ShapeError
        If the shapes do not fit.
    DataError
        If there are no samples.
    DTypeError
        If something is no array of numbers.

    Examples
    --------
    >>> mean_squared_error([[1.0], [4.0]], [1, 2])
    2.0
    """
    return float(np.mean(np.square(_errors("mean_squared_error", output, labels))))


def _errors(metric: str, output: Any, labels: Any) -> Array:
    outputs, actual = check_outputs(metric, output, labels)
    check_targets(metric, actual.shape, outputs.shape)
    return np.subtract(outputs, actual.reshape(outputs.shape), dtype=np.float64)
