"""Measures of a ranking of samples by outputs: the area under the ROC curve, and average precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinynet.core.spec import Array
from tinynet.train.metrics.classes import check_average
from tinynet.train.metrics.columns import answers, by_sample
from tinynet.train.metrics.correct import class_numbers, whole_classes


def roc_auc(output: Any, labels: Any, average: str = "macro") -> float:
    """Return the area under the ROC curve: how often a sample of a class is ranked above a sample of another.

    Parameters
    ----------
    output : array_like
        (n,) or (n, 1): a score of each sample for class 1, a probability or a logit. (n, K): the same for each class
        against all others, preferably probabilities. (n, ..., K) counts as more samples. Equal outputs count a half.
    labels : array_like
        0 and 1; with (n, K), class numbers or rows of 0 and 1, which may have several ones.
    average : {"macro", "weighted", "micro"}
        The average over the classes that have an area: each class counts alike, or by its samples; or all columns are
        ranked together.

    Returns
    -------
    float
        From 0 to 1, by chance 0.5. NaN if an output is NaN, or no class has both samples that belong to it and others.

    Raises
    ------
    ArgumentError
        If there is no such average.
    ShapeError
        If there are not as many outputs as labels, or they have another shape.
    DataError
        If there are no samples, or a label is not one of the classes.
    DTypeError
        If something is not an array of numbers.

    References
    ----------
    Hanley and McNeil, "The meaning and use of the area under a receiver operating characteristic (ROC) curve",
    Radiology 143, 1982.

    Examples
    --------
    >>> roc_auc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
    0.75
    """
    return _averaged("roc_auc", _area, output, labels, average)


def average_precision(output: Any, labels: Any, average: str = "macro") -> float:
    """Return the mean of the precisions at each threshold, weighted by the increase of the recall there.

    Parameters
    ----------
    output, labels, average
        As for `roc_auc`; samples of equal outputs share a threshold.

    Returns
    -------
    float
        From 0 to 1, by chance the share of the class. NaN if an output is NaN, or no class occurs.

    Raises
    ------
    ArgumentError, ShapeError, DataError, DTypeError
        As from `roc_auc`.

    Examples
    --------
    >>> average_precision([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]) == 1 / 2 * 1 + 1 / 2 * 2 / 3
    True
    """
    return _averaged("average_precision", _precision, output, labels, average)


def _averaged(metric: str, of_column: Callable[[Array, Array], float], output: Any, labels: Any, average: str) -> float:
    check_average(metric, average)
    scores, actual = _ranked(metric, output, labels)
    if average == "micro":
        scores, actual = scores.reshape(-1, 1), actual.reshape(-1, 1)
    if np.isnan(scores).any():
        return float("nan")
    values = np.array([of_column(s, a) for s, a in zip(scores.T, actual.T, strict=True)])
    weights = actual.sum(axis=0) if average == "weighted" else np.ones(len(values))
    known = ~np.isnan(values)
    return float(values[known] @ weights[known] / weights[known].sum()) if known.any() else float("nan")


def _ranked(metric: str, output: Any, labels: Any) -> tuple[Array, Array]:
    """Return the scores of each class, and which samples belong to it, both (n, K)."""
    outputs, actual = by_sample(metric, output, labels)
    if outputs.size == len(outputs):
        return outputs.reshape(-1, 1), answers(metric, actual, (len(outputs), 1))
    if actual.shape == outputs.shape:
        return outputs, answers(metric, actual, outputs.shape)
    _, true, k = whole_classes(metric, *class_numbers(metric, outputs, actual))
    return outputs, true[:, None] == np.arange(k)


def count_groups(scores: Array, actual: Array) -> tuple[Array, Array]:
    """Count the samples of a class and the others for each score, in rising order."""
    groups = np.unique(scores, return_inverse=True)[1]
    all_of_it = np.bincount(groups)
    belong = np.bincount(groups[actual], minlength=len(all_of_it))
    return belong, all_of_it - belong


def _area(scores: Array, actual: Array) -> float:
    belong, others = count_groups(scores, actual)
    pairs = int(belong.sum()) * int(others.sum())
    if not pairs:
        return float("nan")
    below = np.cumsum(others) - others
    return int(belong @ (2 * below + others)) / (2 * pairs)  # whole numbers, so that only the quotient is rounded


def _precision(scores: Array, actual: Array) -> float:
    belong, others = (counts[::-1] for counts in count_groups(scores, actual))
    if not belong.any():
        return float("nan")
    right = np.cumsum(belong)
    return float(belong @ (right / (right + np.cumsum(others))) / right[-1])
