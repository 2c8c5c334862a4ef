"""The checks of the samples and labels that a user passes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tinynet.checks import check_numbers
from tinynet.core.spec import Array
from tinynet.errors import DataError, ShapeError
from tinynet.nn.network import Network
from tinynet.train.task import Task

_AT_A_TIME = 1024  # samples, so that a memory-mapped set is not copied as a whole


def check_samples(model: Network, x: npt.ArrayLike) -> Array:
    """Check samples against a model: numbers, at least one, of its shape, finite."""
    samples = check_numbers("x", x)
    model.input.check(samples.shape)
    model.parameters  # noqa: B018 - the model is built now, outside of any trace, and knows the shape of its output
    if not len(samples):
        raise DataError(f"x is empty: it has shape {samples.shape}; give at least one sample")
    if samples.dtype.kind == "f":
        for start in range(0, len(samples), _AT_A_TIME):
            _check_finite(samples[start : start + _AT_A_TIME], start)
    return samples


def _check_finite(part: Array, start: int) -> None:
    finite = np.isfinite(part)
    if not finite.all():
        by_sample = finite.reshape(len(part), -1).all(axis=1)
        sample = start + int(np.argmin(by_sample))
        raise DataError(f"x has NaN or infinite values, the first in sample {sample}; clean the data first")


def check_labelled(model: Network, x: npt.ArrayLike, y: npt.ArrayLike, task: Task) -> tuple[Array, Array]:
    """Check samples and their labels against a model and a loss."""
    samples = check_samples(model, x)
    labels = check_numbers("y", y)
    if not labels.ndim or len(labels) != len(samples):
        raise ShapeError(f"x has {len(samples)} samples, but y has shape {labels.shape}; each sample needs one label")
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise DataError("y has NaN or infinite values; clean the data first")
    assert model.output_shape is not None
    task.check_labels(labels, (len(samples), *model.output_shape))
    return samples, labels
