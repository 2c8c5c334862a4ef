"""The checks of the samples and labels that a user passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinynet.checks import readers
from tinynet.core.spec import Array
from tinynet.errors import DataError
from tinynet.nn.input import Input
from tinynet.nn.network import Network
from tinynet.train.task import Task

_AT_A_TIME = 1024  # samples, so that a memory-mapped set is not copied as a whole


# Only the last one is used. It splits x into a part for each Input, each with the name that errors call it by. That of
# `tinynet.train.inputs`, appended on import, knows models of several inputs.
split_samples: list[Callable[[Network, Any], list[tuple[str, Input, Any]]]] = [lambda model, x: [("x", model.input, x)]]


def check_samples(model: Network, x: Any) -> tuple[Array, ...]:
    """Check samples against the inputs of a model: numbers, at least one, of its shape, finite."""
    parts = split_samples[-1](model, x)
    samples = tuple(_check_input(name, entry, part) for name, entry, part in parts)
    model.parameters  # noqa: B018 - the model is built now, outside of any trace, and knows the shape of its output
    return samples


def _check_input(name: str, entry: Input, given: Any) -> Array:
    samples: Array = readers[-1](name, given)
    entry.check(samples.shape, name)
    if not len(samples):
        raise DataError(f"{name} is empty: it has shape {samples.shape}; give at least one sample")
    if samples.dtype.kind == "f" and isinstance(samples, np.ndarray):
        for start in range(0, len(samples), _AT_A_TIME):
            part = samples[start : start + _AT_A_TIME]
            finite = np.isfinite(part).reshape(len(part), -1).all(axis=1)
            if not finite.all():
                first = start + int(np.argmin(finite))
                raise DataError(f"{name} has NaN or infinite values, the first in sample {first}; clean the data first")
    return samples


def check_labelled(model: Network, x: Any, y: Any, task: Task) -> tuple[tuple[Array, ...], Any]:
    """Check samples and their labels against a model and a loss."""
    samples = check_samples(model, x)
    return samples, task.read_labels(y, len(samples[0]), model.made)
