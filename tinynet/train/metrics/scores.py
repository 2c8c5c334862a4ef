"""Precision, recall and F1 of each class."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tinynet.checks import check_numbers
from tinynet.core.spec import Array
from tinynet.errors import ArgumentError, DataError


@dataclass(frozen=True, eq=False)
class Scores:
    """Precision, recall and F1 of each class, as `classification_scores` returns them; ``str`` makes a table.

    Attributes
    ----------
    names : tuple of str
        The names of the K classes.
    precision : ndarray of float64
        (K,): of the samples taken for a class, the share that belong to it; 0 if there are none.
    recall : ndarray of float64
        (K,): of the samples of a class, the share taken for it; 0 if there are none.
    f1 : ndarray of float64
        (K,): the harmonic mean of precision and recall; 0 if both are 0.
    support : ndarray of int64
        (K,): the number of samples of each class.
    accuracy : float
        The share of all samples that were taken for their class.
    macro, weighted : tuple of float
        Precision, recall and F1, averaged over the classes that occur or were predicted: each class counts alike, or by
        its samples.
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
    """Compute precision, recall and F1 of each class from a confusion matrix.

    Parameters
    ----------
    matrix : array_like of int
        (K, K), as from `confusion_matrix`.
    names : sequence of str, optional
        The names of the classes; their numbers by default.

    Returns
    -------
    Scores
        A share of nothing is 0.

    Raises
    ------
    ArgumentError
        If the matrix is not square, or there is not one name for each class.
    DataError
        If a number is below 0, or NaN.
    DTypeError
        If it is not an array of numbers.

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
    if not (matrix >= 0).all():
        raise DataError("classification_scores: the matrix must hold numbers of samples, but has some below 0, or NaN")
    if names is not None and not isinstance(names, Iterable):
        raise ArgumentError(f"classification_scores: names must be a sequence of texts, but got {names!r}")
    found = tuple(map(str, range(k) if names is None else names))
    if len(found) != k:
        raise ArgumentError(f"classification_scores: there are {k} classes, but {len(found)} names: {', '.join(found)}")
    right = np.diagonal(matrix)
    taken = matrix.sum(axis=0)
    support = matrix.sum(axis=1)
    precision = right / np.maximum(taken, 1)
    recall = right / np.maximum(support, 1)
    f1 = 2 * right / np.maximum(taken + support, 1)

    def averaged(weights: Array) -> tuple[float, float, float]:
        share = weights / max(weights.sum(), 1)
        return float(precision @ share), float(recall @ share), float(f1 @ share)

    macro = averaged(taken + support > 0)
    accuracy = float(right.sum() / max(support.sum(), 1))
    return Scores(found, precision, recall, f1, support, accuracy, macro, averaged(support))
