"""What a model answers for a test set, brought into one form for each task: classes, labels or values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinynet import ops
from tinynet.checks import check_numbers
from tinynet.core.engine import Tensor
from tinynet.errors import ArgumentError, ShapeError
from tinynet.model import Model
from tinynet.report.style import Array, class_names
from tinynet.train.inputs import in_order
from tinynet.train.joint import names_of
from tinynet.train.nests import leaves
from tinynet.train.several import Losses

CLASSES, LABELS, VALUES = "classes", "labels", "values"
_BY_LOSS = {"cross_entropy": CLASSES, "binary_cross_entropy": LABELS, "mse": VALUES, "mae": VALUES, "huber": VALUES}
_MOST_VALUES = 6  # of a sample that are shown one by one


@dataclass(frozen=True, eq=False)
class Answers:
    """What a model answers at one of its outputs, and what is true.

    Attributes
    ----------
    output : str
        The name of the output; "" if the model has one.
    task : str
        "classes": each sample is of one of K classes; "labels": each has some of K labels; "values": K numbers.
    given : ndarray
        (n, K): probabilities, or the numbers.
    truth : ndarray
        (n,) class numbers; (n, K) of 0 and 1, or numbers.
    names : tuple of str
        Of the classes, labels or values.
    """

    output: str
    task: str
    given: Array
    truth: Array
    names: tuple[str, ...]

    @property
    def predicted(self) -> Array:
        """The predicted classes, (n,)."""
        found: Array = self.given.argmax(axis=1)
        return found

    @property
    def confidence(self) -> Array:
        """The probabilities of the predicted classes, (n,)."""
        found: Array = self.given.max(axis=1)
        return found

    @property
    def indicators(self) -> Array:
        """Which samples are of which class or label, (n, K) of 0 and 1."""
        return np.eye(self.given.shape[1])[self.truth] if self.task == CLASSES else self.truth


def answers_of(model: Model, x: Any, y: Any, loss: Any = None, names: Any = None) -> list[Answers]:
    """Let a model answer for samples.

    Parameters
    ----------
    model : Model
        Of one output or several.
    x, y : array_like
        Samples and labels, as for `tinynet.Model.evaluate`.
    loss : str, callable, tuple or dict, optional
        As for `tinynet.Model.evaluate`; by default that of the last `fit`. An output with a function of the user's for
        a loss counts as one of values, unless its labels are whole numbers beside outputs (n, K).
    names : sequence of str or dict, optional
        Of the classes, labels or values; of a model of several outputs a dict of them, by the names of outputs.

    Returns
    -------
    list of Answers
        One for each output that has a loss.

    Raises
    ------
    ArgumentError
        If there are fewer names than classes.
    ShapeError, DataError, DTypeError, NotBuiltError
        As from `tinynet.Model.predict`, or if labels do not fit the outputs.
    """
    made = model.build_model().made
    given = model.fitted_loss if loss is None else loss
    losses = given.loss if isinstance(given, Losses) else given
    outputs = leaves(model.predict(x))
    if isinstance(made, Tensor):
        return [_answers("", made, outputs[0], y, losses, names)]
    outs = names_of(made)
    chosen = in_order("loss", losses, outs) if isinstance(losses, dict | tuple | list) else [losses] * len(outs)
    labels = in_order("y", y, outs)
    words = names if isinstance(names, Mapping) else {}
    parts = zip(outs, leaves(made), outputs, labels, chosen, strict=True)
    return [_answers(out, node, array, true, one, words.get(out)) for out, node, array, true, one in parts if one]


def as_probabilities(outputs: Array) -> Array:
    """Return the probabilities of classes, (n, K): outputs that are some as they are, others after a softmax."""
    if (outputs >= 0).all() and np.allclose(outputs.sum(axis=1), 1, atol=1e-3):
        return outputs
    return _values(ops.softmax(outputs))


def _answers(output: str, made: Any, given: Array, y: Any, loss: Any, names: Sequence[str] | None) -> Answers:
    truth = check_numbers("y", y)
    if len(truth) != len(given):
        raise ShapeError(f"y has {len(truth)} labels, but x has {len(given)} samples")
    task = _BY_LOSS.get(loss) if isinstance(loss, str) else None
    if task is None:
        whole = given.ndim == 2 and truth.ndim == 1 and truth.dtype.kind in "iub" and given.shape[1] > 1
        task = CLASSES if whole else VALUES
    op = made.node.op if made.node is not None else None
    if task == CLASSES:
        rows = given.reshape(-1, given.shape[-1])
        true = truth.reshape(-1, truth.shape[-1]).argmax(axis=1) if truth.shape == given.shape else truth.reshape(-1)
        return _named(output, task, rows if op is ops.softmax else as_probabilities(rows), true, names)
    flat = given.reshape(len(given), -1)
    true = truth.reshape(len(truth), -1)
    if flat.shape != true.shape:
        raise ShapeError(f"the outputs have shape {given.shape}, but y has shape {truth.shape}")
    if task == LABELS:
        rows = flat if op is ops.sigmoid else _values(ops.sigmoid(flat))
        if rows.shape[1] == 1:  # one question, whose answers are two classes
            return _named(output, CLASSES, np.hstack([1 - rows, rows]), (true[:, 0] > 0.5).astype(np.int64), names)
        return _named(output, task, rows, (true > 0.5).astype(np.int64), names)
    if flat.shape[1] > _MOST_VALUES and names is None:  # as of a picture: all are alike
        flat, true = flat.reshape(-1, 1), true.reshape(-1, 1)
    return _named(output, task, flat, true, names or (["value"] if flat.shape[1] == 1 else None))


def _named(output: str, task: str, given: Array, truth: Array, names: Sequence[str] | None) -> Answers:
    words = class_names("the report", names, given.shape[1])
    if len(words) != given.shape[1]:
        raise ArgumentError(f"the report: there are {given.shape[1]} {task}, but {len(words)} names")
    return Answers(output, task, given, truth.astype(np.int64) if task == CLASSES else truth, tuple(words))


def _values(tensor: Tensor) -> Array:
    found: Array = tensor.data
    return found
