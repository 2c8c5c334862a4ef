"""The record of a run, metrics.json: how it is written, and how it is read again, with the model beside it."""

from __future__ import annotations

import json
import math
import os
import platform
import shlex
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tinynet.cli.arguments import MODELS, is_own
from tinynet.cli.data import Described, described
from tinynet.cli.options import LOSSES
from tinynet.cli.run_directory import BEST, LAST, METRICS
from tinynet.errors import ArgumentError, CheckpointError, FileFormatError
from tinynet.saving.form import are_by_step, conforms

if TYPE_CHECKING:  # what computes is imported only once it is needed, so that help comes at once
    from tinynet.model import Model


def circumstances() -> dict[str, Any]:
    """Return what else a result depends on.

    Returns
    -------
    dict
        "versions" of tinynet, Python and the libraries that compute; "machine": the platform, its cores, the threads;
        "finished": the time, in UTC.
    """
    from importlib.metadata import version

    from tinynet import __version__
    from tinynet.fast.threads import get_num_threads

    libraries = {name: version(name) for name in ("numpy", "numba", "scipy")}
    return {
        "versions": {"tinynet": __version__, "python": platform.python_version(), **libraries},
        "machine": {"platform": platform.platform(), "cpus": os.cpu_count(), "threads": get_num_threads()},
        "finished": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    }


def as_json(value: Any) -> bytes:
    r"""Write a record as JSON, with null for NaN and infinity, which JSON has no words for.

    Parameters
    ----------
    value : dict
        Of texts, numbers, lists and dictionaries.

    Returns
    -------
    bytes
        Indented, in ASCII, with a line end.

    Examples
    --------
    >>> as_json({"loss": [0.5, float("nan")]})
    b'{\n  "loss": [\n    0.5,\n    null\n  ]\n}\n'
    """
    return (json.dumps(_finite(value), indent=2, allow_nan=False) + "\n").encode("ascii")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


class FinishedRun(NamedTuple):
    """A finished run, as its directory holds it.

    Attributes
    ----------
    directory : pathlib.Path
        Where it is.
    record : dict
        What ``metrics.json`` says.
    model : Model
        With the parameters of the best epoch.
    """

    directory: Path
    record: dict[str, Any]
    model: Model


_VALUES = [(float, type(None))]  # by epoch
_FORM = {  # of what a record must hold for a run to be evaluated and reported on; see `saving.form.conforms`
    "model": str,
    "title": str,
    "classes": int,
    "parameters": {"count": int, "dtype": str, "sha256": str},
    "hyper_parameters": {"loss": str, "epochs": int, str: (str, int, float, bool)},
    "seed": int,
    "data": {
        "source": str,
        "origin": str,
        "sha256": str,
        "training_samples": int,
        "test_samples": int,
        "arrays": {str: {"shape": [int], "dtype": str, "min": int, "max": int}},
        str: (object, bool),  # what the data are; see `described`
    },
    "history": {"loss": _VALUES, "accuracy": _VALUES, "val_loss": _VALUES, "val_accuracy": _VALUES, str: _VALUES},
    "best_epoch": int,
    "test": {"loss": (float, type(None)), "accuracy": float},
    "seconds": {"total": float, "by_epoch": [float]},
    "versions": {"tinynet": str, str: str},
    "machine": {"platform": str, "cpus": (int, type(None)), "threads": int},
    "finished": str,
    "command": str,
    "reproduce": str,
}
_MAY_HOLD = {  # and of what it holds, if it does: earlier versions did not write all of it
    "documented": bool,
    "class": str,
    "learning_rates": _VALUES,
    "by_step": {str: list},
}


def open_run(directory: Path, code: Path | None = None) -> FinishedRun:
    """Read a run directory.

    Parameters
    ----------
    directory : pathlib.Path
        As ``tinynet train`` left it.
    code : pathlib.Path, optional
        A Python file with the classes of the model that are not tinynet's own; it is run.

    Returns
    -------
    FinishedRun
        Its record and its model.

    Raises
    ------
    ArgumentError
        If it is not a directory, or holds no finished run.
    FileFormatError, CheckpointError
        If a file in it is damaged, or of a newer version.
    """
    if (directory / METRICS).is_file():
        _check_model(read_json(directory / METRICS), directory)
    elif (directory / LAST).is_file():
        raise ArgumentError(
            f"{directory} holds a run that was stopped; finish it with the command that began it and --out "
            f"{shlex.quote(str(directory))} --resume"
        )
    missing = [name for name in (METRICS, BEST) if not (directory / name).is_file()]
    if missing:
        what = f"has no {' and no '.join(missing)}" if directory.is_dir() else "is not a directory"
        raise ArgumentError(
            f"{directory} {what}; give the directory of a finished run, as 'tinynet train' names it at its end"
        )
    record = read_record(directory)
    model = _load(directory / BEST, record, code)
    if parameters_digest(model) != record["parameters"]["sha256"]:
        raise other_parameters(directory / BEST, "tinynet train ... --resume")
    return FinishedRun(directory, record, model)


def _load(path: Path, record: Mapping[str, Any], code: Path | None) -> Model:
    """Load the model of a run, with the classes in a file that the user names."""
    from tinynet.saving import load
    from tinynet.saving.description import UnknownNameError

    known: dict[str, Any] = {}
    if code is not None:
        from tinynet.cli.own_model import run_file

        known = {name: thing for name, thing in run_file(code).items() if callable(thing)}
    try:
        return load(path, known)
    except CheckpointError as error:
        if not isinstance(error.__cause__, UnknownNameError):
            raise
        made = record["model"].rpartition(":")[0] or "model.py"
        where = f"{code} does not define it; " if code is not None else ""
        raise CheckpointError(
            f"{path} holds a model with layers or functions that are not tinynet's own, and no run directory holds "
            f"code; {where}name the Python file that defines them, which is then run: --code {shlex.quote(made)} "
            f"({str(error.__cause__).partition(';')[0]})"
        ) from error


def wrong_record(path: Path, what: str) -> FileFormatError:
    """Return the error for a record in which something is missing, or of another form than it should be."""
    return FileFormatError(
        f"{path} is not a record that this version of tinynet wrote: {what} is missing, or of another form than it "
        "should be; train again"
    )


def other_parameters(path: Path, command: str) -> CheckpointError:
    """Return the error for a model with other parameters than those of the record; a command finishes the run."""
    return CheckpointError(
        f"{path} does not hold the parameters that {METRICS} speaks of; if the run was stopped since, finish it with "
        f"'{command}', or else train again"
    )


def parameters_digest(model: Model) -> str:
    """Return the SHA-256 of the parameters of a model, by which two runs tell that they ended in the same bits."""
    return sha256(model.theta.tobytes()).hexdigest()


def _check_model(record: Any, directory: Path) -> None:
    """Refuse the run of a model that is not a classifier of several classes."""
    model = record.get("model") if isinstance(record, dict) else None
    if isinstance(model, str) and model not in MODELS and not is_own(model):
        raise ArgumentError(
            f"{directory} holds a run of {model}; this command takes runs of {', '.join(MODELS)}, and models of yours"
        )


def read_record(directory: Path) -> dict[str, Any]:
    """Read and check what ``metrics.json`` says of a finished run; errors as for `open_run`."""
    record, path = read_json(directory / METRICS), directory / METRICS
    parts = record if isinstance(record, dict) else {}
    wrong = [name for name, form in _FORM.items() if not conforms(parts.get(name), form)]
    wrong += [name for name, form in _MAY_HOLD.items() if name in parts and not conforms(parts[name], form)]
    if not wrong:
        by_step = parts.get("by_step", {})
        epochs = len(parts["seconds"]["by_epoch"])
        data = _described(parts)
        fits = {
            "data": data is not None,
            "classes": data is None or parts["classes"] == len(data.classes),
            "hyper_parameters": parts["hyper_parameters"]["loss"] in LOSSES,
            "history": all(len(values) == epochs for values in parts["history"].values()),
            "best_epoch": 1 <= parts["best_epoch"] <= epochs,
            "learning_rates": len(parts.get("learning_rates", [])) in (0, epochs),
            "by_step": are_by_step(by_step, _VALUES[0]) and all(epoch > 0 for epoch in by_step.get("epoch", [])),
        }
        wrong = [name for name, fit in fits.items() if not fit]
    if wrong:
        raise wrong_record(path, wrong[0])
    return parts


def _described(record: dict[str, Any]) -> Described | None:
    try:
        return described(record)
    except FileFormatError:
        return None


def read_json(path: Path) -> Any:
    """Read a record that `as_json` wrote; a FileFormatError says that it is damaged."""
    try:
        value = json.loads(path.read_bytes())
        # Half a character is an error, since nothing can show it; but names of files may have bytes that are no text.
        json.dumps(value, ensure_ascii=False).encode(errors="surrogateescape")
        return value
    except (OSError, ValueError, RecursionError) as error:
        raise FileFormatError(f"{path} cannot be read ({error}); train again, or restore it from a copy") from error
