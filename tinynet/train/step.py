"""The training step: forward, loss, gradient, update on one batch; eager or compiled."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinynet.core.engine import Tensor, grad
from tinynet.core.spec import Array
from tinynet.nn.network import Network, changed
from tinynet.ops.loss import scalar_loss
from tinynet.optim.optimizer import Optimizer, State, hyperparameters
from tinynet.train.task import Measures, Task


def engine_room() -> Any:
    """Return what runs graphs fast; nothing else in the book knows it."""
    from tinynet.fast import compiled

    return compiled


class TrainingStep:
    """The step of a run of `fit`: returns the measures of a batch from before its update.

    Where the loss is not finite there is no update: the parameters are those before the batch.
    """

    stopped = ""  # why there is no further step; empty if there is one
    whole = False  # whether each step takes all samples
    validation_size = 256  # samples at a time in a validation

    def __init__(
        self,
        model: Network,
        task: Task,
        optimizer: Any,
        vectors: State,
        samples: Array,
        labels: Array,
    ) -> None:
        self.model = model
        self.task = task
        self.optimizer = optimizer
        self.vectors = vectors  # what the optimizer carries from step to step
        self.samples = samples
        self.labels = labels
        self.parameters = list(model.parameters.values())

    def __call__(self, indices: Array) -> Measures:
        """Train on the samples at some indices."""
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        """Return the state of the optimizer, for a checkpoint."""
        return {
            "hyperparameters": hyperparameters(self.optimizer),
            "vectors": dict(self.vectors),
            "stopped": self.stopped,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back."""
        vars(self.optimizer).update(state["hyperparameters"])
        for name, vector in self.vectors.items():
            vector[...] = state["vectors"][name]
        self.stopped = state["stopped"]


class EagerStep(TrainingStep):
    """Each op computed as it is called: the reference."""

    def __call__(self, indices: Array) -> Measures:
        """Train on the samples at some indices."""
        labels = self.labels[indices]
        output = self.model(Tensor(self.samples[indices]))
        loss = scalar_loss(self.task.loss, output, Tensor(labels))
        measures = self.task.measure(output, loss.item(), output.data, labels)
        if math.isfinite(measures["loss"]):
            gradients = grad(loss, self.parameters)
            gradient = np.concatenate([g.data.reshape(-1) for g in gradients])
            self.optimizer.apply(self.model.theta, gradient, self.vectors)
            changed(self.parameters)
        return measures


class CompiledStep(TrainingStep):
    """A plan replayed; one for each size of batch, the full one and that of a last, smaller one."""

    def __init__(self, *arguments: Any, fused: bool = True) -> None:
        super().__init__(*arguments)
        self.samples = np.ascontiguousarray(self.samples)  # or each replay would copy them as a whole
        self.labels = np.ascontiguousarray(self.labels)
        self.fused = fused
        self.plans: dict[int, tuple[Any, Tensor]] = {}

    def __call__(self, indices: Array) -> Measures:
        """Train on the samples at some indices."""
        size = len(indices)
        if size not in self.plans:
            self.plans[size] = self._plan(size)
        plan, traced = self.plans[size]
        values = plan.replay(indices=indices, learning_rate=self.optimizer.learning_rate)
        measures = self.task.measure(traced, values["loss"].item(), values["output"], values["labels"])
        if math.isfinite(measures["loss"]):
            plan.commit()
            changed(self.parameters)
        return measures

    def _plan(self, size: int) -> tuple[Any, Tensor]:
        arguments = (self.model, self.task.loss, self.optimizer, self.vectors, self.samples, self.labels, size)
        plan: tuple[Any, Tensor] = engine_room().training_plan(*arguments, fused=self.fused)
        return plan


_makers: dict[type, Callable[..., TrainingStep]] = {}


def register_step(kind: type, make: Callable[..., TrainingStep]) -> None:
    """Let the optimizers of a kind be trained with by steps of their own.

    Parameters
    ----------
    kind : type
        The class of the optimizers.
    make : callable
        Takes what `TrainingStep` takes, and ``compiled``; a step whose ``whole`` is true is made on all samples.
    """
    _makers[kind] = make


def is_optimizer(thing: Any) -> bool:
    """Return whether a thing can be trained with."""
    return isinstance(thing, (Optimizer, *_makers))


def make_step(
    optimizer: Any, compiled: bool, model: Network, task: Task, samples: Array, labels: Array
) -> TrainingStep:
    """Make the step of a run of `fit`, as the optimizer needs it."""
    arguments = (model, task, optimizer, optimizer.initial_state(model.theta), samples, labels)
    for kind, make in _makers.items():
        if isinstance(optimizer, kind):
            return make(*arguments, compiled=compiled)
    if compiled:
        return CompiledStep(*arguments)
    return EagerStep(*arguments)
