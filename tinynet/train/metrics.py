"""Metrics: functions of the outputs of a model and the labels, as arrays or what can be made into them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tinynet.checks import check_numbers
from tinynet.errors import ArgumentError, DataError, ShapeError

Array = npt.NDArray[Any]

_NONE = np.iinfo(np.int64).min  # in place of a class number, where a row has a NaN


def accuracy(output: Any, labels: Any) -> float:
    """Give the share of samples whose largest output is that of their label.

    Parameters
    ----------
    output : array_like
        (n, K): probabilities or logits. Among equal ones the first counts; a sample with a NaN counts as wrong. Or
        the predicted class numbers: integers, (n,) or (n, 1).
    labels : array_like
        Class numbers, (n,) or (n, 1), or rows (n, K) without NaN, of which the largest value is the label. A number
        that is none of the classes counts as wrong.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    ShapeError
        If there are not as many outputs as labels, or they have another shape.
    DataError
        If there are no samples, or the predicted class numbers are no integers.
    DTypeError
        If something is no array of numbers.

    Examples
    --------
    >>> import numpy as np
    >>> accuracy(np.array([[0.2, 0.8], [0.6, 0.4]]), np.array([1, 1]))
    0.5
    """
    try:  # what training gives for each batch, checked and counted within two microseconds
        n, classes = shape = output.shape
        numbers: Any = labels if labels.ndim == 1 else labels.argmax(1) if labels.shape == shape else ()
        largest = output.item(output.argmax())  # it finds a NaN before any number, and a NaN does not equal itself
        if n == len(numbers) and classes > 1 and largest == largest:
            right: int = (output.argmax(1) == numbers).tobytes().count(1)  # bool: a byte each
            if right or numbers.dtype.kind in "iufb":  # texts equal no number, and are refused below
                return right / len(numbers)
    except (AttributeError, TypeError, ValueError):
        pass
    predicted, actual, _ = _class_numbers("accuracy", output, labels)
    return float(np.mean(predicted == actual))


def binary_accuracy(output: Any, labels: Any, threshold: float = 0.5) -> float:
    """Give the share of samples whose output is on the right side of a threshold.

    Parameters
    ----------
    output : array_like
        (n,) or (n, 1). A NaN counts as wrong.
    labels : array_like
        0 and 1, or bool; (n,) or (n, 1). Another number counts as wrong.
    threshold : float
        Above it a sample counts as 1: 0.5 for probabilities, 0 for logits.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    ShapeError
        If there are not as many outputs as labels, or they have another shape.
    DataError
        If there are no samples.
    DTypeError
        If something is no array of numbers.

    Examples
    --------
    >>> import numpy as np
    >>> binary_accuracy(np.array([0.2, 0.8, 0.9]), np.array([0, 1, 0])) == 2 / 3
    True
    """
    try:  # as in accuracy
        n, largest = len(output), output.item(output.argmax())
        if n == output.size == len(labels) == labels.size and largest == largest:
            count = int(np.count_nonzero((output.reshape(-1) > threshold) == labels.reshape(-1)))
            if count or labels.dtype.kind in "iufb":
                return count / n
    except (AttributeError, TypeError, ValueError):
        pass
    outputs, actual = _samples("binary_accuracy", output, labels)
    if outputs.size != len(outputs) or actual.size != len(actual):
        raise ShapeError(
            f"binary_accuracy: needs one output and one label for each sample, but got shapes {outputs.shape} and "
            f"{actual.shape}; for outputs of several classes use accuracy"
        )
    outputs, actual = outputs.reshape(-1), actual.reshape(-1)
    return float(np.mean(((outputs > threshold) == actual) & ~np.isnan(outputs)))


def confusion_matrix(output: Any, labels: Any, classes: int | None = None) -> Array:
    """Count the samples of each class by what they were taken for.

    Parameters
    ----------
    output : array_like
        Class numbers, (n,) or (n, 1), or outputs (n, K), of which the largest counts.
    labels : array_like
        The true ones, in either form.
    classes : int, optional
        K; by default the columns of the outputs, or else one more than the largest class number.

    Returns
    -------
    ndarray of int64
        (K, K): in row i and column j the samples of class i that were taken for class j.

    Raises
    ------
    ShapeError
        If there are not as many outputs as labels, or they have another shape.
    DataError
        If there are no samples, an output is NaN, or class numbers are no integers from 0 to K - 1.
    DTypeError
        If something is no array of numbers.

    Examples
    --------
    >>> import numpy as np
    >>> confusion_matrix(np.array([0, 1, 1, 1]), np.array([0, 0, 1, 1]))
    array([[1, 1],
           [0, 2]])
    """
    predicted, actual, columns = _class_numbers("confusion_matrix", output, labels)
    if (predicted == _NONE).any():
        sample = int(np.argmax(predicted == _NONE))
        raise DataError(f"confusion_matrix: the outputs of sample {sample} have a NaN, which is of no class")
    with np.errstate(invalid="ignore"):  # of what does not fit
        both = np.concatenate([array.astype(np.int64) for array in (predicted, actual)])
    n = len(predicted)
    if (both[n:] != actual).any():
        raise DataError(f"confusion_matrix: class numbers must be integers, but the labels have others: {actual.dtype}")
    k = classes or columns or int(both.max()) + 1
    if both.min() < 0 or both.max() >= k:
        raise DataError(
            f"confusion_matrix: class numbers must be from 0 to {k - 1}, but run from {both.min()} to {both.max()}"
        )
    counts: Array = np.bincount(both[n:] * k + both[:n], minlength=k * k).reshape(k, k)
    return counts


def _samples(name: str, output: Any, labels: Any) -> tuple[Array, Array]:
    """Check that there are numbers for each sample, and as many outputs as labels."""
    outputs, actual = check_numbers(f"{name}: output", output), check_numbers(f"{name}: labels", labels)
    if not (outputs.ndim and actual.ndim and len(outputs) == len(actual)):
        raise ShapeError(f"{name}: needs one output for each label, but got shapes {outputs.shape} and {actual.shape}")
    if not (outputs.size and actual.size):
        raise DataError(
            f"{name}: there are no samples: got shapes {outputs.shape} and {actual.shape}; give at least one"
        )
    return outputs, actual


def _class_numbers(name: str, output: Any, labels: Any) -> tuple[Array, Array, int]:
    """Give the predicted and the true class numbers, and the columns of what was given as rows, or else 0."""
    outputs, actual = _samples(name, output, labels)
    columns = {array.shape[1] for array in (outputs, actual) if array.ndim == 2 and array.shape[1] > 1}
    if max(outputs.ndim, actual.ndim) > 2 or len(columns) > 1:
        raise ShapeError(
            f"{name}: outputs must be class numbers (n,) or have shape (n, K), and labels too, but got shapes "
            f"{outputs.shape} and {actual.shape}"
        )
    if outputs.size == len(outputs) and outputs.dtype.kind == "f":
        raise DataError(
            f"{name}: predicted class numbers must be integers, but are {outputs.dtype} of shape {outputs.shape}; for "
            "one probability or logit a sample use binary_accuracy, or compare with a threshold first"
        )
    predicted, actual = (
        array.reshape(-1)
        if array.size == len(array)
        else np.where(np.isnan(array).any(axis=1), _NONE, array.argmax(axis=1))
        for array in (outputs, actual)
    )
    if (actual == _NONE).any():
        raise DataError(f"{name}: labels have a NaN, in sample {int(np.argmax(actual == _NONE))}; clean the data first")
    return predicted, actual, max(columns, default=0)


@dataclass(frozen=True, eq=False)
class Scores:
    """How well each class is told from the others, as from `classification_scores`; ``str`` lays it out as a table.

    Attributes
    ----------
    names : tuple of str
        Of the K classes.
    precision : ndarray of float64
        (K,): of the samples taken for a class, the share that belong to it; 0 where none was.
    recall : ndarray of float64
        (K,): of the samples of a class, the share taken for it; 0 where there are none.
    f1 : ndarray of float64
        (K,): the harmonic mean of precision and recall; 0 where both are.
    support : ndarray of int64
        (K,): the samples of each class.
    accuracy : float
        The share of all samples that were taken for their class.
    macro, weighted : tuple of float
        Precision, recall and F1 averaged over the classes that occur or were predicted: each counts alike, or by its
        samples.
    """

    names: tuple[str, ...]
    precision: Array
    recall: Array
    f1: Array
    support: Array
    accuracy: float
    macro: tuple[float, float, float]
    weighted: tuple[float, float, float]

    def __str__(self) -> str:
        total = int(self.support.sum())
        width = max(len("weighted avg"), *map(len, self.names))
        lines = [f"{'':>{width}}  precision  recall      f1  support", ""]

        def line(name: str, *values: Any) -> str:
            precision, recall, f1 = (f"{v:.4f}" if isinstance(v, float) else v for v in values[:3])
            return f"{name:>{width}}  {precision:>9}  {recall:>6}  {f1:>6}  {values[3]:>7,}"

        rows = zip(self.names, self.precision, self.recall, self.f1, self.support, strict=True)
        lines += [line(name, float(p), float(r), float(f), int(n)) for name, p, r, f, n in rows]
        lines += ["", line("accuracy", "", "", self.accuracy, total)]
        lines += [line("macro avg", *self.macro, total), line("weighted avg", *self.weighted, total)]
        return "\n".join(lines)


def classification_scores(matrix: npt.ArrayLike, names: Sequence[str] | None = None) -> Scores:
    """Work out precision, recall and F1 of each class from a confusion matrix.

    Parameters
    ----------
    matrix : array_like of int
        (K, K), as from `confusion_matrix`.
    names : sequence of str, optional
        Of the classes; their numbers by default.

    Returns
    -------
    Scores
        A share of nothing is 0.

    Raises
    ------
    ArgumentError
        If the matrix is not square, or there is not one name for each class.
    DTypeError
        If it is no array of numbers.

    Examples
    --------
    >>> import numpy as np
    >>> print(classification_scores(np.array([[1, 1], [0, 2]]), ["cat", "dog"]))
                  precision  recall      f1  support
    <BLANKLINE>
             cat     1.0000  0.5000  0.6667        2
             dog     0.6667  1.0000  0.8000        2
    <BLANKLINE>
        accuracy                     0.7500        4
       macro avg     0.8333  0.7500  0.7333        4
    weighted avg     0.8333  0.7500  0.7333        4
    """
    matrix = check_numbers("classification_scores: the matrix", matrix)
    k = math.isqrt(matrix.size)
    if matrix.shape != (k, k) or not k:
        raise ArgumentError(f"classification_scores: the matrix must be (K, K), but has shape {matrix.shape}")
    found = tuple(map(str, range(k) if names is None else names))
    if len(found) != k:
        raise ArgumentError(f"classification_scores: there are {k} classes, but {len(found)} names: {', '.join(found)}")
    right, taken, support = np.diagonal(matrix), matrix.sum(axis=0), matrix.sum(axis=1)
    precision, recall, f1 = (
        a / np.maximum(b, 1) for a, b in ((right, taken), (right, support), (2 * right, taken + support))
    )
    macro, weighted = (
        (float(precision @ share), float(recall @ share), float(f1 @ share))
        for share in (weights / max(weights.sum(), 1) for weights in (taken + support > 0, support))
    )
    accuracy = float(right.sum() / max(support.sum(), 1))
    return Scores(found, precision, recall, f1, support, accuracy, macro, weighted)
