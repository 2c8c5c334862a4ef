"""Validation: the loss and the metrics on samples that are kept apart, after each epoch of a run."""

from __future__ import annotations

from typing import Any

from tinynet.core.spec import Array
from tinynet.errors import ArgumentError, TinynetError
from tinynet.nn.network import Network
from tinynet.train.inference import measure
from tinynet.train.run import Run
from tinynet.train.samples import check_labelled
from tinynet.train.task import Measures, Task


def check_validation(model: Network, data: Any, task: Task) -> tuple[Array, Array]:
    """Check a pair of samples and labels to validate on; errors say that they are about these."""
    several = isinstance(data, tuple | list)
    if not several or len(data) != 2:
        came = f"{len(data)} of them" if several else f"a {type(data).__name__}"
        raise ArgumentError(f"validation_data must be a pair of samples and labels, (x, y), but got {came}")
    x, y = data
    try:
        return check_labelled(model, x, y, task)
    except TinynetError as error:
        raise type(error)(f"validation_data: {error}") from error


class Validation:
    """The callback of every run with ``validation_data``."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        self.model, self.task, self.compiled = arguments["model"], arguments["task"], arguments["compiled"]
        self.data = arguments["validation_data"] = check_validation(self.model, arguments["validation_data"], self.task)

    def measures(self, run: Run) -> Measures:
        """Return what is measured, as "val_loss" and so on."""
        found = measure(self.model, self.task, *self.data, run.step.validation_size, self.compiled)
        return {f"val_{name}": value for name, value in found.items()}


def validate(arguments: dict[str, Any]) -> list[Validation]:
    """Let a run be validated, if there are samples for it."""
    return [] if arguments["validation_data"] is None else [Validation(arguments)]
