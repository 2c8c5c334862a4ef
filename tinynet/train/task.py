"""Tasks: what is minimised, by name or by a function of the user's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from tinynet.checks import defined_in, find_function
from tinynet.core.engine import Tensor
from tinynet.core.spec import Array, Shape
from tinynet.ops.loss import Loss, check_classes, cross_entropy

MetricFunction = Callable[[Array, Array], float]
Measures = dict[str, float]  # the loss and the metrics of some samples, by name


@dataclass(frozen=True)
class Task:
    """What is minimised; tasks of the shelf measure more than the loss (`tinynet.train.measuring`, `chosen`)."""

    loss: Loss
    check_labels: Callable[[Array, Shape], None]  # against the shape of the outputs

    of_users: ClassVar[Callable[[Loss], Task]] = defined_in("tinynet.train.pairing")  # a loss that is a function
    measured_by: ClassVar[Callable[[Task, Sequence[MetricFunction | str]], Task]] = defined_in("tinynet.train.chosen")

    def measure(self, made: Tensor | None, loss: float, output: Array, labels: Any) -> Measures:
        """Return what is measured of a batch; the node of ``made`` tells which op made the output."""
        return {"loss": loss}

    def weigh(self, labels: Any, indices: Array) -> float:
        """Return how much the samples at some indices count in the mean loss."""
        return len(indices)


tasks = {"cross_entropy": Task(cross_entropy, check_classes)}  # what `fit` knows by a name


def find_task(loss: str | Loss, metrics: Sequence[MetricFunction | str] | None = None) -> Task:
    """Find a loss by its name, with its own metrics, or take the user's functions."""
    named = {name: task.loss for name, task in tasks.items()}
    found = find_function("loss must be", named, loss, "(output, labels) made of ops")
    task = tasks[loss] if isinstance(loss, str) else Task.of_users(found)
    return task if metrics is None else task.measured_by(metrics)
