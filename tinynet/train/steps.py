"""One batch at a time, eager or compiled: a training step, an evaluation, a prediction."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from tinynet.core.engine import Tensor, grad
from tinynet.core.mode import no_grad
from tinynet.core.spec import Array, Spec
from tinynet.errors import ArgumentError
from tinynet.ops.loss import Loss, scalar_loss
from tinynet.optim.optimizer import Optimizer, State, changed
from tinynet.train.task import Task, Trainable

Figures = dict[str, float]
_MOST_PLANS = 8  # that a model keeps


class TrainingStep:
    """The step of a run of `fit`: gives the figures of a batch from before its update.

    Where the loss is not finite there is no update: the parameters are those before the batch.
    """

    stopped = ""  # why there is no further step, if there is none
    whole = False  # whether each step takes all samples
    measured = 256  # samples at a time in a validation

    def __init__(
        self,
        model: Trainable,
        task: Task,
        optimizer: Any,
        state: State,
        samples: Array,
        labels: Array,
    ) -> None:
        self.model, self.task, self.optimizer, self.state = model, task, optimizer, state
        self.samples, self.labels = samples, labels
        self.parameters = list(model.parameters.values())

    def __call__(self, indices: Array) -> Figures:
        """Train on the samples at some indices."""
        raise NotImplementedError


_makers: dict[type, Callable[..., TrainingStep]] = {}


def register_step(kind: type, make: Callable[..., TrainingStep]) -> None:
    """Let the optimizers of a kind be trained with by steps of their own.

    Parameters
    ----------
    kind : type
        The class of the optimizers.
    make : callable
        Takes what `TrainingStep` takes, and ``compiled``; a step that has ``whole`` set is made on all samples.
    """
    _makers[kind] = make


def make_step(
    optimizer: Any, compiled: bool, model: Trainable, task: Task, samples: Array, labels: Array
) -> TrainingStep:
    """Make the step of a run of `fit`, as the optimizer needs it."""
    state = optimizer.initial_state(model.theta)
    arguments = model, task, optimizer, state, samples, labels
    for kind, make in _makers.items():
        if isinstance(optimizer, kind):
            return make(*arguments, compiled=compiled)
    return (CompiledStep if compiled else EagerStep)(*arguments)


def is_optimizer(thing: Any) -> bool:
    """Return whether a thing can be trained with."""
    return isinstance(thing, (Optimizer, *_makers))


class EagerStep(TrainingStep):
    """Each op computed as it is called: the reference."""

    def __call__(self, indices: Array) -> Figures:
        """Train on the samples at some indices."""
        labels = self.labels[indices]
        output = self.model(Tensor(self.samples[indices]))
        loss = scalar_loss(self.task.loss, output, Tensor(labels))
        figures = measure(self.task, output, loss.item(), output.data, labels)
        if math.isfinite(figures["loss"]):
            gradients = grad(loss, self.parameters)
            gradient = np.concatenate([g.data.reshape(-1) for g in gradients])
            self.optimizer.apply(self.model.theta, gradient, self.state)
            changed(self.parameters)
        return figures


class CompiledStep(TrainingStep):
    """A plan replayed; one for each size of batch, the full one and that of a last, smaller one."""

    def __init__(self, *arguments: Any, fused: bool = True) -> None:
        super().__init__(*arguments)
        # Otherwise each step would make a copy of the whole.
        self.samples, self.labels = (np.ascontiguousarray(a) for a in (self.samples, self.labels))
        self.fused = fused
        self.plans: dict[int, tuple[Any, Tensor]] = {}

    def __call__(self, indices: Array) -> Figures:
        """Train on the samples at some indices."""
        size = len(indices)
        if size not in self.plans:
            arguments = (self.model, self.task.loss, self.optimizer, self.state, self.samples, self.labels, size)
            from tinynet.fast.trace import training_plan  # the engine room begins here

            self.plans[size] = training_plan(*arguments, fused=self.fused)
        plan, traced = self.plans[size]
        values = plan.replay(indices=indices, learning_rate=self.optimizer.learning_rate)
        figures = measure(self.task, traced, values["loss"].item(), values["output"], values["labels"])
        if math.isfinite(figures["loss"]):
            plan.commit()
            changed(self.parameters)
        return figures


def measure(task: Task, made: Tensor, loss: float, output: Array, labels: Array) -> Figures:
    """Give the loss and the metrics of a batch; ``made`` tells what op made the output."""
    measured = {name: _number(name, metric(output, labels)) for name, metric in task.metrics(made).items()}
    return {"loss": loss, **measured}


def _number(metric: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        came = f"an array of shape {value.shape}" if isinstance(value, np.ndarray) else repr(value)
        raise ArgumentError(f"metric {metric} must give one number, but gave {came}") from None


def batches(n: int, size: int) -> Iterator[slice]:
    """Cut n samples into batches; the last may be smaller."""
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def outputs(model: Trainable, x: Array, parts: Iterable[slice], compiled: bool) -> Iterator[tuple[slice, Array]]:
    """Compute the outputs of a model batch by batch."""
    configuration = model.configuration() if compiled else None
    for part in parts:
        batch = x[part]
        if compiled:
            from tinynet.fast.trace import inference_plan

            spec = Spec(batch.shape, batch.dtype)
            plan = _kept(model, ("predict", spec, configuration), partial(inference_plan, model, spec))
            yield part, plan.run(x=batch)["output"]
        else:
            with no_grad():
                yield part, model(Tensor(batch)).data


def figures(
    model: Trainable, task: Task, x: Array, y: Array, parts: Iterable[slice], compiled: bool
) -> Iterator[tuple[int, Figures]]:
    """Measure a model batch by batch; gives the number of samples and their figures."""
    configuration = model.configuration() if compiled else None
    for part in parts:
        batch, labels = x[part], y[part]
        if compiled:
            specs = Spec(batch.shape, batch.dtype), Spec(labels.shape, labels.dtype)
            key = ("evaluate", id(task.loss), *specs, configuration)
            plan, made, _ = _kept(model, key, partial(_evaluation, model, task.loss, *specs))
            values: Mapping[str, Array] = plan.run(x=batch, y=labels)
            yield len(batch), measure(task, made, values["loss"].item(), values["output"], labels)
        else:
            with no_grad():
                output = model(Tensor(batch))
                loss = scalar_loss(task.loss, output, Tensor(labels))
            yield len(batch), measure(task, output, loss.item(), output.data, labels)


def _evaluation(model: Trainable, loss: Loss, x: Spec, y: Spec) -> tuple[Any, Tensor, Loss]:
    """Make a plan, to be kept with the loss, whose identity is in the key."""
    from tinynet.fast.trace import evaluation_plan

    return *evaluation_plan(model, loss, x, y), loss


def _kept(model: Trainable, key: tuple[Hashable, ...], make: Callable[[], Any]) -> Any:
    """Give the plan that a model keeps under a key, or make it; the oldest goes when there are too many."""
    plans = model.plans
    plan = plans.pop(key, None) or make()
    plans[key] = plan
    while len(plans) > _MOST_PLANS:
        plans.pop(next(iter(plans)), None)
    return plan
