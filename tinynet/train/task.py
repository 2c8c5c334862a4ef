"""Tasks: a loss, the check of its labels, and what is measured; `fit` finds one by the name of the loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from tinynet.checks import defined_in, find_function, readers
from tinynet.core.engine import Tensor
from tinynet.core.spec import Array, Shape
from tinynet.errors import DataError, ShapeError
from tinynet.ops.loss import Loss, check_classes, cross_entropy, scalar_loss

MetricFunction = Callable[[Array, Array], float]
Measures = dict[str, float]  # the loss and the metrics of some samples, by name


@dataclass(frozen=True)
class Task:
    """A loss and the check of its labels.

    This one measures the loss alone. Those of `tinynet.train.measuring` and `tinynet.train.chosen` have metrics, too.
    In all methods, ``made`` is `Network.made`: an output on shapes, whose node says which op made it.
    """

    loss: Loss
    check_labels: Callable[[Array, Shape], None]  # against the shape of the outputs

    of_users: ClassVar[Callable[[Loss], Task]] = defined_in("tinynet.train.pairing")  # from a function
    of_several: ClassVar[Callable[[Any, Any, Any], Task]] = defined_in("tinynet.train.several")  # for several outputs
    measured_by: ClassVar[Callable[[Task, Sequence[MetricFunction | str]], Task]] = defined_in("tinynet.train.chosen")

    def read_labels(self, y: Any, n: int, made: Any) -> Any:
        """Check the labels of n samples against the shape of the output; returns them as an array."""
        labels = readers[-1]("y", y)
        if not labels.ndim or len(labels) != n:
            raise ShapeError(f"x has {n} samples, but y has shape {labels.shape}; each sample needs one label")
        if not isinstance(labels, np.ndarray):  # labels of a source of batches are checked when they are read
            labels.check = self.check_labels, made.shape[1:]
            return labels
        if labels.dtype.kind == "f" and not np.isfinite(labels).all():
            raise DataError("y has NaN or infinite values; clean the data first")
        self.check_labels(labels, (n, *made.shape[1:]))
        return labels

    def losses(self, output: Any, labels: Any) -> list[Tensor]:
        """Return the loss of a batch, followed by the losses that it is the sum of, if there are several outputs."""
        return [scalar_loss(self.loss, output, labels)]

    def to_measure(self, output: Any, labels: Any) -> tuple[Any, Any]:
        """Return the parts of the output and of the labels that `measure` needs; a step need not compute the rest."""
        return (), ()

    def measure(self, made: Any, losses: list[Array], output: Any, labels: Any) -> Measures:
        """Return the loss and the metrics of a batch, by name."""
        return {"loss": losses[0].item()}

    def weigh(self, labels: Any, indices: Array) -> dict[str, float]:
        """Return the weight of a batch in the mean of each loss, by name; without, it is the number of samples."""
        return {}


tasks = {"cross_entropy": Task(cross_entropy, check_classes)}  # by the name that `fit` takes


def find_task(loss: Any, metrics: Any = None, made: Any = None) -> Task:
    """Return the task of a loss, which is a name or a function, with its own metrics or those of the user."""
    if made is not None and not isinstance(made, Tensor):
        return Task.of_several(loss, metrics, made)
    named = {name: task.loss for name, task in tasks.items()}
    found = find_function("loss must be", named, loss, "(output, labels) made of ops")
    task = tasks[loss] if isinstance(loss, str) else Task.of_users(found)
    return task if metrics is None else task.measured_by(metrics)
