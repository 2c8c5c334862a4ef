"""The run directory: what is in it, how it is claimed, how its record is written and read."""

from __future__ import annotations

import argparse
import contextlib
import errno
import fcntl
import json
import math
import os
import platform
import shlex
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tinynet.cli.arguments import MODELS, is_own
from tinynet.cli.data import Described, described
from tinynet.cli.options import BY_NAME, LOSSES, OPTIONS
from tinynet.errors import ArgumentError, CheckpointError, FileFormatError, WriteError
from tinynet.saving.form import conforms

if TYPE_CHECKING:  # what computes is imported only once it is needed, so that help comes at once
    from tinynet.datasets import Dataset
    from tinynet.model import Model

METRICS, BEST, LAST = "metrics.json", "best.safetensors", "last.safetensors"
SETTINGS = "settings.json"  # how a run was begun, which it goes on with


class Kind(NamedTuple):
    """What a directory may hold.

    Attributes
    ----------
    name : str
        With its article.
    marks : tuple of str
        The files by any of which it is known.
    written : tuple of str
        All files that it leaves.
    """

    name: str
    marks: tuple[str, ...]
    written: tuple[str, ...]


_FIGURES = (
    "calibration", "class_distribution", "confused_pairs", "confusion", "data_grid", "filters", "learning_curve",
    "mislabelled", "model_diagram", "predictions", "step_size", "test_error", "test_loss", "thresholds",
    "training_loss", "worst_mistakes",
)  # fmt: skip
RUN = Kind(  # its record and models, and what its report has
    "a run", (METRICS, BEST, LAST),
    (METRICS, BEST, LAST, SETTINGS, "report.html", "playground.html", "classification_report.txt",
     *(f"{name}.{ending}" for name in _FIGURES for ending in ("png", "svg", "pdf"))),
)  # fmt: skip
PLAN, TABLE, PICTURE, SUMMARY = "experiment.json", "comparison.txt", "comparison.png", "comparison.html"
EXPERIMENT = Kind("an experiment", (PLAN,), (PLAN, TABLE, PICTURE, SUMMARY))


def claim(out: Path | None, name: str, replace: bool, resume: bool = False, kind: Kind = RUN) -> tuple[Path, bool]:
    """Find and make the directory of a run or an experiment, before anything is computed.

    Parameters
    ----------
    out : path-like, optional
        The directory that the user named; by default ``runs/<name>``, or the first of -2, -3, ... that is free, unless
        a run is resumed.
    name : str
        Of what is trained.
    replace : bool
        Take a directory that holds files of these names already; `clear` removes them.
    resume : bool
        Take a directory that holds one of this kind already, which goes on.
    kind : Kind
        What it is to hold.

    Returns
    -------
    path : pathlib.Path
        The directory, which is there and can be written to.
    created : bool
        Whether it is new.

    Raises
    ------
    WriteError
        If it holds one already, or one of another kind, or cannot be made or written to.
    ArgumentError
        If the run that it holds cannot be resumed; see `checkpoint_of`.
    """
    wanted = out or Path("runs") / name
    try:
        if out is None and not resume:
            wanted.parent.mkdir(exist_ok=True)
            return _fresh(wanted), True
        _check_held(wanted, kind, replace, resume)
        created = not wanted.exists()
        wanted.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=wanted).close()  # raises if nothing can be written here
        return wanted, created
    except WriteError:
        raise
    except OSError as error:
        raise WriteError(
            error.errno,
            f"the run directory {wanted} cannot be made or written to ({error.strerror or error}); choose another one "
            "with --out",
        ) from error


def _check_held(wanted: Path, kind: Kind, replace: bool, resume: bool) -> None:
    """Refuse a directory whose files would be lost, or would be mistaken for what is to be there."""
    for other in (RUN, EXPERIMENT):
        if other is not kind and (held := _held(wanted, other.marks)):
            raise WriteError(
                errno.EEXIST,
                f"{wanted} holds {other.name} ({', '.join(held)}), and so is no place for {kind.name}; choose "
                "another directory with --out",
            )
    if replace:
        return
    if held := _held(wanted, kind.marks):
        if not resume:
            raise WriteError(
                errno.EEXIST,
                f"{wanted} holds {kind.name} already ({', '.join(held)}); choose another directory with --out, pass "
                "--resume to go on with it or --force to replace it",
            )
        if kind is RUN:
            checkpoint_of(wanted)
    elif held := [name for name in _held(wanted, kind.written) if name != SETTINGS]:  # which is nothing by itself
        raise WriteError(
            errno.EEXIST,
            f"{wanted} holds {', '.join(held)}, which {kind.name} would replace; choose another directory with --out, "
            "or pass --force to replace what is there",
        )


def _held(directory: Path, names: Sequence[str]) -> list[str]:
    return [name for name in names if (directory / name).exists()]


def checkpoint_of(directory: Path) -> Path | None:
    """Return the checkpoint from which the run in a directory goes on.

    Parameters
    ----------
    directory : pathlib.Path
        Of a run, or of none.

    Returns
    -------
    pathlib.Path or None
        The last one, or the best where a run was stopped between the two that it saves first: both then hold the same.
        None if there is no run.

    Raises
    ------
    ArgumentError
        If there is the record of a run, but not its last checkpoint.
    """
    if (directory / LAST).exists():
        return directory / LAST
    if (directory / METRICS).exists():
        raise ArgumentError(
            f"{directory} holds a run ({', '.join(_held(directory, RUN.marks))}), but not {LAST}, from which it would "
            "go on; restore that from a copy, choose another directory with --out, or train again with --force in "
            "place of --resume"
        )
    return directory / BEST if (directory / BEST).exists() else None


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
        if path.name == METRICS:  # of another kind of run, or damaged: which of them is said elsewhere
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


@contextlib.contextmanager
def claimed(out: Path | None, name: str, replace: bool, resume: bool = False, kind: Kind = RUN) -> Iterator[Path]:
    """Claim a directory as `claim` does, alone, and remove it again if what goes on in here fails and leaves it empty.

    Another process that claims it meanwhile gets a WriteError, also with --force and --resume.
    """
    directory, created = claim(out, name, replace, resume, kind)
    with _alone(directory, kind):
        _check_held(directory, kind, replace, resume)  # again, now that no other process writes to it
        try:
            yield directory
        except BaseException:
            if created:
                with contextlib.suppress(OSError):
                    directory.rmdir()  # if nothing is in it
            raise


@contextlib.contextmanager
def _alone(directory: Path, kind: Kind) -> Iterator[None]:
    """Hold the lock of a directory, which ends with the process, however that ends."""
    handle = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise WriteError(
                errno.EBUSY,
                f"another process writes {kind.name} to {directory} now; wait for its end, stop it, or choose another "
                "directory with --out",
            ) from None
        except OSError:  # a file system without locks
            pass
        yield
    finally:
        os.close(handle)


def clear(directory: Path, kind: Kind = RUN) -> None:
    """Remove the files of a run that is replaced, so that none of them is ever taken for a part of the new one.

    This is done once the data are read, for what is wrong with these must not cost the user a run. Other files in the
    directory are left alone.

    Parameters
    ----------
    directory : pathlib.Path
        As `claim` returns it.
    kind : Kind
        What is removed, if it is there.

    Raises
    ------
    WriteError
        If a file cannot be removed.
    """
    for name in kind.written:
        try:
            (directory / name).unlink(missing_ok=True)
        except OSError as error:
            raise WriteError(
                error.errno,
                f"{directory / name} of the run before cannot be removed ({error.strerror or error}); choose another "
                "directory with --out",
            ) from error


def _fresh(wanted: Path) -> Path:
    """Make the directory, or the first of -2, -3, ... that is not there yet: two runs at once never share one."""
    path, number = wanted, 1
    while True:
        try:
            path.mkdir()
        except FileExistsError:
            number += 1
            path = wanted.with_name(f"{wanted.name}-{number}")
        else:
            return path


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


# --- reading


class Run(NamedTuple):
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


def open_run(directory: Path, code: Path | None = None) -> Run:
    """Read a run directory.

    Parameters
    ----------
    directory : pathlib.Path
        As ``tinynet train`` left it.
    code : pathlib.Path, optional
        A Python file with the classes of the model that are not tinynet's own; it is run.

    Returns
    -------
    Run
        Its record and its model.

    Raises
    ------
    ArgumentError
        If it is no directory, or holds no finished run.
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
        what = f"has no {' and no '.join(missing)}" if directory.is_dir() else "is no directory"
        raise ArgumentError(
            f"{directory} {what}; give the directory of a finished run, as 'tinynet train' names it at its end"
        )
    record = read_record(directory)
    model = _load(directory / BEST, record, code)
    if parameters_digest(model) != record["parameters"]["sha256"]:
        raise CheckpointError(
            f"{directory / BEST} does not hold the parameters that {METRICS} speaks of; if the run was stopped since, "
            "finish it with 'tinynet train ... --resume', or else train again"
        )
    return Run(directory, record, model)


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


def parameters_digest(model: Model) -> str:
    """Return the SHA-256 of the parameters of a model, by which two runs tell that they ended in the same bits."""
    return sha256(model.theta.tobytes()).hexdigest()


def _check_model(record: Any, directory: Path) -> None:
    """Refuse the run of a model that is no classifier of several classes."""
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
    if not wrong:
        epochs = len(parts["seconds"]["by_epoch"])
        data = _described(parts)
        fits = {
            "data": data is not None,
            "classes": data is None or parts["classes"] == len(data.classes),
            "hyper_parameters": parts["hyper_parameters"]["loss"] in LOSSES,
            "history": all(len(values) == epochs for values in parts["history"].values()),
            "best_epoch": 1 <= parts["best_epoch"] <= epochs,
        }
        wrong = [name for name, fit in fits.items() if not fit]
    if wrong:
        raise FileFormatError(
            f"{path} is no record that this version of tinynet wrote: {wrong[0]} is missing, or of another form than "
            "it should be; train again"
        )
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
        json.dumps(value, ensure_ascii=False).encode()  # raises at half a character, which nothing can show
        return value
    except (OSError, ValueError, RecursionError) as error:
        raise FileFormatError(f"{path} cannot be read ({error}); train again, or restore it from a copy") from error
