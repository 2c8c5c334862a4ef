"""Validation: the loss and the metrics on samples that are kept apart, after each epoch of a run."""

from __future__ import annotations

from typing import Any

from tinynet.core.spec import Array
from tinynet.errors import ArgumentError, TinynetError
from tinynet.nn.network import Network
from tinynet.train.block import Whole
from tinynet.train.evaluating import measure
from tinynet.train.run import Run
from tinynet.train.samples import check_labelled
from tinynet.train.task import Measures, Task
from tinynet.train.weights import with_weights


def check_validation(model: Network, data: Any, task: Task) -> tuple[Task, tuple[Array, ...], Any]:
    """Check the samples, labels and weights of a validation; the errors name ``validation_data``."""
    several = isinstance(data, tuple | list)
    if not several or len(data) not in (2, 3):
        came = f"{len(data)} of them" if several else f"a {type(data).__name__}"
        raise ArgumentError(
            f"validation_data must be a pair of samples and labels, (x, y), or these and weights, (x, y, w), but got "
            f"{came}"
        )
    x, y, *weights = data
    try:
        samples, labels = check_labelled(model, x, y, task)
        task, labels = with_weights(task, labels, weights[0] if weights else None, None, model.dtype)
        return task, samples, labels
    except TinynetError as error:
        raise type(error)(f"validation_data: {error}") from error


class Validation:
    """The callback of every run with ``validation_data``."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        self.model, self.compiled = arguments["model"], arguments["compiled"]
        self.task, *data = check_validation(self.model, arguments["validation_data"], arguments["task"])
        self.data = arguments["validation_data"] = tuple(data)
        self.partners: Any = Whole()

    def measures(self, run: Run) -> Measures:
        """Return the measures, as "val_loss" and so on."""
        x, y = self.data
        found = measure(self.model, self.task, x, y, run.step.validation_size, self.compiled, self.partners)
        return {f"val_{name}": value for name, value in found.items()}


def validate(arguments: dict[str, Any]) -> list[Validation]:
    """Return the callback that validates a run, if there are samples for it."""
    return [] if arguments["validation_data"] is None else [Validation(arguments)]
