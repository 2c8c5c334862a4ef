"""Metrics that are computed once on all outputs of an epoch."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.errors import CheckpointError
from tinynet.saving.form import conforms
from tinynet.train.block import Whole
from tinynet.train.chosen import ChosenTask
from tinynet.train.compound import chosen_within
from tinynet.train.run import Run
from tinynet.train.task import Measures


class EpochMetrics:
    """The callback of every run with metrics of a set: computes them on the outputs of each epoch, at its end."""

    def __init__(self, task: ChosenTask, start: str) -> None:
        self.task = task
        self.start = start  # the prefix of its measures
        self.partners: Any = Whole()

    def measures(self, run: Run) -> Measures:
        """Return the metrics of the epoch."""
        found: Measures = self.partners.in_one(self.task.finish)
        return {self.start + name: value for name, value in found.items()}

    def state(self) -> dict[str, Any]:
        """Return the outputs and labels of the epoch so far."""
        return dict(vars(self.task.kept))

    def restore(self, state: dict[str, Any]) -> None:
        """Restore these."""
        if not conforms(state, {"outputs": [np.ndarray], "labels": [np.ndarray], "are_logits": bool}):
            raise CheckpointError("the checkpoint is damaged: it has no outputs of the epoch under way")
        if self.partners.is_first:  # which has the outputs of all processes
            vars(self.task.kept).update(state)


def measure_epochs(arguments: dict[str, Any]) -> list[EpochMetrics]:
    """Return the callback that computes metrics of whole epochs, if a run has any."""
    return [EpochMetrics(task, start) for start, task in chosen_within(arguments["task"]) if task.of_sets]
