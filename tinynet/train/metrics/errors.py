"""Errors of outputs that are numbers."""

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
        If something is not an array of numbers.

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
        If something is not an array of numbers.

    Examples
    --------
    >>> mean_squared_error([[1.0], [4.0]], [1, 2])
    2.0
    """
    return float(np.mean(np.square(_errors("mean_squared_error", output, labels))))


def root_mean_squared_error(output: Any, labels: Any) -> float:
    """Return the root of the mean of the squares of output - label.

    Parameters
    ----------
    output : array_like
        (n, ...).
    labels : array_like
        Numbers of the same shape; (n,) fits (n, 1), and the reverse.

    Returns
    -------
    float
        0 or more; NaN if a value is NaN. If a sample has several values, all count alike.

    Raises
    ------
    ShapeError, DataError, DTypeError
        As from `mean_squared_error`.

    Examples
    --------
    >>> root_mean_squared_error([[1.0], [4.0]], [1, 2]) == 2**0.5
    True
    """
    return float(np.sqrt(np.mean(np.square(_errors("root_mean_squared_error", output, labels)))))


def r2(output: Any, labels: Any) -> float:
    """Return the coefficient of determination: 1 - sum (output - label)^2 / sum (label - mean of the labels)^2.

    Parameters
    ----------
    output : array_like
        (n, ...).
    labels : array_like
        Numbers of the same shape; (n,) fits (n, 1), and the reverse.

    Returns
    -------
    float
        1 if all outputs are right, 0 for the mean of the labels, below 0 for worse outputs. If a sample has several
        values, the mean over these. If all labels are equal, 1 if all outputs are right and 0 otherwise, as in
        scikit-learn. NaN if a value is NaN, or there is only one sample.

    Raises
    ------
    ShapeError, DataError, DTypeError
        As from `mean_squared_error`.

    Examples
    --------
    >>> r2([1.0, 2.0, 6.0], [1, 3, 5])
    0.75
    """
    errors = _errors("r2", output, labels).reshape(len(output), -1)
    if len(errors) == 1:
        return float("nan")
    actual = np.asarray(labels, np.float64).reshape(errors.shape)
    left = np.square(errors).sum(axis=0)
    there = np.square(actual - actual.mean(axis=0)).sum(axis=0)
    there = np.where((actual == actual[0]).all(axis=0), 0.0, there)  # the mean of equal numbers is rounded
    explained = 1 - left / np.where(there == 0, 1.0, there)
    return float(np.mean(np.where((there == 0) & (left > 0), 0.0, explained)))


def _errors(metric: str, output: Any, labels: Any) -> Array:
    outputs, actual = check_outputs(metric, output, labels)
    check_targets(metric, actual.shape, outputs.shape)
    return np.subtract(outputs, actual.reshape(outputs.shape), dtype=np.float64)
