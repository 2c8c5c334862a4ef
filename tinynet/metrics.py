"""Metrics: functions of the outputs of a model and the labels, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tinynet.errors import ArgumentError, DataError, ShapeError

Array = npt.NDArray[Any]


def accuracy(output: Array, labels: Array) -> float:
    """Give the share of samples whose largest output is that of their label.

    Parameters
    ----------
    output : ndarray
        (n, K): probabilities or logits. Among equal ones the first counts.
    labels : ndarray
        Class numbers (n,), or rows (n, K), of which the largest value is the label.

    Returns
    -------
    float
        From 0 to 1.

    Examples
    --------
    >>> import numpy as np
    >>> accuracy(np.array([[0.2, 0.8], [0.6, 0.4]]), np.array([1, 1]))
    0.5
    """
    labels = labels.argmax(axis=1) if labels.ndim == 2 else labels
    return int(np.count_nonzero(output.argmax(axis=1) == labels)) / len(labels)


def binary_accuracy(output: Array, labels: Array, threshold: float = 0.5) -> float:
    """Give the share of samples whose output is on the right side of a threshold.

    Parameters
    ----------
    output : ndarray
        (n,) or (n, 1).
    labels : ndarray
        0 and 1, or bool; (n,) or (n, 1).
    threshold : float
        Above it a sample counts as 1: 0.5 for probabilities, 0 for logits.

    Returns
    -------
    float
        From 0 to 1.

    Examples
    --------
    >>> import numpy as np
    >>> binary_accuracy(np.array([0.2, 0.8, 0.9]), np.array([0, 1, 0])) == 2 / 3
    True
    """
    return int(np.count_nonzero((output.reshape(-1) > threshold) == (labels.reshape(-1) != 0))) / len(labels)


def confusion_matrix(output: Array, labels: Array, classes: int | None = None) -> Array:
    """Count the samples of each class by what they were taken for.

    Parameters
    ----------
    output : ndarray
        Class numbers (n,), or outputs (n, K), of which the largest counts.
    labels : ndarray
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
        If there are not as many outputs as labels.
    DataError
        If class numbers are no integers from 0 to K - 1.

    Examples
    --------
    >>> import numpy as np
    >>> confusion_matrix(np.array([0, 1, 1, 1]), np.array([0, 0, 1, 1]))
    array([[1, 1],
           [0, 2]])
    """
    columns = [array.shape[1] for array in (output, labels) if array.ndim == 2]
    predicted, actual = (array.argmax(axis=1) if array.ndim == 2 else array for array in (output, labels))
    if predicted.ndim != 1 or predicted.shape != actual.shape:
        raise ShapeError(
            f"confusion_matrix: needs one output for each label, but got shapes {output.shape} and {labels.shape}"
        )
    if not {predicted.dtype.kind, actual.dtype.kind} <= set("iub"):
        raise DataError(f"confusion_matrix: class numbers must be integers, but are {predicted.dtype}, {actual.dtype}")
    both = np.concatenate([predicted, actual]).astype(np.int64)
    k = classes or max([*columns, 0 if columns else int(both.max(initial=-1)) + 1])
    if both.size and not (both.min() >= 0 and both.max() < k):
        raise DataError(
            f"confusion_matrix: class numbers must be from 0 to {k - 1}, but run from {both.min()} to {both.max()}"
        )
    counts: Array = np.bincount(actual.astype(np.int64) * k + predicted, minlength=k * k).reshape(k, k)
    return counts


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


def classification_scores(matrix: Array, names: Sequence[str] | None = None) -> Scores:
    """Work out precision, recall and F1 of each class from a confusion matrix.

    Parameters
    ----------
    matrix : ndarray of int
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
    k = len(matrix)
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
