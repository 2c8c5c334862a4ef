"""Weights of classes, turned into weights of samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinynet.checks import check_numbers, check_positive
from tinynet.core.spec import Array
from tinynet.errors import ArgumentError, DataError


def weights_by_class(labels: Array, given: Any, rows: bool) -> Array:
    """Return the weight of each sample's class.

    Parameters
    ----------
    labels : ndarray
        Class numbers, (n,) or (n, 1).
    given : mapping, array_like or "balanced"
        A weight of 0 or more for each class: by its number in a mapping, or in order. With "balanced", all classes that
        occur count alike: the weight is n / (classes * samples of the class), as in scikit-learn.
    rows : bool
        Whether labels may also be one-hot rows (n, K).

    Returns
    -------
    ndarray of float64
        (n,).

    Raises
    ------
    ArgumentError
        If ``given`` is not one of the above, or a weight is below 0 or not finite.
    DataError
        If the labels are not classes, or a class that occurs has no weight.

    Examples
    --------
    >>> weights_by_class(np.array([0, 0, 0, 1]), "balanced", rows=False)
    array([0.66666667, 0.66666667, 0.66666667, 2.        ])
    """
    classes, which, counts = np.unique(_class_numbers(labels, rows), return_inverse=True, return_counts=True)
    if isinstance(given, str) and given == "balanced":
        weights: Array = len(labels) / (len(classes) * counts)
    else:
        table = _table(given)
        if missing := [int(c) for c in classes if c not in table]:
            raise DataError(
                f"class_weight has no weight for class {missing[0]}, which is among the labels; give one for each of "
                f"the classes {', '.join(str(int(c)) for c in classes)}"
            )
        weights = np.array([table[int(c)] for c in classes])
    return weights[which.reshape(-1)]


def _table(given: Any) -> dict[int, float]:
    """Return the weights that are given, by class number."""
    listed = None if isinstance(given, str | Mapping) else check_numbers("class_weight", given)
    if isinstance(given, str) or (listed is not None and listed.ndim != 1):
        raise ArgumentError(
            'class_weight must be a dictionary of class numbers and weights, one weight for each class, or "balanced", '
            f"but got {given!r}"
        )
    found = given if listed is None else dict(enumerate(listed.tolist()))
    if strange := [c for c in found if not isinstance(c, int | float | np.number) or c != int(c)]:
        raise ArgumentError(f"class_weight must be by class numbers, as in {{0: 1.0, 1: 3.0}}, but got {strange[0]!r}")
    return {int(c): check_positive("class_weight", f"of class {c}", w, zero=True) for c, w in found.items()}


def _class_numbers(labels: Array, rows: bool) -> Array:
    """Return the class of each sample."""
    if labels.size == len(labels):
        numbers: Array = labels.reshape(-1)
        if (numbers == np.floor(numbers)).all():
            return numbers
    elif rows and labels.ndim == 2 and np.isin(labels, (0, 1)).all():
        return np.asarray(labels.argmax(axis=1))
    raise DataError(
        f"class_weight needs a class for each sample: whole numbers (n,){' or one-hot rows (n, K)' if rows else ''}, "
        f"but the labels have shape {labels.shape} and dtype {labels.dtype}; give sample_weight instead"
    )
