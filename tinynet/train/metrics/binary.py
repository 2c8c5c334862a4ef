"""The share of samples on the right side of a threshold."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinynet.errors import ShapeError
from tinynet.train.metrics.correct import check_outputs, check_threshold


def binary_accuracy(output: Any, labels: Any, threshold: float = 0.5) -> float:
    """Return the share of samples whose output is on the right side of a threshold.

    Parameters
    ----------
    output : array_like
        (n,) or (n, 1). A NaN counts as wrong.
    labels : array_like
        0 and 1, or bool; (n,) or (n, 1). Another number counts as wrong.
    threshold : float
        A sample counts as 1 if its output is above: 0.5 for probabilities, 0 for logits.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    ArgumentError
        If the threshold is not a number.
    ShapeError
        If there are not as many outputs as labels, or they have another shape.
    DataError
        If there are no samples.
    DTypeError
        If something is not an array of numbers.

    Examples
    --------
    >>> import numpy as np
    >>> binary_accuracy(np.array([0.2, 0.8, 0.9]), np.array([0, 1, 0])) == 2 / 3
    True
    """
    threshold = check_threshold("binary_accuracy", threshold)
    right = _count_right(output, labels, threshold)
    if right:
        return right / len(labels)
    outputs, actual = check_outputs("binary_accuracy", output, labels)
    if outputs.size != len(outputs) or actual.size != len(actual):
        raise ShapeError(
            f"binary_accuracy: needs one output and one label for each sample, but got shapes {outputs.shape} and "
            f"{actual.shape}; for outputs of several classes use accuracy"
        )
    outputs, actual = outputs.reshape(-1), actual.reshape(-1)
    return float(np.mean(((outputs > threshold) == actual) & ~np.isnan(outputs)))


def _count_right(output: Any, labels: Any, threshold: float) -> int:
    """Count the right samples of a batch as training has it, quickly; returns 0 if more must be checked."""
    if not (isinstance(output, np.ndarray) and isinstance(labels, np.ndarray)):
        return 0
    if not (output.ndim and labels.ndim and output.size) or labels.dtype.kind not in "iufb":
        return 0
    one_each = len(output) == output.size == len(labels) == labels.size
    if not one_each or output.dtype.kind != "f" or math.isnan(output.item(output.argmax())):
        return 0
    return int(np.count_nonzero((output.reshape(-1) > threshold) == labels.reshape(-1)))
