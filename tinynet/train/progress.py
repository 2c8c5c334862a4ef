"""What a user sees while a model is trained: one line an epoch, or nothing. See `tinynet.train.live` for terminals."""

from __future__ import annotations

import sys
from typing import Any

from tinynet.core.engine import current_backend
from tinynet.errors import ArgumentError
from tinynet.train.run import Run


def counted(number: int, thing: str) -> str:
    """Write how many there are of something: 1 step, 2 steps, 10,000 batches."""
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
    """Print a line before kernels are built, and one when all are."""
    kernels = counted(progress.total, "kernel")
    if not progress.done:
        processes = counted(progress.processes, "process")
        print(f"Building {kernels} on {processes}; later runs find them on disk ...", flush=True)
    elif progress.done == progress.total:
        print(f"Built {kernels}.", flush=True)


class Lines:
    """The callback of every run that shows it: one plain line an epoch, and a line when kernels are built."""

    def on_train_begin(self, run: Run) -> None:
        """Watch for kernels that are built at their first use, which takes a while."""
        self.watching = current_backend().watch(self.building)
        self.watching.__enter__()

    def building(self, progress: Any) -> None:
        """Say how far it is."""
        say_building(progress)

    def on_epoch_end(self, run: Run) -> None:
        """Print the line of the epoch."""
        print(epoch_line(run), flush=True)

    def on_train_end(self, run: Run) -> None:
        """Watch no longer."""
        self.watching.__exit__(None, None, None)


def epoch_line(run: Run) -> str:
    """Write an epoch in one line: its seconds, those of training by step, and its measures."""
    epoch = f"{run.epoch:>{len(str(run.epochs))}}/{run.epochs}"
    milliseconds = 1000 * run.trained / run.batches
    return (
        f"Epoch {epoch}  {counted(run.batches, 'batch')}  {run.history.seconds[-1]:.1f} s  {milliseconds:.2f} ms/step  "
        f"{write_measures(run.figures)}"
    )


_on_terminals: list[type[Lines]] = [Lines]


def use_on_terminals(display: type[Lines]) -> None:
    """Show runs by this display from now on where the output is a terminal."""
    _on_terminals[:] = [display]


def choose_display(arguments: dict[str, Any]) -> list[Lines]:
    """Choose how to show a run: not at all, by batch where the output is a terminal, or by epoch."""
    verbose = arguments["verbose"]
    if verbose not in (0, 1, 2):
        raise ArgumentError(f"verbose must be 0 (silent), 1 (progress) or 2 (a line an epoch), but got {verbose!r}")
    if verbose == 0:
        return []
    return [_on_terminals[0]() if verbose == 1 and sys.stdout.isatty() else Lines()]
