"""The progress that is shown during training: plain lines, or none. `tinynet.train.live` is for terminals."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from tinynet.core.engine import current_backend
from tinynet.errors import ArgumentError
from tinynet.train.output import on_terminal, say
from tinynet.train.run import Run


def counted(number: int, thing: str) -> str:
    """Write a number of things: 1 step, 2 steps, 10,000 batches."""
    if number == 1:
        return f"1 {thing}"
    ending = "es" if thing.endswith(("s", "x", "sh", "tch")) else "s"
    return f"{number:,} {thing}{ending}"


def write_measures(measures: dict[str, float]) -> str:
    """Write measures in one line: loss 0.6970, accuracy 0.8035, trials 3."""
    texts = []
    for name, value in measures.items():
        usual = name.endswith(("loss", "accuracy")) and abs(value) < 1e6
        texts.append(f"{name} {value:.4f}" if usual else f"{name} {value:.4g}")
    return ", ".join(texts)


def say_building(progress: Any) -> None:
    """Print a line before kernels are built, and one when all are built."""
    kernels = counted(progress.total, "kernel")
    if not progress.done:
        processes = counted(progress.processes, "process")
        say(f"Building {kernels} on {processes}; later runs find them on disk ...")
    elif progress.done == progress.total:
        say(f"Built {kernels}.")


class Lines:
    """The callback that shows a run by one plain line an epoch, and a line when kernels are built."""

    def on_train_begin(self, run: Run) -> None:
        """Begin to report kernels that are built at their first use, which takes a while."""
        self.watching = current_backend().watch(self.building)
        self.watching.__enter__()

    def building(self, progress: Any) -> None:
        """Show how many kernels are built."""
        say_building(progress)

    def on_epoch_end(self, run: Run) -> None:
        """Print the line of the epoch."""
        say(epoch_line(run))

    def on_train_end(self, run: Run) -> None:
        """Stop reporting kernels, and say why a run has ended early."""
        self.watching.__exit__(None, None, None)
        if run.history.stopped and run.error is None:
            done = counted(run.epoch, "step" if run.step.full_batch else "epoch")
            say(f"Stopped after {done}: {run.history.stopped}")


class OftenLines(Lines):
    """Plain lines, also within a long epoch: for an output that is not a terminal."""

    every = 20.0  # seconds

    def on_train_begin(self, run: Run) -> None:
        """Begin to count the seconds."""
        super().on_train_begin(run)
        self.said = time.perf_counter()

    def on_batch_end(self, run: Run) -> None:
        """Print the progress of the epoch, if the last line was printed long enough ago."""
        now = time.perf_counter()
        if now - self.said >= self.every and run.batch < run.batches:
            self.said = now
            seconds = now - run.started
            say(
                f"Epoch {counted_epoch(run, run.epoch + 1)}  {run.batch:,} of {counted(run.batches, 'batch')}  "
                f"{seconds:.1f} s  {1000 * seconds / run.batch:.2f} ms/step  {write_measures(run.figures)}"
            )

    def on_epoch_end(self, run: Run) -> None:
        """Print the line of the epoch."""
        super().on_epoch_end(run)
        self.said = time.perf_counter()


def counted_epoch(run: Run, epoch: int) -> str:
    """Write which epoch of how many: 3/10."""
    return f"{epoch:>{len(str(run.epochs))}}/{run.epochs}"


def epoch_line(run: Run) -> str:
    """Write an epoch in one line: its seconds, the time of a training step, and its measures."""
    epoch = counted_epoch(run, run.epoch)
    milliseconds = 1000 * run.trained / run.batches
    return (
        f"Epoch {epoch}  {counted(run.batches, 'batch')}  {run.history.seconds[-1]:.1f} s  {milliseconds:.2f} ms/step  "
        f"{write_measures(run.figures)}"
    )


_displays: list[tuple[Callable[[], bool], type[Lines]]] = [(on_terminal, Lines)]


def use_display(where: Callable[[], bool], display: type[Lines]) -> None:
    """Register a display of runs for a kind of output; the last one that fits is used."""
    _displays.insert(0, (where, display))


def choose_display(arguments: dict[str, Any]) -> list[Lines]:
    """Choose the display of a run by the argument ``verbose`` of `fit` and the kind of output."""
    verbose = arguments["verbose"]
    if verbose not in (0, 1, 2):
        raise ArgumentError(f"verbose must be 0 (silent), 1 (progress) or 2 (a line an epoch), but got {verbose!r}")
    if verbose == 0:
        return []
    if verbose == 2:
        return [Lines()]
    return [next((display for where, display in _displays if where()), OftenLines)()]
