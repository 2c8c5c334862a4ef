"""The directory of a run or an experiment: what is in it, and how it is claimed, held alone and cleared."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tinynet.errors import ArgumentError, WriteError
from tinynet.saving.places import make_writable

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
    "loss_by_step", "mislabelled", "model_diagram", "predictions", "step_size", "test_error", "test_loss",
    "thresholds", "training_loss", "worst_mistakes",
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
        make_writable(wanted)
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


@contextlib.contextmanager
def claimed(out: Path | None, name: str, replace: bool, resume: bool = False, kind: Kind = RUN) -> Iterator[Path]:
    """Claim a directory as `claim` does, hold it alone, and remove it if the block fails and leaves it empty.

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
