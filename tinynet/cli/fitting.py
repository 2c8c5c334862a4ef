"""What ``tinynet train`` does alike for all models: trains or goes on, says how to go on, and draws the report."""

from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinynet.cli.resumed import explained
from tinynet.cli.run_directory import checkpoint_of
from tinynet.train.progress import counted

if TYPE_CHECKING:
    from tinynet.datasets import Dataset
    from tinynet.model import Model
    from tinynet.train import History


@contextlib.contextmanager
def resumable(directory: Path, file: str, forced: bool) -> Iterator[None]:
    """Where the user stops what goes on in here, say how to go on, if the file by which that is known is there.

    ``forced`` tells whether the command has --force, which must go.
    """
    try:
        yield
    except KeyboardInterrupt:
        if not (directory / file).exists():
            raise
        command = f"the same command{' without --force,' * forced} with --out {shlex.quote(str(directory))} --resume"
        raise KeyboardInterrupt(f"stopped; {command} goes on from here") from None


def fit(
    model: Model,
    directory: Path,
    data: Dataset,
    resume: bool,
    asked: dict[str, Any],
    step: str,
    callbacks: list[Any],
    **settings: Any,
) -> History:
    """Train the model of a run, with ``resume`` from the checkpoint in its directory, if there is one.

    ``asked`` is what the record of the run would say of what is asked for, but for the data; see `explained`. ``step``
    is what an epoch is called here, ``settings`` are more arguments of `Model.fit`.
    """
    resumed = checkpoint_of(directory) if resume else None
    if resumed:
        print(f"Going on with the run in {directory}", flush=True)
    made: list[int] = []
    with explained(directory, asked, data):
        history = model.fit(callbacks=[lambda run: made.append(run.epoch), *callbacks], resume=resumed, **settings)
    if not made:
        print(f"There is nothing left to train: the run has made {counted(history.epochs, step)} already")
    return history


def report(
    directory: Path, record: dict[str, Any], model: Model, data: Dataset, predicted: Any, also: list[str] | None = None
) -> None:
    """Write the figures and the report into the run directory, and say where it is."""
    from tinynet.report import write_report

    print("Drawing the figures and writing the report ...", flush=True)
    started = time.perf_counter()
    names = write_report(directory, record, model, data, predicted, also or ())
    print(f"{len(names)} files in {time.perf_counter() - started:.1f} s; open {directory / names[-1]} in a browser")
