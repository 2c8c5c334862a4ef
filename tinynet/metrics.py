"""Metrics: functions of the outputs of a model and the labels, as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

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
