"""What a checkpoint says of a run of `fit`: its form, and whether it is of the same settings as another run."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Any

import numpy as np

from tinynet.errors import CheckpointError
from tinynet.modelfile import conforms

_NUMBER = (float, int, NoneType)
FORM = {
    "epoch": int,
    "batch": int,
    "elapsed": float,
    "stopped": (str, NoneType),
    "learning_rate": _NUMBER,
    "means": {"total": {str: float}, "count": int},
    "history": {"history": {str: [float]}, "seconds": [float], "learning_rates": [_NUMBER]},
    "generators": [dict],
    "callbacks": [dict],
    "settings": dict,
}


def check(found: Any, settings: Mapping[str, Any], batches: int, generators: Sequence[np.random.Generator]) -> None:
    """Check that what a file says of a run makes sense, and is of the same settings as this run.

    Parameters
    ----------
    found : object
        As read from the file.
    settings : mapping of str to object
        Of this run, in plain values.
    batches : int
        Of an epoch.
    generators : sequence of numpy.random.Generator
        Those whose states the file holds.

    Raises
    ------
    CheckpointError
        If it does not.
    """
    if not conforms(found, FORM):
        raise CheckpointError("the file is damaged: its state of the run is not complete, or of other types")
    before = found["settings"]
    differ = [f"{name} {before.get(name)!r}, now {now!r}" for name, now in settings.items() if before.get(name) != now]
    if differ:
        raise CheckpointError(f"the run was started with {'; '.join(differ)}; resume it with the same")
    history, epoch = found["history"], found["epoch"]
    lengths = {epoch, len(history["seconds"]), len(history["learning_rates"]), *map(len, history["history"].values())}
    sound = lengths == {epoch} and epoch >= 0 and 0 <= found["batch"] <= batches
    sound = sound and len(found["callbacks"]) == len(settings["callbacks"])
    try:
        for generator, state in zip(generators, found["generators"], strict=True):
            type(generator.bit_generator)().state = state
    except Exception:  # NumPy takes a state as it is, and fails in many ways
        sound = False
    if not sound:
        raise CheckpointError("the file is damaged: its state of the run makes no sense")


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
