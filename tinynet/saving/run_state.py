"""The state of a run as a dictionary, and back: everything that the rest of the run depends on."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from tinynet.errors import CheckpointError
from tinynet.optim.optimizer import hyperparameters, set_hyperparameters
from tinynet.saving.form import are_by_step
from tinynet.train.history import History, Means
from tinynet.train.order import Order
from tinynet.train.run import Run
from tinynet.train.step import BatchStep, TrainingStep


def stateful(run: Run) -> list[Any]:
    """Return the callbacks of a run that have a state."""
    return [callback for callback in run.callbacks if hasattr(callback, "state")]


def state_of(run: Run) -> dict[str, Any]:
    """Return the state of a run: everything that the rest of it depends on."""
    model = run.model
    return {
        "model": {
            "parameters": {name: leaf.memory for name, leaf in model.leaves.items()},
            "generator": model.rng.bit_generator.state,
        },
        "optimizer": _step_state(run.step),
        # A resumed run draws the order of the epoch under way again, by a generator in the same state.
        "order": {"generator": run.order.generator, "batch": run.order.batch},
        "means": {"total": dict(run.means.total), "count": dict(run.means.count)},
        "seconds": time.perf_counter() - run.started if run.batch else 0.0,  # of the epoch under way
        "history": dict(vars(run.history)),
        "callbacks": [callback.state() for callback in stateful(run)],
    }


def restore(run: Run, state: dict[str, Any]) -> None:
    """Restore a state before the run begins; the callbacks restore theirs when it does."""
    for name, leaf in run.model.leaves.items():
        leaf.memory[...] = state["model"]["parameters"][name]
        leaf.version += 1
    run.model.rng.bit_generator.state = state["model"]["generator"]
    _restore_step(run.step, state["optimizer"])
    _restore_order(run.order, state["order"])
    _restore_means(run.means, state["means"])
    run.started = time.perf_counter() - state["seconds"]
    _restore_history(run.history, state["history"])
    run.later[restore] = partial(_restore_callbacks, run, state)


def _step_state(step: TrainingStep) -> dict[str, Any]:
    """Return the state of the optimizer and, if the step draws random numbers, of these."""
    numbers = hyperparameters(step.optimizer)
    state = {"hyperparameters": numbers, "vectors": dict(step.vectors), "stopped": step.stopped}
    return state | {"mode": step.mode.state()} if isinstance(step, BatchStep) else state


def _restore_step(step: TrainingStep, state: dict[str, Any]) -> None:
    set_hyperparameters(step.optimizer, state["hyperparameters"])
    for name, vector in step.vectors.items():
        vector[...] = state["vectors"][name]
    step.stopped = state["stopped"]
    if isinstance(step, BatchStep):
        step.mode.restore(state["mode"])


def _restore_order(order: Order, state: dict[str, Any]) -> None:
    if not 0 <= state["batch"] <= order.batches:
        raise CheckpointError(f"batch {state['batch']} is not one of {order.batches}")
    order.rng.bit_generator.state = state["generator"]
    order.generator = state["generator"]
    order.batch = state["batch"]


def _restore_means(means: Means, state: dict[str, Any]) -> None:
    means.total = {name: float(value) for name, value in state["total"].items()}
    means.count = {name: float(state["count"][name]) for name in means.total}


def _restore_history(history: History, state: dict[str, Any]) -> None:
    epochs = len(state["seconds"])
    lengths = [len(values) for values in (state["learning_rates"], *state["history"].values())]
    if any(length != epochs for length in lengths):
        raise CheckpointError(f"the history of {epochs} epochs has lists of the lengths {lengths}")
    history.history = {name: [float(value) for value in values] for name, values in state["history"].items()}
    history.seconds = [float(value) for value in state["seconds"]]
    history.learning_rates = [float(value) for value in state["learning_rates"]]
    history.stopped = state["stopped"]
    history.by_step = _by_step(state["by_step"])


def _by_step(kept: dict[str, Any]) -> dict[str, list[float]]:
    """Check the losses by step in a file: three lists of numbers of equal length, or nothing."""
    if not are_by_step(kept, (int, float)):
        raise CheckpointError("the losses by step are not epoch, step, loss, of one length")
    return kept


def _restore_callbacks(run: Run, state: dict[str, Any]) -> None:
    """Restore the callbacks of a resumed run, and the optimizer as they had left it."""
    _restore_step(run.step, state["optimizer"])
    for callback, own in zip(stateful(run), state["callbacks"], strict=True):
        callback.restore(own)
