"""The accuracy, and the checks of outputs and labels that metrics share."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinynet.checks import check_numbers
from tinynet.core.spec import Array
from tinynet.errors import ArgumentError, DataError, ShapeError

NO_CLASS = np.iinfo(np.int64).min  # the class number of a row with a NaN


def accuracy(output: Any, labels: Any) -> float:
    """Return the share of samples whose largest output is that of their label.

    Parameters
    ----------
    output : array_like
        (n, K): probabilities or logits. The first of equal ones counts; a sample with a NaN counts as wrong. Or the
        predicted class numbers: integers, (n,) or (n, 1).
    labels : array_like
        Class numbers, (n,) or (n, 1), or rows (n, K) without NaN, whose largest value is the label. A number that is
        no class counts as wrong.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    ShapeError
        If there are not as many outputs as labels, or they have another shape.
    DataError
        If there are no samples, or the predicted class numbers are not integers.
    DTypeError
        If something is not an array of numbers.

    Examples
    --------
    >>> import numpy as np
    >>> accuracy(np.array([[0.2, 0.8], [0.6, 0.4]]), np.array([1, 1]))
    0.5
    """
    right = _count_right(output, labels)
    if right:
        return right / len(labels)
    predicted, actual, _ = class_numbers("accuracy", output, labels)
    return float(np.mean(predicted == actual))


def _count_right(output: Any, labels: Any) -> int:
    """Count the right samples of a batch as training has it, in two microseconds; returns 0 if more must be checked."""
    if not (isinstance(output, np.ndarray) and isinstance(labels, np.ndarray) and output.ndim == 2):
        return 0
    n, classes = output.shape
    if not n or classes < 2 or output.dtype.kind != "f" or labels.dtype.kind not in "iufb":
        return 0
    if labels.shape == (n, classes):
        labels = labels.argmax(axis=1)
    if labels.shape != (n,) or math.isnan(output.item(output.argmax())):  # argmax finds a NaN first
        return 0
    found: int = (output.argmax(axis=1) == labels).tobytes().count(1)  # a bool is one byte
    return found


def check_outputs(metric: str, output: Any, labels: Any) -> tuple[Array, Array]:
    """Check that there are numbers for each sample, and as many outputs as labels."""
    outputs = check_numbers(f"{metric}: output", output)
    actual = check_numbers(f"{metric}: labels", labels)
    if not (outputs.ndim and actual.ndim and len(outputs) == len(actual)):
        raise ShapeError(
            f"{metric}: needs one output for each label, but got shapes {outputs.shape} and {actual.shape}"
        )
    if not (outputs.size and actual.size):
        raise DataError(
            f"{metric}: there are no samples: got shapes {outputs.shape} and {actual.shape}; give at least one"
        )
    return outputs, actual


def check_threshold(metric: str, threshold: Any) -> float:
    """Check that a threshold is a number."""
    try:
        number = float(threshold)
    except (TypeError, ValueError):
        number = math.nan
    if math.isnan(number):
        raise ArgumentError(f"{metric}: threshold must be a number, but got {threshold!r}")
    return number


def class_numbers(metric: str, output: Any, labels: Any) -> tuple[Array, Array, int]:
    """Return the predicted and the true class numbers, and the number of columns; 0 if neither came as rows."""
    outputs, actual = check_outputs(metric, output, labels)
    columns = {array.shape[1] for array in (outputs, actual) if array.ndim == 2 and array.shape[1] > 1}
    if max(outputs.ndim, actual.ndim) > 2 or len(columns) > 1:
        raise ShapeError(
            f"{metric}: outputs must be class numbers (n,) or have shape (n, K), and labels too, but got shapes "
            f"{outputs.shape} and {actual.shape}"
        )
    if outputs.size == len(outputs) and outputs.dtype.kind == "f":
        raise DataError(
            f"{metric}: predicted class numbers must be integers, but are {outputs.dtype} of shape {outputs.shape}; "
            "for one probability or logit a sample use binary_accuracy, or compare with a threshold first"
        )
    true = _by_row(actual)
    if (true == NO_CLASS).any():
        sample = int(np.argmax(true == NO_CLASS))
        raise DataError(f"{metric}: labels have a NaN, in sample {sample}; clean the data first")
    return _by_row(outputs), true, max(columns, default=0)


def _by_row(array: Array) -> Array:
    """Return class numbers: those that came, or for rows the number of the largest value."""
    if array.size == len(array):
        return array.reshape(-1)
    return np.where(np.isnan(array).any(axis=1), NO_CLASS, array.argmax(axis=1))


def whole_classes(
    metric: str, predicted: Array, actual: Array, columns: int, classes: int | None = None
) -> tuple[Array, Array, int]:
    """Check that class numbers are integers from 0 to K - 1; returns them as such, and K.

    Without ``classes``, K is the number of columns, or one more than the largest class number. `NO_CLASS` does not
    change.
    """
    with np.errstate(invalid="ignore"):  # a NaN or an infinity is no integer
        whole, true = predicted.astype(np.int64), actual.astype(np.int64)
    if (true != actual).any():
        raise DataError(f"{metric}: class numbers must be integers, but the labels have others: {actual.dtype}")
    both = np.concatenate([whole[whole != NO_CLASS], true])
    k = classes or columns or int(both.max()) + 1
    if both.min() < 0 or both.max() >= k:
        raise DataError(f"{metric}: class numbers must be from 0 to {k - 1}, but run from {both.min()} to {both.max()}")
    return whole, true, k
