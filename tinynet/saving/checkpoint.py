"""A run of `fit` as a file, and back: what a checkpoint says of a run, and whether it is of the same settings."""

from __future__ import annotations

import inspect
import os
import time
from typing import Any, Protocol, cast

import numpy as np

from tinynet.core.spec import Array
from tinynet.errors import CheckpointError
from tinynet.nn import Layer
from tinynet.optim.optimizer import changed
from tinynet.saving import modelfile
from tinynet.saving.modelfile import conforms

_FORM = {
    "epoch": int,
    "batch": int,
    "stopping": str,
    "elapsed": float,
    "numbers": {str: (float, int)},
    "means": {"total": {str: float}, "count": int},
    "history": {"history": {str: [float]}, "seconds": [float], "learning_rates": [float], "stopped": str},
    "generators": [dict],
    "callbacks": [dict],
    "settings": dict,
}


class Resumable(Protocol):
    """What a checkpoint holds of a run of `fit`, and what it needs besides."""

    model: Any  # whose parameters and generator it holds
    optimizer: Any  # whose numbers it holds, such as the learning rate
    arrays: dict[str, Array]  # what the optimizer carries from step to step
    epoch: int
    batch: int
    batches: int
    stopping: str  # why the epoch under way is the last, if it is
    started: float  # when the epoch began
    means: Any
    history: Any
    rng: np.random.Generator  # that draws the order of the samples
    order: Any  # its state before it drew the order of this epoch
    stateful: list[Any]  # the callbacks with a state
    restored: list[Any] | None  # their states, of a run that is resumed
    settings: dict[str, Any]  # in plain values


def content(run: Resumable) -> bytes:
    """Give the content of a checkpoint of a run as it is now.

    Parameters
    ----------
    run : Resumable
        The run.

    Returns
    -------
    bytes
        Of a model file that holds the run besides.

    Raises
    ------
    ArgumentError
        If the model or the state of a callback cannot be put into a file.
    """
    told = {
        "epoch": run.epoch,
        "batch": run.batch,
        "stopping": run.stopping,
        "elapsed": time.perf_counter() - run.started if run.batch else 0.0,
        "numbers": numbers(run.optimizer),
        "means": vars(run.means),
        "history": vars(run.history),
        "generators": [run.order, run.model.rng.bit_generator.state],
        "callbacks": [callback.state() for callback in run.stateful],
        "settings": run.settings,
    }
    return modelfile.content(cast(Layer, run.model), run.model.parameters, told, run.arrays)


def resume(run: Resumable, path: str | os.PathLike[str]) -> None:
    """Take up the run that a checkpoint holds; nothing is changed unless all of it fits.

    Parameters
    ----------
    run : Resumable
        A run that has not begun yet.
    path : path-like
        The checkpoint.

    Raises
    ------
    CheckpointError
        If the file is damaged, foreign, of a newer format, or of another run.
    MissingFileError
        If there is no such file; it is a FileNotFoundError.
    """
    model = run.model
    parameters, found, arrays = modelfile.read_run(
        path, cast(Layer, model), model.parameters, run.arrays, lambda told: _check(run, told)
    )
    for name, parameter in model.parameters.items():
        parameter.data[...] = parameters[name]
    changed(model.parameters.values())
    for name, array in run.arrays.items():
        array[...] = arrays[name]
    run.epoch, run.batch, run.stopping = (found[name] for name in ("epoch", "batch", "stopping"))
    run.started = time.perf_counter() - found["elapsed"]
    vars(run.means).update(found["means"])
    vars(run.history).update(found["history"])
    vars(run.optimizer).update(found["numbers"])
    run.order, run.restored = found["generators"][0], found["callbacks"]
    run.rng.bit_generator.state, model.rng.bit_generator.state = found["generators"]


def _check(run: Resumable, found: Any) -> None:
    """Check that what a file says of a run makes sense, and is of the same settings as this one."""
    if not conforms(found, _FORM):
        raise CheckpointError("the file is damaged: its state of the run is not complete, or of other types")
    before = found["settings"]
    differ = [
        f"{name} {before.get(name)!r}, now {now!r}" for name, now in run.settings.items() if before.get(name) != now
    ]
    if differ:
        raise CheckpointError(f"the run was started with {'; '.join(differ)}; resume it with the same")
    history, epoch = found["history"], found["epoch"]
    lengths = {epoch, len(history["seconds"]), len(history["learning_rates"]), *map(len, history["history"].values())}
    sound = lengths == {epoch} and epoch >= 0 and 0 <= found["batch"] <= run.batches
    sound = (
        sound
        and len(found["callbacks"]) == len(run.stateful)
        and found["numbers"].keys() == numbers(run.optimizer).keys()
    )
    try:
        for generator, state in zip((run.rng, run.model.rng), found["generators"], strict=True):
            type(generator.bit_generator)().state = state
    except Exception:  # NumPy takes a state as it is, and fails in many ways
        sound = False
    if not sound:
        raise CheckpointError("the file is damaged: its state of the run makes no sense")


def numbers(optimizer: Any) -> dict[str, float]:
    """Give the numbers that an optimizer has, such as its learning rate, by name.

    Parameters
    ----------
    optimizer : object
        Any.

    Returns
    -------
    dict of str to float or int
        Its public attributes that are numbers.

    Examples
    --------
    >>> import tinynet as tn
    >>> numbers(tn.SGD(0.1))
    {'learning_rate': 0.1, 'momentum': 0.0, 'weight_decay': 0.0}
    """
    public = {name: value for name, value in vars(optimizer).items() if not name.startswith("_")}
    return {
        k: v if isinstance(v, int) else float(v) for k, v in public.items() if conforms(v, (int, float, np.floating))
    }


def plain(value: Any) -> Any:
    """Describe a setting by numbers, texts and lists: an object by its class and the arguments that it has kept.

    Parameters
    ----------
    value : object
        Such as an optimizer.

    Returns
    -------
    object
        Which JSON can hold.

    Examples
    --------
    >>> import tinynet as tn
    >>> plain(tn.SGD(0.1, momentum=0.9))
    {'class': 'SGD', 'learning_rate': 0.1, 'momentum': 0.9, 'weight_decay': 0.0}
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if hasattr(value, "__name__"):
        return value.__name__
    try:
        arguments = list(inspect.signature(type(value)).parameters)
    except ValueError:  # a class that is not written in Python
        arguments = []
    return {"class": type(value).__name__, **{k: plain(getattr(value, k)) for k in arguments if hasattr(value, k)}}
