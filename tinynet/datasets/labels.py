"""Labels in the forms that losses take."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import numpy.typing as npt

from tinynet.checks import check_numbers
from tinynet.errors import ArgumentError, DataError


def one_hot(labels: npt.ArrayLike, classes: int) -> npt.NDArray[Any]:
    """Write class numbers as rows with a 1 in the place of the class.

    Parameters
    ----------
    labels : array_like of int
        (n,), from 0 to classes - 1.
    classes : int
        How many classes there are.

    Returns
    -------
    ndarray of float32
        (n, classes).

    Raises
    ------
    ArgumentError
        If there is not at least one class.
    DTypeError
        If the labels are no array of numbers.
    DataError
        If they are not integers of that range, or not (n,).

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.one_hot([1, 0], 3)
    array([[0., 1., 0.],
           [1., 0., 0.]], dtype=float32)
    """
    given = check_numbers("one_hot: labels", labels)
    if not given.size:  # an empty list, of which NumPy makes floats
        given = given.astype(np.intp)
    try:
        count = operator.index(classes)
    except TypeError:
        count = 0
    if count < 1:
        raise ArgumentError(f"one_hot: classes must be an integer of 1 or more, but got {classes!r}")
    if given.ndim != 1 or given.dtype.kind not in "iu":
        raise DataError(f"one_hot: labels must be integers of shape (n,), but are {given.dtype} of shape {given.shape}")
    if given.size and not (given.min() >= 0 and given.max() < count):
        raise DataError(
            f"one_hot: labels must be from 0 to {count - 1} for {count} classes, but run from {given.min()} to "
            f"{given.max()}"
        )
    rows = np.zeros((len(given), count), np.float32)
    rows[np.arange(len(given)), given] = 1
    return rows
