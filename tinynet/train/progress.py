"""What a user sees while training: a live line on a terminal, plain lines elsewhere, nothing if asked."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tinynet.core.engine import current_backend
from tinynet.errors import ArgumentError

_REFRESH = 0.1  # seconds between updates of the live line

Figures = Callable[[], dict[str, float]]


def counted(number: int, thing: str) -> str:
    """Write how many there are of something: 1 step, 2 steps, 10,000 batches."""
    ending = "es" if thing.endswith(("s", "x", "sh", "tch")) else "s"
    return f"{number:,} {thing}{ending * (number != 1)}"


def write_figures(figures: dict[str, float]) -> str:
    """Write figures in one line: loss 0.6970, accuracy 0.8035, trials 3."""
    usual = {name for name, value in figures.items() if name.endswith(("loss", "accuracy")) and abs(value) < 1e6}
    return ", ".join(f"{name} {value:{'.4f' if name in usual else '.4g'}}" for name, value in figures.items())


def say_building(progress: Any) -> None:
    """Print a line before kernels are built, and one when all are."""
    kernels, processes = counted(progress.total, "kernel"), counted(progress.processes, "process")
    if not progress.done:
        print(f"Building {kernels} on {processes}; later runs find them on disk ...", flush=True)
    elif progress.done == progress.total:
        print(f"Built {kernels}.", flush=True)


class Silent:
    """Shows nothing; and says what the others are asked."""

    def __init__(self, epochs: int, batches: int) -> None:
        self.epochs, self.batches, self.epoch = epochs, batches, 0

    def begin(self, epoch: int, started: float) -> None:
        """Begin an epoch, at a time."""
        self.epoch, self.started = epoch, started

    def step(self, batch: int, figures: Figures) -> None:
        """Show that a batch is done."""

    def end(self, figures: dict[str, float], seconds: float, training: float) -> None:
        """Show the figures of an epoch."""

    def building(self, progress: Any) -> None:
        """Show that kernels are built for their first use."""

    def close(self) -> None:
        """Give back the terminal."""

    def line(self, figures: dict[str, float], seconds: float, training: float) -> str:
        """Write an epoch in one line: its seconds, those of training by step, and its figures."""
        milliseconds = 1000 * training / self.batches
        width = len(str(self.epochs))
        return (
            f"Epoch {self.epoch + 1:>{width}}/{self.epochs}  {counted(self.batches, 'batch')}  {seconds:.1f} s  "
            f"{milliseconds:.2f} ms/step  {write_figures(figures)}"
        )


class Lines(Silent):
    """One plain line an epoch."""

    def end(self, figures: dict[str, float], seconds: float, training: float) -> None:
        """Print the line."""
        print(self.line(figures, seconds, training), flush=True)

    def building(self, progress: Any) -> None:
        """Print a line before the first kernel, and one after the last."""
        say_building(progress)


class Live(Silent):
    """A line that is redrawn while an epoch runs, and stays when it is over."""

    def __init__(self, epochs: int, batches: int) -> None:
        super().__init__(epochs, batches)
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        self.progress = Progress(
            TextColumn("Epoch {task.fields[epoch]}/" + str(epochs)),
            MofNCompleteColumn(),
            BarColumn(bar_width=20),
            TextColumn("{task.description}"),
            console=Console(file=sys.stdout),
            auto_refresh=False,
            transient=True,
        )
        self.task = self.progress.add_task("", total=batches, epoch=1)
        self.shown = 0.0
        self.progress.start()

    def begin(self, epoch: int, started: float) -> None:
        """Start the bar anew."""
        super().begin(epoch, started)
        self.progress.update(self.task, completed=0, epoch=epoch + 1, description="", refresh=True)

    def step(self, batch: int, figures: Figures) -> None:
        """Redraw, if it is time."""
        now = time.perf_counter()
        if now - self.shown >= _REFRESH:
            self.shown = now
            text = f"{1000 * (now - self.started) / batch:.2f} ms/step  {write_figures(figures())}"
            self.progress.update(self.task, completed=batch, description=text, refresh=True)

    def end(self, figures: dict[str, float], seconds: float, training: float) -> None:
        """Leave the epoch's line above the bar."""
        self.progress.console.print(self.line(figures, seconds, training), highlight=False, soft_wrap=True)

    def building(self, progress: Any) -> None:
        """Say beside the bar how many kernels are left."""
        text = ""
        if progress.done < progress.total:
            left, processes = progress.total - progress.done, counted(progress.processes, "process")
            text = f"building {counted(left, 'kernel')} on {processes} (first use; later runs find them on disk)"
        self.progress.update(self.task, description=text, refresh=True)

    def close(self) -> None:
        """Remove the bar."""
        self.progress.stop()


@contextmanager
def progress(verbose: int, epochs: int, batches: int) -> Iterator[Silent]:
    """Choose how to show a run, and clean up after it."""
    if verbose not in (0, 1, 2):
        raise ArgumentError(f"verbose must be 0 (silent), 1 (progress) or 2 (a line an epoch), but got {verbose!r}")
    kinds: tuple[Any, ...] = (Silent, Live if sys.stdout.isatty() else Lines, Lines)
    shown: Silent = kinds[verbose](epochs, batches)
    try:
        with current_backend().watch(shown.building):
            yield shown
    finally:
        shown.close()
