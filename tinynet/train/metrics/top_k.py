"""The share of samples whose class is among the k most likely ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.checks import check_count
from tinynet.errors import ArgumentError, ShapeError
from tinynet.train.metrics.columns import by_sample
from tinynet.train.metrics.correct import NO_CLASS, class_numbers


def top_k_accuracy(output: Any, labels: Any, k: int = 5) -> float:
    """Return the share of samples whose label is among the classes of their k largest outputs.

    Parameters
    ----------
    output : array_like
        (n, K): probabilities or logits; (n, ..., K) counts as more samples. The first of equal ones counts as larger; a
        sample with a NaN counts as wrong.
    labels : array_like
        Class numbers, (n,) or (n, 1), or rows (n, K), whose largest value is the label. A number that is no class
        counts as wrong.
    k : int
        From 1 to K; with 1 it is `accuracy`.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    ArgumentError
        If there are fewer than k classes.
    ShapeError
        If there are not as many outputs as labels, or they have another shape.
    DataError
        If there are no samples.
    DTypeError
        If something is not an array of numbers.

    Examples
    --------
    >>> top_k_accuracy([[0.5, 0.2, 0.3], [0.1, 0.8, 0.1]], [2, 2], k=2)
    0.5
    """
    k = check_count("top_k_accuracy: k", k)
    outputs, labels = by_sample("top_k_accuracy", output, labels)
    if outputs.ndim != 2 or outputs.shape[1] < 2:
        raise ShapeError(f"top_k_accuracy: outputs must have shape (n, K), but have {outputs.shape}")
    first, actual, classes = class_numbers("top_k_accuracy", outputs, labels)
    if k > classes:
        raise ArgumentError(f"top_k_accuracy: there are {classes} classes, fewer than k={k}")
    one_of_them = np.isin(actual, np.arange(classes)) & (first != NO_CLASS)
    own = np.where(one_of_them, actual, 0).astype(np.int64)[:, None]
    value = np.take_along_axis(outputs, own, axis=1)
    before = (outputs > value) | ((outputs == value) & (np.arange(classes) < own))
    return float(np.mean((before.sum(axis=1) < k) & one_of_them))
