"""Tasks: what is minimised, by name or by a function of the user's."""

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
    """What is minimised; tasks of the shelf measure more than the loss (`tinynet.train.measuring`, `chosen`)."""

    loss: Loss
    check_labels: Callable[[Array, Shape], None]  # against the shape of the outputs

    of_users: ClassVar[Callable[[Loss], Task]] = defined_in("tinynet.train.pairing")  # a loss that is a function
    of_several: ClassVar[Callable[[Any, Any, Any], Task]] = defined_in("tinynet.train.several")  # outputs
    measured_by: ClassVar[Callable[[Task, Sequence[MetricFunction | str]], Task]] = defined_in("tinynet.train.chosen")

    def read_labels(self, y: Any, n: int, made: Any) -> Any:
        """Check the labels of n samples, against outputs such as ``made``."""
        labels = readers[-1]("y", y)
        if not labels.ndim or len(labels) != n:
            raise ShapeError(f"x has {n} samples, but y has shape {labels.shape}; each sample needs one label")
        if not isinstance(labels, np.ndarray):  # they are checked when they are read
            labels.check = self.check_labels, made.shape[1:]
            return labels
        if labels.dtype.kind == "f" and not np.isfinite(labels).all():
            raise DataError("y has NaN or infinite values; clean the data first")
        self.check_labels(labels, (n, *made.shape[1:]))
        return labels

    def losses(self, output: Any, labels: Any) -> list[Tensor]:
        """Return the loss of a batch, and what else is measured together with it."""
        return [scalar_loss(self.loss, output, labels)]

    def reads(self, output: Any, labels: Any) -> tuple[Any, Any]:
        """Return what `measure` reads of the output and the labels of a batch; a step need not compute the rest."""
        return (), ()

    def measure(self, made: Any, losses: list[Array], output: Any, labels: Any) -> Measures:
        """Return what is measured of a batch; the node of ``made`` tells which op made the output."""
        return {"loss": losses[0].item()}

    def weigh(self, labels: Any, indices: Array) -> dict[str, float]:
        """Return how much the samples at some indices count in the mean losses, by names, where not each counts 1."""
        return {}


tasks = {"cross_entropy": Task(cross_entropy, check_classes)}  # what `fit` knows by a name


def find_task(loss: Any, metrics: Any = None, made: Any = None) -> Task:
    """Find a loss by its name, with its own metrics, or take the user's functions; for outputs such as ``made``."""
    if made is not None and not isinstance(made, Tensor):
        return Task.of_several(loss, metrics, made)
    named = {name: task.loss for name, task in tasks.items()}
    found = find_function("loss must be", named, loss, "(output, labels) made of ops")
    task = tasks[loss] if isinstance(loss, str) else Task.of_users(found)
    return task if metrics is None else task.measured_by(metrics)
