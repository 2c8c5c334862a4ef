"""A run of `fit` as a file, and back: a model file that also holds the state of the run."""

from __future__ import annotations

import copy
import inspect
import os
from functools import partial
from pathlib import Path
from typing import Any, cast

from tinynet.core.spec import Array
from tinynet.errors import CheckpointError
from tinynet.nn.layer import Layer
from tinynet.optim.optimizer import set_hyperparameters
from tinynet.saving.apart import apart, examples, together
from tinynet.saving.description import decode, describe
from tinynet.saving.files import write_atomically
from tinynet.saving.form import resembles
from tinynet.saving.modelfile import RUN_VERSION, ModelFile, encoded, opened
from tinynet.saving.places import as_path
from tinynet.saving.run_state import restore, state_of, stateful
from tinynet.saving.settings import describe_setting, settings
from tinynet.train.run import Run


def save(run: Run, path: str | os.PathLike[str], first: bool = False) -> None:
    """Save the run when all callbacks have been notified of this event, so that the file holds the state of each.

    Parameters
    ----------
    path : path-like
        The file; an existing one is replaced, whole or not at all.
    first : bool
        Whether this file is written before others that are requested at the same event.

    Raises
    ------
    ArgumentError
        When the file is written, if the model or the state of a callback cannot be put into a file.
    WriteError
        If the file cannot be written. The old file is then untouched.
    """
    place = as_path("a checkpoint", path)
    request = {place: partial(_write, run, place)}
    run.later = request | run.later if first else run.later | request


def _write(run: Run, path: Path) -> None:
    state = state_of(run)
    parameters = state["model"].pop("parameters")  # arrays become tensors of the file, the rest becomes text
    vectors = state["optimizer"].pop("vectors")
    state["callbacks"] = apart(state["callbacks"], vectors)
    whole = encoded(cast(Layer, run.model), parameters, state | {"settings": settings(run)}, vectors)
    write_atomically(path, whole)


def resume(run: Run, path: str | os.PathLike[str]) -> None:
    """Restore the run that a checkpoint holds; nothing is changed unless all of it fits.

    Parameters
    ----------
    path : path-like
        The checkpoint.

    Raises
    ------
    CheckpointError
        If the file is damaged, foreign, of a newer format, or of another run.
    MissingFileError
        If there is no such file; this is also a FileNotFoundError.
    """
    before = copy.deepcopy(state_of(run))
    with opened(as_path("a checkpoint", path)) as file:
        state = _read(file, run, before)
    try:
        restore(run, state)
    except Exception as error:  # generators do not check a state, and fail in many ways
        restore(run, before)
        raise CheckpointError(f"{path} is damaged: its state of the run makes no sense ({error})") from error


def _read(file: ModelFile, run: Run, example: dict[str, Any]) -> dict[str, Any]:
    """Read the state of a run, which must have the form of the state of a new run."""
    state = _read_text(file, run, example)
    _check_settings(file.path, run, state.pop("settings"))
    parameters = example["model"]["parameters"]
    in_text = example | {
        "model": {"generator": example["model"]["generator"]},
        "optimizer": {name: part for name, part in example["optimizer"].items() if name != "vectors"}
        | {"hyperparameters": {}},  # any; see below
    }
    if (
        not resembles(state, in_text)
        or len(state["callbacks"]) != len(stateful(run))
        or not _may_become(state["optimizer"]["hyperparameters"], example["optimizer"]["hyperparameters"])
    ):
        raise CheckpointError(
            f"{file.path} is damaged: its state of the run makes no sense: it is not complete, or has values of other "
            "types"
        )
    vectors = _vectors(run, example["optimizer"]["vectors"], state["optimizer"]["hyperparameters"])
    arrays = _arrays(file.path, state["callbacks"])
    file.check(parameters, vectors | arrays)
    state["model"]["parameters"] = {name: file.parameter(name) for name in parameters}
    state["optimizer"]["vectors"] = {name: file.vector(name) for name in vectors}
    state["callbacks"] = together(state["callbacks"], {name: file.vector(name) for name in arrays})
    return state


def _arrays(path: Path, callbacks: Any) -> dict[str, Array]:
    """Return examples of the arrays of callbacks in a file."""
    try:
        return examples(callbacks)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged: the state of its callbacks makes no sense ({error})") from error


def _may_become(values: dict[str, Any], now: dict[str, Any]) -> bool:
    """Return whether an optimizer may have had other values: of the same types, or a number instead of None."""
    return values.keys() == now.keys() and all(
        values[name] is None or resembles(values[name], 0.0 if now[name] is None else now[name]) for name in now
    )


def _vectors(run: Run, now: dict[str, Array], numbers: dict[str, Any]) -> dict[str, Array]:
    """Return examples of the vectors that the optimizer keeps with some hyperparameters, on which they depend."""
    other = copy.copy(run.optimizer)
    set_hyperparameters(other, numbers)
    theta = run.model.theta
    beside = now.keys() - run.optimizer.initial_state(theta).keys()
    return {**other.initial_state(theta), **{name: now[name] for name in beside}}


def _read_text(file: ModelFile, run: Run, example: dict[str, Any]) -> dict[str, Any]:
    """Read the text of a file about a run, if it is a run of this model; entries that older files lack are added."""
    if "run" not in file.metadata:
        raise CheckpointError(f"{file.path} holds a model, but no run of fit to resume; tn.Checkpoint saves one")
    if file.metadata.get("model") != describe(cast(Layer, run.model), run.model.parameters):
        raise CheckpointError(
            f"{file.path} holds a run of another model than {run.model}: its layers, their arguments or its seed "
            "differ; make the model as it was made for that run"
        )
    try:
        state: dict[str, Any] = decode(file.metadata["run"])
        if file.version < RUN_VERSION:
            state = _converted(state)
        if not all(isinstance(part, dict) for part in (state, state["settings"], state["optimizer"])):
            raise TypeError("it is not a dictionary with settings and an optimizer")
        if "mode" in example["optimizer"]:  # older files have no random numbers
            state["optimizer"] = {"mode": example["optimizer"]["mode"], **state["optimizer"]}
        if isinstance(state.get("history"), dict):  # nor losses by step
            state["history"] = {"by_step": {}, **state["history"]}
        if file.version < RUN_VERSION:  # an optimizer may have more numbers now
            numbers = state["optimizer"]["hyperparameters"]
            state["optimizer"]["hyperparameters"] = example["optimizer"]["hyperparameters"] | numbers
    except Exception as error:  # an invalid text can fail in any way
        raise CheckpointError(f"{file.path} is damaged: its state of the run makes no sense ({error!r})") from error
    return state


def _converted(old: dict[str, Any]) -> dict[str, Any]:
    """Convert the state of a run in format version 2, which was one flat dictionary."""
    order, model = old["generators"]
    means = old["means"]
    return {
        "model": {"generator": model},
        "optimizer": {"hyperparameters": old["numbers"], "stopped": old["stopping"]},
        "order": {"generator": order, "batch": old["batch"]},
        "means": {**means, "count": dict.fromkeys(means["total"], means["count"])},
        "seconds": old["elapsed"],
        "history": old["history"],
        "callbacks": old["callbacks"],
        "settings": old["settings"],
    }


def _check_settings(path: Path, run: Run, before: dict[str, Any]) -> None:
    before = {**before, "optimizer": _with_defaults(before.get("optimizer"), run.optimizer)}
    differ = [
        f"{name} {before.get(name)!r}, now {now!r}"
        for name, now in settings(run).items()
        if not _equal(before.get(name), now)
    ]
    if differ:
        rest = ""
        if any(text.startswith("optimizer ") for text in differ):
            rest = ", and change the learning rate by a callback; or begin a new run with the model, from tn.load"
        raise CheckpointError(f"{path}: the run was started with {'; '.join(differ)}; resume it with the same{rest}")


def _equal(then: Any, now: Any) -> bool:
    try:
        return bool(then == now)
    except ValueError:  # a damaged file may have arrays here
        return False


def _with_defaults(before: Any, optimizer: Any) -> Any:
    """Complete the description of an optimizer from a version in which it had fewer arguments."""
    if not isinstance(before, dict) or before.get("class") != type(optimizer).__name__:
        return before
    arguments = inspect.signature(type(optimizer)).parameters.values()
    return before | {a.name: describe_setting(a.default) for a in arguments if a.name not in before}


Run.save = save
Run.resume = resume
