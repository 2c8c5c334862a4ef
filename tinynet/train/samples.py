"""The checks of the samples and labels that a user passes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tinynet.checks import check_numbers
from tinynet.core.spec import Array
from tinynet.errors import DataError, ShapeError
from tinynet.nn.network import Network
from tinynet.train.task import Task

_AT_A_TIME = 1024  # samples, so that a memory-mapped set is not copied as a whole


readers: list[Any] = [check_numbers]  # the last one makes data of what a user passes as "x" or "y"


def check_samples(model: Network, x: npt.ArrayLike) -> Array:
    """Check samples against a model: numbers, at least one, of its shape, finite."""
    samples: Array = readers[-1]("x", x)
    model.input.check(samples.shape)
    model.parameters  # noqa: B018 - the model is built now, outside of any trace, and knows the shape of its output
    if not len(samples):
        raise DataError(f"x is empty: it has shape {samples.shape}; give at least one sample")
    if samples.dtype.kind == "f" and isinstance(samples, np.ndarray):
        for start in range(0, len(samples), _AT_A_TIME):
            part = samples[start : start + _AT_A_TIME]
            finite = np.isfinite(part).reshape(len(part), -1).all(axis=1)
            if not finite.all():
                sample = start + int(np.argmin(finite))
                raise DataError(f"x has NaN or infinite values, the first in sample {sample}; clean the data first")
    return samples


def check_labelled(model: Network, x: npt.ArrayLike, y: npt.ArrayLike, task: Task) -> tuple[Array, Array]:
    """Check samples and their labels against a model and a loss."""
    samples = check_samples(model, x)
    labels: Array = readers[-1]("y", y)
    if not labels.ndim or len(labels) != len(samples):
        raise ShapeError(f"x has {len(samples)} samples, but y has shape {labels.shape}; each sample needs one label")
    assert model.output_shape is not None
    if isinstance(labels, np.ndarray):
        if labels.dtype.kind == "f" and not np.isfinite(labels).all():
            raise DataError("y has NaN or infinite values; clean the data first")
        task.check_labels(labels, (len(samples), *model.output_shape))
    return samples, labels
