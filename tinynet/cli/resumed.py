"""A run that goes on: what it was begun with, and how that differs from what is asked for now."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinynet.cli.options import BY_NAME, OPTIONS
from tinynet.cli.record import read_json
from tinynet.cli.run_directory import METRICS, SETTINGS, checkpoint_of
from tinynet.errors import CheckpointError, FileFormatError
from tinynet.saving.form import conforms

if TYPE_CHECKING:  # what computes is imported only once it is needed, so that help comes at once
    from tinynet.datasets import Dataset

_OPTIONS = {
    **{option.name: option.flag for option in OPTIONS},
    "variants": "--variant", "l2": "--l2", "intercept": "--intercept", "class": "--class", "seed": "--seed",
    "sha256": "--data of SHA-256", "sha256 of the data": "--data of SHA-256",
}  # fmt: skip


def begun_with(directory: Path) -> dict[str, Any]:
    """Return what a run was begun with: its "model", its settings as "hyper_parameters", its "seed".

    Parameters
    ----------
    directory : pathlib.Path
        Of a run, or of none.

    Returns
    -------
    dict
        As its settings say, or its record, if it was begun by a version that wrote no settings; empty if there is no
        run, or only what a run of such a version leaves when it is stopped.

    Raises
    ------
    FileFormatError
        If the file is damaged.
    """
    if checkpoint_of(directory) is None:
        return {}
    path = next((directory / name for name in (SETTINGS, METRICS) if (directory / name).is_file()), None)
    if path is None:
        return {}
    begun = read_json(path)
    found = begun.get("hyper_parameters") if isinstance(begun, dict) else None
    known = isinstance(found, dict) and all(map(_is_setting, found.items())) and {"optimizer", "loss"} <= found.keys()
    if not known or not conforms(begun, {"model": str, "seed": int, str: (object, bool)}):
        if path.name == METRICS:  # of another kind of run, or damaged: what it is, is told elsewhere
            return {}
        raise FileFormatError(f"{path} is damaged: it does not say how the run was begun; restore it from a copy")
    return dict(begun)


def _is_setting(item: tuple[str, Any]) -> bool:
    """Return whether a name and a value are those of an option."""
    name, value = item
    if name == "shuffle" or (name in BY_NAME and BY_NAME[name].read is bool):
        return isinstance(value, bool)
    try:
        return name in BY_NAME and bool(BY_NAME[name].read(str(value)) == value)
    except argparse.ArgumentTypeError:
        return False


def check_resumed(directory: Path, begun: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuse to go on with a run that was begun with other settings, before anything is written."""
    told = differences(begun, now) if begun else ""
    if told:
        if now["hyper_parameters"].get("epochs", epochs := begun["hyper_parameters"].get("epochs")) != epochs:
            told += " (its schedule depends on how many there are)"
        raise _started_otherwise(directory, begun, told)


def differences(before: Any, now: Mapping[str, Any]) -> str:
    """Say by which options what was begun differs from what is asked for now.

    Parameters
    ----------
    before : object
        A record: "hyper_parameters", "data" with its "sha256", and what else stands for an option. What it lacks, or is
        of another form, differs.
    now : mapping
        The same, as far as it is to be compared.

    Returns
    -------
    str
        Each option with both values; empty if there are none.

    Examples
    --------
    >>> begun = {"hyper_parameters": {"learning_rate": 0.1, "epochs": 2}, "seed": 0}
    >>> differences(begun, {"hyper_parameters": {"learning_rate": 0.1, "epochs": 3}, "seed": 7})
    '--epochs 2, now 3; --seed 0, now 7'
    """
    told = []
    for key, value in now.items():
        then = before.get(key) if isinstance(before, dict) else None
        if isinstance(value, dict):
            told += [differences(then, value)]
        elif then != value:
            told += [f"{_OPTIONS.get(key, key)} {_shown(then)}, now {_shown(value)}"]
    return "; ".join(filter(None, told))


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return " and ".join(map(str, value))
    return "(none)" if value is None else str(value)[:20]  # of a digest the first part is enough


@contextlib.contextmanager
def explained(directory: Path, now: Mapping[str, Any], data: Dataset) -> Iterator[None]:
    """Where the checkpoint of a run is refused in here, say by which options, if the record of the run tells.

    ``now`` is what the record would say of what is asked for now, but for the data; see `differences`.
    """
    try:
        yield
    except CheckpointError as error:
        try:
            before = read_json(directory / METRICS)
        except FileFormatError:  # of a run that was stopped
            raise error from None
        told = differences(before, {**now, "data": {"sha256": data.digest()}})
        if not told:
            raise
        raise _started_otherwise(directory, before, told) from error


def _started_otherwise(directory: Path, before: Any, told: str) -> CheckpointError:
    command = before.get("command") if isinstance(before, dict) else None
    return CheckpointError(
        f"{directory} holds a run that was started with {told}; resume it with the same, or choose another "
        f"directory with --out{f'. Its last command was: {command}' if command else ''}"
    )
