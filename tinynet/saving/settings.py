"""The settings of a run as plain values, by which a resumed run is compared."""

from __future__ import annotations

import inspect
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from tinynet.core.spec import Array
from tinynet.saving.run_state import stateful
from tinynet.train.compound import described_metrics
from tinynet.train.nests import leaves
from tinynet.train.run import Run
from tinynet.train.several import Losses
from tinynet.train.stream import Stream
from tinynet.train.windowed import Windowed

_ENDS = 4  # rows at each end of data that are not in memory

_noted: WeakKeyDictionary[Run, dict[str, Any]] = WeakKeyDictionary()


def settings(run: Run) -> dict[str, Any]:
    """Describe the arguments of `fit`; the run keeps the result, since checksums take some time.

    Parameters
    ----------
    run : Run
        The run.

    Returns
    -------
    dict
        Numbers, texts and lists, by name; large arrays by their checksums.
    """
    if run not in _noted:
        _noted[run] = described(run, _checksum)
    return _noted[run]


def described(run: Run, checksum: Callable[[Any], int]) -> dict[str, Any]:
    """Describe the arguments of `fit`, with checksums of the data by a given function."""
    given = run.arguments
    inputs = [[str(samples.dtype), *samples.shape] for samples in given["x"]]
    validation = given["validation_data"] or ()
    arrays = leaves((given["x"], given["y"], validation))
    return {
        "x": inputs if len(inputs) > 1 else inputs[0],
        "validation_data": len(leaves(validation)[0]) if validation else 0,
        "checksums of the data": [checksum(array) for array in arrays],
        "loss": _name(given["loss"]),
        "sample_weight": _weights(given["sample_weight"]),
        "class_weight": _weights(given["class_weight"]),
        "metrics": None if given["metrics"] is None else described_metrics(given["task"]),
        "batch_size": run.order.batch_size,
        "shuffle": given["shuffle"],
        "blocks": _blocks(given["x"][0]),
        "seed": str(given["seed"]),
        "compiled": given["compiled"],
        "micro_batches": given["micro_batches"] if given["micro_batches"] > 1 else None,
        "optimizer": describe_setting(given["optimizer"]),
        "callbacks": [type(callback).__name__ for callback in stateful(run)],
    }


def _checksum(array: Array | Stream | Windowed) -> int:
    """Return the checksum of an array; an array that is not in memory is read a piece at a time."""
    data, found = array.data if isinstance(array, Windowed) else array, 0
    for piece in data.pieces() if isinstance(data, Stream) else [data]:
        found = zlib.crc32(np.ascontiguousarray(piece).data, found)
    return found


def brief_checksum(array: Array | Stream | Windowed) -> int:
    """Return the checksum of an array; if it is not in memory, that of its length and of the rows at its ends."""
    data = array.data if isinstance(array, Windowed) else array
    if not isinstance(data, Stream):
        return _checksum(data)
    n = len(data)
    ends = np.unique(np.r_[: min(n, _ENDS), max(0, n - _ENDS) : n])
    return zlib.crc32(np.ascontiguousarray(data[ends]).data, n)


def _blocks(samples: Any) -> Any:
    """Describe the blocks in which the order of the samples is drawn, if there are any."""
    data = samples.data if isinstance(samples, Windowed) else None
    return [data.block, data.blocks] if isinstance(data, Stream) and data.block else None


def _weights(given: Any) -> Any:
    """Describe weights: large arrays by their checksum."""
    if isinstance(given, Mapping):
        return {str(name): float(weight) for name, weight in given.items()}
    return given if given is None or isinstance(given, str) else _checksum(np.asarray(given, np.float64))


def _name(loss: Any) -> str:
    if isinstance(loss, Losses):
        return f"{_name(loss.loss)} weighted by {_name(loss.weights)}"
    if isinstance(loss, dict | list | tuple):
        parts = loss.items() if isinstance(loss, dict) else enumerate(loss)
        return ", ".join(f"{name}: {_name(part)}" for name, part in parts)
    if loss is None or isinstance(loss, int | float):
        return str(loss)
    if isinstance(loss, partial):
        given = ", ".join(f"{name}={describe_setting(value)}" for name, value in loss.keywords.items())
        return f"{_name(loss.func)} with {given}"
    return loss if isinstance(loss, str) else str(getattr(loss, "__name__", type(loss).__name__))


def describe_setting(value: Any) -> Any:
    """Describe a setting by numbers, texts and lists; an object by its class and the arguments that it keeps.

    Parameters
    ----------
    value : object
        A setting, such as an optimizer.

    Returns
    -------
    object
        A value that JSON can hold.

    Examples
    --------
    >>> import tinynet as tn
    >>> describe_setting(tn.Backtracking())
    {'class': 'Backtracking', 'alpha': 0.01, 'beta': 0.5, 'initial_step': 1.0}
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [describe_setting(v) for v in value]
    if hasattr(value, "__name__"):
        return value.__name__
    try:
        arguments = list(inspect.signature(type(value)).parameters)
    except ValueError:  # a class that is not written in Python
        arguments = []
    kept = {name: describe_setting(getattr(value, name)) for name in arguments if hasattr(value, name)}
    return {"class": type(value).__name__, **kept}
