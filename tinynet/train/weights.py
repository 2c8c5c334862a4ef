"""The weights of samples and of classes that a user passes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tinynet import ops
from tinynet.checks import check_numbers
from tinynet.core.spec import Array
from tinynet.errors import DataError, ShapeError
from tinynet.nn.layer import nested
from tinynet.train.classes import weights_by_class
from tinynet.train.inputs import in_order
from tinynet.train.joint import Joint
from tinynet.train.nests import leaves
from tinynet.train.pairing import named_task
from tinynet.train.task import Task
from tinynet.train.weighing import WeightedTask
from tinynet.train.weighted import Weighted


def with_weights(
    task: Task, labels: Any, sample_weight: Any, class_weight: Any, dtype: npt.DTypeLike
) -> tuple[Task, Any]:
    """Return a task and labels with weights, or the same ones if there are no weights.

    Parameters
    ----------
    task : Task
        The task without weights.
    labels : ndarray or dict of ndarray
        (n, ...); for several outputs, by their names.
    sample_weight : array_like, dict, tuple or None
        (n,), or with further axes of the labels: numbers of 0 or more, not all of them 0. For several outputs also a
        dict of such arrays by name, or a tuple in order.
    class_weight : mapping, array_like, "balanced", dict, tuple or None
        See `tinynet.train.classes.weights_by_class`; multiplied by ``sample_weight``. For several outputs a dict by
        name, or a tuple in order.
    dtype : dtype_like
        The dtype of the weights.

    Returns
    -------
    Task, and ndarray or (ndarray, ndarray)
        The task, and the labels for its loss; the weights are a dict by output if they differ by output.

    Raises
    ------
    ArgumentError, DataError, ShapeError, DTypeError
        If the weights are not of that form, or there are weights of classes but the labels are not classes.
    """
    if sample_weight is None and class_weight is None:
        return task, labels
    weights: Any
    if isinstance(task.loss, Joint) and (class_weight is not None or is_by_output(sample_weight)):
        names = [part.name for part in task.loss.outputs]
        by_sample = _by_output("sample", sample_weight, names)
        by_class = _by_output("class", class_weight, names)
        weights = {
            part.name: _weights(part.task, labels[part.name], of_samples, of_classes, f" of {part.name!r}")
            for part, of_samples, of_classes in zip(task.loss.outputs, by_sample, by_class, strict=True)
        }
    else:
        weights = _weights(task, labels, sample_weight, class_weight)
    pair = labels, nested(weights, lambda w: w.astype(dtype))
    return WeightedTask(Weighted(task.loss), task.check_labels, {"": task}), pair


def is_by_output(given: Any) -> bool:
    """Return whether weights of samples are given for each output: in a dict, or in a tuple of arrays."""
    return isinstance(given, dict) or (isinstance(given, tuple) and any(one is None or np.ndim(one) for one in given))


def _by_output(kind: str, given: Any, names: list[str]) -> list[Any]:
    """Return the weights for each output: those of all outputs, or its own; None if a dict leaves it out."""
    if kind == "sample" and not is_by_output(given):
        return [given] * len(names)
    if isinstance(given, dict) and given.keys() <= set(names):
        given = dict.fromkeys(names) | given
    return [None] * len(names) if given is None else in_order(f"{kind}_weight", given, names)


def _weights(task: Task, labels: Any, sample_weight: Any, class_weight: Any, whose: str = "") -> Array:
    """Return the weights of samples, times those of their classes if there are any."""
    weights = np.ones(len(leaves(labels)[0]))
    if sample_weight is not None:
        weights = _checked(check_numbers("sample_weight", sample_weight), leaves(labels), whose)
    if class_weight is not None:
        named = named_task(task.loss)
        whole = np.asarray(labels)  # also of labels that are not in memory
        by_class = weights_by_class(whole, class_weight, rows=named is not None and named.loss is ops.cross_entropy)
        weights = weights * by_class.reshape(-1, *[1] * (weights.ndim - 1))
    if not weights.any():
        raise DataError(f"all weights{whose} are 0, so there is no mean of the losses")
    return weights


def _checked(weights: Array, labels: list[Array], whose: str) -> Array:
    n = len(labels[0])
    if not weights.ndim or any(given.shape[: weights.ndim] != weights.shape for given in labels):
        column = "; take its only column, w[:, 0]" if weights.shape == (n, 1) else ""
        raise ShapeError(
            f"sample_weight{whose} must have one number for each sample, so shape ({n},), but has shape "
            f"{weights.shape}{column}"
        )
    wrong = ~(weights >= 0) | (weights == np.inf)
    if wrong.any():
        at = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise DataError(
            f"sample_weight{whose} must have finite numbers of 0 or more, but has {weights[at]} at "
            f"{at if at[1:] else at[0]}"
        )
    return weights


def weigh_samples(arguments: dict[str, Any]) -> list[Any]:
    """Weigh the samples of a run by the arguments ``sample_weight`` and ``class_weight`` of `fit`."""
    given = arguments["sample_weight"], arguments["class_weight"]
    found = with_weights(arguments["task"], arguments["y"], *given, arguments["model"].dtype)
    arguments["task"], arguments["y"] = found
    return []
