"""Functions that compute the batches of a prediction or an evaluation: eager, or compiled and kept by the model."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, cast

from tinynet.core.engine import Tensor
from tinynet.core.mode import note_change
from tinynet.nn.layer import nested
from tinynet.nn.network import Network
from tinynet.train.step import engine_room
from tinynet.train.task import Task
from tinynet.train.weighted import identity

_MOST_KEPT = 8  # compiled functions that a model keeps, and plans of each


def _evaluate(model: Network, task: Task, labels: Any, *samples: Tensor) -> Any:
    """Compute the losses and the outputs of a batch."""
    output = model(*samples)
    return task.losses(output, labels), output


def compiled_inference(model: Network, task: Task | None) -> Any:
    """Return the compiled form of `_evaluate`, or of the model alone, which the model keeps."""
    note_change()  # lists and other objects that layers hold may change without an assignment
    key = identity(task and task.loss)  # the loss is kept with its plans, so that no other function gets its identity
    kept = model.plans.pop(key, None)
    function = partial(_evaluate, model, task) if task else model
    made = kept or (engine_room().Compiled(function, str(model), most=_MOST_KEPT), task)
    model.plans[key] = made
    while len(model.plans) > _MOST_KEPT:
        model.plans.pop(next(iter(model.plans)), None)
    return made[0]


def runner(model: Network, task: Task | None, compiled: bool) -> Callable[..., Any]:
    """Return a function that computes the same for a batch, into arrays that its next call may overwrite."""
    if compiled:
        return cast(Callable[..., Any], compiled_inference(model, task).replay)
    function = partial(_evaluate, model, task) if task else model
    return lambda *data: nested(function(*nested(data, Tensor)), lambda made: made.data)
