"""Tasks: what is minimised, by name or by a function of the user's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from tinynet.checks import defined_in, find_function
from tinynet.core.engine import Tensor
from tinynet.core.spec import Array, Shape
from tinynet.errors import ShapeError
from tinynet.ops.loss import Loss, check_classes, cross_entropy

MetricFunction = Callable[[Array, Array], float]
Measures = dict[str, float]  # the loss and the metrics of some samples, by name


@dataclass(frozen=True)
class Task:
    """What is minimised; tasks of the shelf measure more than the loss (`tinynet.train.measuring`, `chosen`)."""

    loss: Loss
    check_labels: Callable[[Array, Shape], None]  # against the shape of the outputs

    measured_by: ClassVar[Callable[[Task, Sequence[MetricFunction | str]], Task]] = defined_in("tinynet.train.chosen")

    def measure(self, made: Tensor | None, loss: float, output: Array, labels: Array) -> Measures:
        """Return what is measured of a batch; the node of ``made`` tells which op made the output."""
        return {"loss": loss}


def shape_of_batch(shape: Shape) -> str:
    """Write the shape of a batch of n samples: (n, 28, 28)."""
    sizes = ", ".join(["n", *map(str, shape[1:])])
    return f"({sizes})" if len(shape) > 1 else "(n,)"


def _check_classes(labels: Array, shape: Shape) -> None:
    if len(shape) != 2:
        raise ShapeError(
            f"cross_entropy: the model's output must have shape (n, classes), but has {shape_of_batch(shape)}; is a "
            "Flatten or a Dense layer missing?"
        )
    check_classes(labels, shape[0], shape[1])


tasks = {"cross_entropy": Task(cross_entropy, _check_classes)}  # what `fit` knows by a name


_user_checks: list[Callable[[Loss, Array, Shape], None]] = []


def check_user_losses(check: Callable[[Loss, Array, Shape], None]) -> None:
    """Check labels for a loss of a user's own by a function of the loss, the labels and the shape of the outputs."""
    _user_checks.append(check)


def _checked(loss: Loss, labels: Array, shape: Shape) -> None:
    for check in _user_checks:
        check(loss, labels, shape)


def find_task(loss: str | Loss, metrics: Sequence[MetricFunction | str] | None = None) -> Task:
    """Find a loss by its name, with its own metrics, or take the user's functions."""
    named = {name: task.loss for name, task in tasks.items()}
    found = find_function("loss must be", named, loss, "(output, labels) made of ops")
    task = tasks[loss] if isinstance(loss, str) else Task(found, partial(_checked, found))
    return task if metrics is None else task.measured_by(metrics)
