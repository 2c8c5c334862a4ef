"""Kernels are built at their first use, which takes a while: every run that is shown says so."""

from __future__ import annotations

from typing import Any

from tinynet.core.engine import current_backend
from tinynet.train.progress import counted
from tinynet.train.run import Run, add_to_every_run


def say_building(progress: Any) -> None:
    """Print a line before kernels are built, and one when all are."""
    kernels = counted(progress.total, "kernel")
    if not progress.done:
        processes = counted(progress.processes, "process")
        print(f"Building {kernels} on {processes}; later runs find them on disk ...", flush=True)
    elif progress.done == progress.total:
        print(f"Built {kernels}.", flush=True)


class ShowsBuilding:
    """The callback of every run that shows how kernels are built; a display may have a way of its own."""

    def on_train_begin(self, run: Run) -> None:
        """Watch from now on."""
        if run.arguments["verbose"]:
            show = getattr(run.display, "building", say_building)
            self.watching = current_backend().watch(show)
            self.watching.__enter__()

    def on_train_end(self, run: Run) -> None:
        """Watch no longer."""
        if run.arguments["verbose"]:
            self.watching.__exit__(None, None, None)


add_to_every_run(ShowsBuilding)
