"""The weights of samples and of classes that a user gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tinynet import ops
from tinynet.checks import check_numbers
from tinynet.core.spec import Array
from tinynet.errors import ArgumentError, DataError, ShapeError
from tinynet.train.classes import weights_by_class
from tinynet.train.nests import leaves
from tinynet.train.pairing import named_task
from tinynet.train.task import Task
from tinynet.train.weighted import Weighted, WeightedTask


def with_weights(
    task: Task, labels: Any, sample_weight: Any, class_weight: Any, dtype: npt.DTypeLike
) -> tuple[Task, Any]:
    """Return a task with labels and weights, or as it was where there are none.

    Parameters
    ----------
    task : Task
        What is minimised.
    labels : ndarray or dict of ndarray
        (n, ...); of several outputs by their names.
    sample_weight : array_like or None
        (n,), or further axes of the labels: numbers of 0 or more, not all of them 0.
    class_weight : mapping, array_like, "balanced" or None
        See `tinynet.train.classes.weights_by_class`; multiplied with the former.
    dtype : dtype_like
        Of the weights.

    Returns
    -------
    Task, and ndarray or (ndarray, ndarray)
        The task, and what its loss takes as labels.

    Raises
    ------
    ArgumentError, DataError, ShapeError, DTypeError
        If the weights are not of that form, or labels are no classes though classes have weights.
    """
    if sample_weight is None and class_weight is None:
        return task, labels
    weights = np.ones(len(leaves(labels)[0]))
    if sample_weight is not None:
        weights = _checked(check_numbers("sample_weight", sample_weight), leaves(labels))
    if class_weight is not None and isinstance(labels, dict):
        raise ArgumentError("class_weight is for models of one output; give sample_weight, or loss_weights")
    if class_weight is not None:
        named = named_task(task.loss)
        whole = np.asarray(labels)  # of labels that are not in memory, too
        by_class = weights_by_class(whole, class_weight, rows=named is not None and named.loss is ops.cross_entropy)
        weights = weights * by_class.reshape(-1, *[1] * (weights.ndim - 1))
    weights = weights.astype(dtype)
    if not weights.any():
        raise DataError("all weights are 0, so there is no mean of the losses")
    return WeightedTask(Weighted(task.loss), task.check_labels, {"": task}), (labels, weights)


def _checked(weights: Array, labels: list[Array]) -> Array:
    n = len(labels[0])
    if not weights.ndim or any(given.shape[: weights.ndim] != weights.shape for given in labels):
        column = "; take its only column, w[:, 0]" if weights.shape == (n, 1) else ""
        raise ShapeError(
            f"sample_weight must have one number for each sample, so shape ({n},), but has shape "
            f"{weights.shape}{column}"
        )
    wrong = ~(weights >= 0) | (weights == np.inf)
    if wrong.any():
        at = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise DataError(
            f"sample_weight must have finite numbers of 0 or more, but has {weights[at]} at {at if at[1:] else at[0]}"
        )
    return weights


def weigh_samples(arguments: dict[str, Any]) -> list[Any]:
    """Let a run weigh its samples, if `fit` was given weights."""
    given = arguments["sample_weight"], arguments["class_weight"]
    found = with_weights(arguments["task"], arguments["y"], *given, arguments["model"].dtype)
    arguments["task"], arguments["y"] = found
    return []
