"""The checks of the samples and labels that a user gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tinynet.checks import check_numbers
from tinynet.core.spec import Array
from tinynet.errors import ArgumentError, DataError, ShapeError, TinynetError
from tinynet.train.task import Task, Trainable


def check_samples(model: Trainable, x: npt.ArrayLike) -> Array:
    """Check samples against a model: numbers, at least one, of its shape, finite."""
    array = check_numbers("x", x)
    model.input.check(array.shape)
    model.parameters  # noqa: B018 - the model is built now, outside of any trace, and knows the shape of its output
    if not len(array):
        raise DataError(f"x is empty: it has shape {array.shape}; give at least one sample")
    if array.dtype.kind == "f":
        for start in range(0, len(array), 1024):  # in pieces, so that a memory-mapped set is not copied whole
            finite = np.isfinite(array[start : start + 1024])
            if not finite.all():
                sample = start + int(np.argmin(finite.reshape(len(finite), -1).all(axis=1)))
                raise DataError(f"x has NaN or infinite values, the first in sample {sample}; clean the data first")
    return array


def check_labelled(model: Trainable, x: npt.ArrayLike, y: npt.ArrayLike, task: Task) -> tuple[Array, Array]:
    """Check samples and their labels against a model and a loss."""
    samples, labels = check_samples(model, x), check_numbers("y", y)
    if not labels.ndim or len(labels) != len(samples):
        raise ShapeError(f"x has {len(samples)} samples, but y has shape {labels.shape}; each sample needs one label")
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise DataError("y has NaN or infinite values; clean the data first")
    assert model.output_shape is not None
    task.check_labels(labels, (len(samples), *model.output_shape))
    return samples, labels


def check_validation(model: Trainable, data: Any, task: Task) -> tuple[Array, Array]:
    """Check a pair of samples and labels to validate on; errors say that they are about these."""
    if not isinstance(data, tuple | list) or len(data) != 2:
        came = f"{len(data)} of them" if isinstance(data, tuple | list) else f"a {type(data).__name__}"
        raise ArgumentError(f"validation_data must be a pair of samples and labels, (x, y), but got {came}")
    x, y = data
    try:
        return check_labelled(model, x, y, task)
    except TinynetError as error:
        raise type(error)(f"validation_data: {error}") from error
