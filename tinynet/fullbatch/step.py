"""The training step of an optimizer with a line search."""

from __future__ import annotations

from typing import Any

from tinynet.core.spec import Array
from tinynet.fullbatch.line_search import LineSearchOptimizer
from tinynet.fullbatch.objective import Objective
from tinynet.optim.optimizer import changed
from tinynet.train.steps import Figures, TrainingStep, register_step


class FullBatchStep(TrainingStep):
    """A step of an optimizer with a line search, on all samples; the loss that it gives is that after the step."""

    whole = True

    def __init__(self, *arguments: Any, compiled: bool) -> None:
        super().__init__(*arguments)
        decay = self.optimizer.weight_decay
        self.objective = Objective(self.model, self.samples, self.labels, self.task.loss, decay, compiled=compiled)
        self.state |= self.objective.carried
        self.measured = self.objective.batches[0].stop

    def __call__(self, indices: Array) -> Figures:
        """Train on all samples, whatever the indices."""
        theta, objective = self.model.theta, self.objective
        record = self.optimizer.step(objective, theta)
        changed(self.parameters)
        self.stopped = record.stopped
        figures = {k: float(v) for k, v in vars(record).items() if k != "stopped"}
        figures["loss"] -= objective.penalty(theta)
        return figures


register_step(LineSearchOptimizer, FullBatchStep)
