"""The training step: forward, loss, gradient, update on one batch; eager or compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinynet.core.engine import Tensor
from tinynet.core.spec import Array
from tinynet.core.transaction import TrainMode
from tinynet.errors import ArgumentError
from tinynet.nn.layer import nested
from tinynet.nn.network import Network
from tinynet.ops.shape import _index
from tinynet.optim.optimizer import Optimizer
from tinynet.train.task import Measures, Task


def engine_room() -> Any:
    """Return the module that compiles steps; nothing else in the book imports from the engine room."""
    from tinynet.fast import compile

    return compile


class TrainingStep:
    """The step of a run of `fit`: returns the measures of a batch from before its update.

    Where the loss or its gradient is not finite, it raises a NonFiniteError, and everything is as before the batch.
    """

    stopped = ""  # why there is no further step; empty if there is one
    full_batch = False  # whether each step takes all samples
    validation_size = 256  # samples at a time in a validation

    def __init__(self, model: Network, task: Task, optimizer: Any, samples: Any, labels: Any) -> None:
        self.model = model
        self.task = task
        self.optimizer = optimizer
        self.samples = samples if isinstance(samples, tuple) else (samples,)  # one array for each input
        self.labels = labels

    @property
    def vectors(self) -> dict[str, Array]:
        """What the optimizer carries from step to step."""
        raise NotImplementedError

    def __call__(self, indices: Array) -> Measures:
        """Train on the samples at some indices."""
        raise NotImplementedError


class BatchStep(TrainingStep):
    """The step of an `Optimizer`, on a batch: a function of ops that a user could have written."""

    def __init__(self, *arguments: Any, mode: TrainMode, compiled: bool) -> None:
        super().__init__(*arguments)
        self.mode = mode
        self.data = nested((self.samples, self.labels), lambda a: Tensor(np.ascontiguousarray(a)))
        self.compiled: Any = None
        self.execute: Callable[[Array], Any] = self._eager
        if compiled:
            self.compiled = engine_room().Compiled(self.descend, "the step of fit")
            self.execute = self.compiled.replay

    @property
    def vectors(self) -> dict[str, Array]:
        """What the optimizer carries from step to step; it may have some from a run before."""
        found: dict[str, Array] = self.optimizer.state_of(self.model)
        return found

    def descend(self, indices: Tensor) -> Any:
        """Train on the samples at some indices; returns the losses, and the outputs and labels to measure."""
        samples, labels = nested(self.data, lambda whole: _index(whole, indices, checked=True))
        output = self.model(*samples)
        losses = self.task.losses(output, labels)
        self.check_loss(losses[0])
        self.optimizer.minimize(losses[0], self.model)
        return losses, *self.task.to_measure(output, labels)

    def check_loss(self, loss: Tensor) -> None:
        """Refuse a loss that cannot be meant; `tinynet.train.strays` replaces this method."""

    def _eager(self, indices: Array) -> Any:
        return nested(self.descend(Tensor(indices)), lambda made: made.data)

    def __call__(self, indices: Array) -> Measures:
        """Train on the samples at some indices."""
        with self.mode:
            losses, output, labels = self.execute(indices)
            return self.task.measure(self.model.made, losses, output, labels)


_makers: dict[tuple[type, bool], Callable[..., TrainingStep]] = {}


def register_step(kind: type, make: Callable[..., TrainingStep], micro_batches: bool = False) -> None:
    """Register the step with which `fit` trains by the optimizers of a class.

    Parameters
    ----------
    kind : type
        The class of the optimizers.
    make : callable
        Takes the arguments of `BatchStep`, and returns a `TrainingStep`.
    micro_batches : bool
        Whether the step cuts its batches; ``make`` then takes the argument ``micro_batches``, too.
    """
    _makers[kind, micro_batches] = make


register_step(Optimizer, BatchStep)


def is_optimizer(thing: Any) -> bool:
    """Return whether a step is registered for the class of a thing."""
    return isinstance(thing, tuple(kind for kind, _ in _makers))


def make_step(optimizer: Any, *arguments: Any, micro_batches: int = 1, **options: Any) -> TrainingStep:
    """Make the step that is registered for an optimizer; the other arguments are those of `BatchStep`."""
    fitting = [
        make for (kind, cut), make in _makers.items() if isinstance(optimizer, kind) and cut == (micro_batches > 1)
    ]
    if not fitting:
        raise ArgumentError(
            f"{type(optimizer).__name__} takes no micro-batches; leave out micro_batches={micro_batches}"
        )
    if micro_batches > 1:
        options["micro_batches"] = micro_batches
    model, task, *data = arguments
    return fitting[0](model, task, optimizer, *data, **options)
