"""Precision, recall, F1 and balanced accuracy, which are not means over samples."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.core.spec import Array
from tinynet.errors import ArgumentError
from tinynet.train.metrics.columns import as_columns

AVERAGES = ("macro", "weighted", "micro")


def check_average(metric: str, average: str) -> None:
    """Check the name of an average over classes."""
    if average not in AVERAGES:
        raise ArgumentError(f'{metric}: average must be "macro", "weighted" or "micro", but got {average!r}')


def precision(
    output: Any,
    labels: Any,
    average: str = "macro",
    threshold: float | None = None,
    class_id: int | None = None,
) -> float:
    """Return the share of the samples taken for a class that belong to it.

    Parameters
    ----------
    output : array_like
        (n,) or (n, 1), float or bool: a sample is taken for class 1 if its output is above the threshold, and the
        result is that of class 1. (n, K): a sample is taken for the class of its largest output, and the shares of the
        classes are averaged; with a threshold, it is taken for each class whose output is above. (n, ..., K) counts as
        more samples. Integers (n,) or (n, 1) are class numbers. A sample with a NaN is taken for no class.
    labels : array_like
        0 and 1; or class numbers; or rows, whose largest value is the label; with (n, K) and a threshold, rows of 0 and
        1.
    average : {"macro", "weighted", "micro"}
        The average over the classes that occur or were predicted: each class counts alike, or by its samples; or the
        samples of all classes are counted together.
    threshold : float, optional
        See ``output``; 0.5 by default if a sample has one output.
    class_id : int, optional
        Return the share of this class alone.

    Returns
    -------
    float
        From 0 to 1. A share of nothing is 0.

    Raises
    ------
    ArgumentError
        If there is no such average or class.
    ShapeError
        If there are not as many outputs as labels, or they have another shape.
    DataError
        If there are no samples, or a label is not one of the classes.
    DTypeError
        If something is not an array of numbers.

    Examples
    --------
    >>> import numpy as np
    >>> precision(np.array([0.2, 0.8, 0.9]), np.array([0, 1, 0]))
    0.5
    >>> float(precision([0, 1, 1, 1], [0, 0, 1, 1], class_id=1)) == 2 / 3
    True
    """
    return _score("precision", output, labels, average, threshold, class_id)


def recall(
    output: Any,
    labels: Any,
    average: str = "macro",
    threshold: float | None = None,
    class_id: int | None = None,
) -> float:
    """Return the share of the samples of a class that were taken for it.

    Parameters
    ----------
    output, labels, average, threshold, class_id
        As for `precision`.

    Returns
    -------
    float
        From 0 to 1. A share of nothing is 0.

    Raises
    ------
    ArgumentError, ShapeError, DataError, DTypeError
        As from `precision`.

    Examples
    --------
    >>> recall([0.2, 0.8, 0.9], [0, 1, 1])
    1.0
    """
    return _score("recall", output, labels, average, threshold, class_id)


def f1(
    output: Any,
    labels: Any,
    average: str = "macro",
    threshold: float | None = None,
    class_id: int | None = None,
) -> float:
    """Return the harmonic mean of `precision` and `recall`.

    Parameters
    ----------
    output, labels, average, threshold, class_id
        As for `precision`. The mean of each class is computed before the average.

    Returns
    -------
    float
        From 0 to 1; 0 for a class whose precision and recall are 0.

    Raises
    ------
    ArgumentError, ShapeError, DataError, DTypeError
        As from `precision`.

    Examples
    --------
    >>> f1([0.2, 0.8, 0.9, 0.7], [1, 1, 1, 0])
    0.6666666666666666
    """
    return _score("f1", output, labels, average, threshold, class_id)


def balanced_accuracy(output: Any, labels: Any, threshold: float | None = None) -> float:
    """Return the mean of the recalls of the classes that occur, however many samples each has.

    Parameters
    ----------
    output, labels, threshold
        As for `precision`; if a sample has one output, both classes count.

    Returns
    -------
    float
        From 0 to 1; by chance 1 / K.

    Raises
    ------
    ShapeError, DataError, DTypeError
        As from `precision`.

    References
    ----------
    Brodersen et al., "The balanced accuracy and its posterior distribution", ICPR 2010.

    Examples
    --------
    >>> balanced_accuracy([0.2, 0.8, 0.9, 0.7], [1, 1, 1, 0]) == (2 / 3 + 0) / 2
    True
    """
    taken, actual, _ = as_columns("balanced_accuracy", output, labels, threshold)
    support = actual.sum(axis=0)
    recalls = (taken & actual).sum(axis=0) / np.maximum(support, 1)
    occur = support > 0
    return float(recalls[occur].mean()) if occur.any() else 0.0


def _score(metric: str, output: Any, labels: Any, average: str, threshold: float | None, class_id: int | None) -> float:
    check_average(metric, average)
    columns = as_columns(metric, output, labels, threshold)
    right = (columns.taken & columns.actual).sum(axis=0)
    taken, support = columns.taken.sum(axis=0), columns.actual.sum(axis=0)
    of = {"precision": (right, taken), "recall": (right, support), "f1": (2 * right, taken + support)}
    counted, among = of[metric]
    if class_id is None and columns.binary:
        class_id = 1
    if class_id is not None:
        return _of_class(metric, counted, among, class_id)
    if average == "micro":
        return float(counted.sum() / max(among.sum(), 1))
    weights = support if average == "weighted" else taken + support > 0
    return float((counted / np.maximum(among, 1)) @ weights / max(weights.sum(), 1))


def _of_class(metric: str, counted: Array, among: Array, class_id: int) -> float:
    if isinstance(class_id, bool) or not isinstance(class_id, int | np.integer) or not 0 <= class_id < len(among):
        raise ArgumentError(f"{metric}: class_id must be from 0 to {len(among) - 1}, but got {class_id!r}")
    return float(counted[class_id] / max(among[class_id], 1))
