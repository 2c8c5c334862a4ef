"""The training step of an optimizer with a line search."""

from __future__ import annotations

from typing import Any

from tinynet.core.spec import Array
from tinynet.core.transaction import TrainMode
from tinynet.errors import ArgumentError
from tinynet.fullbatch.line_search import LineSearchOptimizer
from tinynet.fullbatch.objective import Objective
from tinynet.train.nests import leaves
from tinynet.train.step import TrainingStep, register_step
from tinynet.train.task import Measures
from tinynet.train.weighing import WeightedTask
from tinynet.train.windowed import Windowed


class FullBatchStep(TrainingStep):
    """A step of an optimizer with a line search, on all samples; the loss that it returns is that after the step."""

    full_batch = True

    def __init__(self, *arguments: Any, mode: TrainMode, compiled: bool, micro_batches: int = 1) -> None:
        super().__init__(*arguments)
        if any(isinstance(data, Windowed) for data in leaves((self.samples, self.labels))):
            raise ArgumentError(
                f"{type(self.optimizer).__name__} takes all samples in each step, so they must be in memory, but these "
                "are read in batches; pass np.asarray(x) and np.asarray(y) if there is room for them"
            )
        labels, task, weights = self.labels, self.task, None
        if isinstance(task, WeightedTask):
            task = task.plain
            labels, weights = self.labels
        samples = self.samples if len(self.samples) > 1 else self.samples[0]
        options = {"l2": self.optimizer.weight_decay, "compiled": compiled, "micro_batches": micro_batches}
        self.objective = Objective(self.model, samples, labels, task, sample_weight=weights, **options)
        self.validation_size = self.objective.size
        self.carried = {**self.optimizer.initial_state(self.model.theta), **self.objective.carried}

    def join(self, partners: Any) -> None:
        """Let partners say which parts of the samples are computed here, and add them up."""
        self.objective.partners = partners  # type: ignore[attr-defined]

    @property
    def vectors(self) -> dict[str, Array]:
        """What the optimizer and the objective carry from step to step; it starts afresh with each run."""
        return self.carried

    def __call__(self, indices: Array) -> Measures:
        """Train on all samples, whatever the indices."""
        theta = self.model.theta
        record = self.optimizer.step(self.objective, theta)
        for parameter in self.model.parameters.values():
            parameter.version += 1  # so that no gradient is taken through its old values
        self.stopped = record.stopped
        measures = {name: float(value) for name, value in vars(record).items() if name != "stopped"}
        measures["loss"] -= self.objective.penalty(theta)
        return measures


register_step(LineSearchOptimizer, FullBatchStep)
register_step(LineSearchOptimizer, FullBatchStep, micro_batches=True)
