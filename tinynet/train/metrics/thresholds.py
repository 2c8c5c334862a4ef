"""Curves over all thresholds: the ROC curve, and precision against recall."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.core.spec import Array
from tinynet.errors import DataError, ShapeError
from tinynet.train.metrics.columns import answers, by_sample
from tinynet.train.metrics.ranking import count_groups


def roc_curve(output: Any, labels: Any) -> tuple[Array, Array, Array]:
    """Return the share of false and of true positives at each threshold.

    Parameters
    ----------
    output : array_like
        (n,) or (n, 1): a score of each sample for class 1, a probability or a logit.
    labels : array_like
        0 and 1, as many.

    Returns
    -------
    false_positive, true_positive : ndarray
        In order of falling thresholds: the share of the samples of class 0, and of class 1, whose output is at least
        the threshold.
    thresholds : ndarray
        Each output once, after infinity.

    Raises
    ------
    ShapeError
        If there are not as many outputs as labels.
    DataError
        If there are no samples, an output is NaN, labels are neither 0 nor 1, or all are the same.
    DTypeError
        If something is not an array of numbers.

    Examples
    --------
    >>> false_positive, true_positive, thresholds = roc_curve([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
    >>> false_positive.tolist(), true_positive.tolist()
    ([0.0, 0.0, 0.5, 0.5, 1.0], [0.0, 0.5, 0.5, 1.0, 1.0])
    """
    belong, others, thresholds = _counts("roc_curve", output, labels)
    if not (belong[-1] and others[-1]):
        raise DataError(f"roc_curve: needs samples of both classes, but all labels are {int(belong[-1] > 0)}")
    return others / others[-1], belong / belong[-1], thresholds


def precision_recall_curve(output: Any, labels: Any) -> tuple[Array, Array, Array]:
    """Return precision and recall at each threshold.

    Parameters
    ----------
    output, labels
        As for `roc_curve`.

    Returns
    -------
    precision, recall : ndarray
        In order of falling thresholds: the share of class 1 among the samples whose output is at least the threshold,
        1 if there are none; and the share of the samples of class 1 that are among these.
    thresholds : ndarray
        Each output once, after infinity.

    Raises
    ------
    ShapeError, DataError, DTypeError
        As from `roc_curve`; labels of 1 alone are taken.

    Examples
    --------
    >>> precision, recall, thresholds = precision_recall_curve([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
    >>> precision.round(2).tolist(), recall.tolist()
    ([1.0, 1.0, 0.5, 0.67, 0.5], [0.0, 0.5, 0.5, 1.0, 1.0])
    """
    belong, others, thresholds = _counts("precision_recall_curve", output, labels)
    if not belong[-1]:
        raise DataError("precision_recall_curve: needs samples of class 1, but all labels are 0")
    taken = belong + others
    return np.where(taken > 0, belong / np.maximum(taken, 1), 1.0), belong / belong[-1], thresholds


def _counts(metric: str, output: Any, labels: Any) -> tuple[Array, Array, Array]:
    """Count the samples of class 1 and of class 0 whose output is at least each threshold."""
    outputs, actual = by_sample(metric, output, labels)
    if outputs.size != len(outputs):
        raise ShapeError(
            f"{metric}: needs one output a sample, but got shape {outputs.shape}; take those of one class, as in "
            "output[:, 1], with labels of 0 and 1"
        )
    yes = answers(metric, actual, (len(outputs), 1))[:, 0]
    scores = outputs.reshape(-1)
    if np.isnan(scores).any():
        raise DataError(f"{metric}: the output of sample {int(np.isnan(scores).argmax())} is NaN; clean the data first")
    belong, others = count_groups(scores, yes)
    thresholds = np.concatenate([[np.inf], np.unique(scores)[::-1]])
    return _sums(belong), _sums(others), thresholds


def _sums(counts: Array) -> Array:
    """Return the sums of counts from the last one on, beginning with 0."""
    return np.concatenate([[0], np.cumsum(counts[::-1])])
