"""The confusion matrix."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.checks import check_count
from tinynet.core.spec import Array
from tinynet.errors import DataError
from tinynet.train.metrics.correct import NO_CLASS, class_numbers, whole_classes


def confusion_matrix(output: Any, labels: Any, classes: int | None = None) -> Array:
    """Count the samples of each class by what they were taken for.

    Parameters
    ----------
    output : array_like
        Class numbers, (n,) or (n, 1), or outputs (n, K), of which the largest is the prediction.
    labels : array_like
        The true classes, in either form.
    classes : int, optional
        K; by default the number of columns of the outputs, or one more than the largest class number.

    Returns
    -------
    ndarray of int64
        (K, K): in row i and column j the number of samples of class i that were taken for class j.

    Raises
    ------
    ArgumentError
        If ``classes`` is no integer of 1 or more.
    ShapeError
        If there are not as many outputs as labels, or they have another shape.
    DataError
        If there are no samples, an output is NaN, or class numbers are not integers from 0 to K - 1.
    DTypeError
        If something is not an array of numbers.

    Examples
    --------
    >>> import numpy as np
    >>> confusion_matrix(np.array([0, 1, 1, 1]), np.array([0, 0, 1, 1]))
    array([[1, 1],
           [0, 2]])
    """
    if classes is not None:
        check_count("confusion_matrix: classes", classes)
    predicted, actual, columns = class_numbers("confusion_matrix", output, labels)
    if (predicted == NO_CLASS).any():
        sample = int(np.argmax(predicted == NO_CLASS))
        raise DataError(f"confusion_matrix: the outputs of sample {sample} have a NaN, which is of no class")
    predicted, actual, k = whole_classes("confusion_matrix", predicted, actual, columns, classes)
    counts: Array = np.bincount(actual * k + predicted, minlength=k * k).reshape(k, k)
    return counts
