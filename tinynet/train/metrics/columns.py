"""Classes as columns of yes and no: one for the predictions, one for the labels."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tinynet.core.spec import Array
from tinynet.errors import DataError, ShapeError
from tinynet.train.metrics.correct import check_outputs, check_threshold, class_numbers, whole_classes


class Columns(NamedTuple):
    """For each of K classes, which samples were taken for it and which belong to it.

    Attributes
    ----------
    taken, actual : ndarray of bool
        (n, K).
    binary : bool
        Whether the columns are no and yes, in answer to one question.
    """

    taken: Array
    actual: Array
    binary: bool


def by_sample(metric: str, output: Any, labels: Any) -> tuple[Array, Array]:
    """Check outputs and labels; of outputs (n, ..., K), such as those of sequences, each step counts as a sample."""
    outputs, actual = check_outputs(metric, output, labels)
    if outputs.ndim <= 2:
        return outputs, actual
    before = outputs.shape[:-1]
    if actual.shape[: len(before)] != before:
        raise ShapeError(f"{metric}: outputs of shape {outputs.shape} need labels {before}, but got {actual.shape}")
    return outputs.reshape(-1, outputs.shape[-1]), actual.reshape(-1, *actual.shape[len(before) :])


def as_columns(metric: str, output: Any, labels: Any, threshold: float | None) -> Columns:
    """Bring outputs and labels into columns.

    Parameters
    ----------
    metric : str
        The name of the metric, for errors.
    output : array_like
        One float or bool for each sample: yes above the threshold, 0.5 by default. (n, K), without a threshold: the
        class of a sample is that of its largest output. (n, K), with a threshold: each column is a question of its own,
        and the answer is yes above the threshold. Or integers, (n,) or (n, 1): class numbers. A NaN is neither yes nor
        no, and a row with a NaN is of no class. (n, ..., K) counts as more samples.
    labels : array_like
        For these forms of the output: 0 and 1; class numbers, or rows, whose largest value is the label; rows of 0 and
        1.
    threshold : float or None
        See ``output``.

    Returns
    -------
    Columns
        The columns of the samples.
    """
    outputs, actual = by_sample(metric, output, labels)
    single = outputs.size == len(outputs) and outputs.dtype.kind in "fb"
    if not single and threshold is None:
        predicted, true, k = whole_classes(metric, *class_numbers(metric, outputs, actual))
        classes = np.arange(k)
        return Columns(predicted[:, None] == classes, true[:, None] == classes, False)
    least = 0.5 if threshold is None else check_threshold(metric, threshold)
    if single:
        yes = answers(metric, actual, (len(outputs), 1))
        outputs = outputs.reshape(-1, 1)
        taken = np.concatenate([outputs <= least, outputs > least], axis=1)
        return Columns(taken, np.concatenate([~yes, yes], axis=1), True)
    return Columns(outputs > least, answers(metric, actual, outputs.shape), False)


def answers(metric: str, labels: Array, shape: tuple[int, ...]) -> Array:
    """Check labels that are answers to the questions of an output, 0 for no and 1 for yes; returns them as bool."""
    if labels.size != np.prod(shape) or len(labels) != shape[0]:
        raise ShapeError(f"{metric}: outputs of shape {shape} need as many labels, but got shape {labels.shape}")
    yes: Array = labels == 1
    if not (yes | (labels == 0)).all():
        sample = int(np.argmin((yes | (labels == 0)).reshape(len(labels), -1).all(axis=1)))
        raise DataError(f"{metric}: labels must be 0 or 1, but sample {sample} has {labels[sample]}")
    return yes.reshape(shape)
