"""What a user sees while a model is trained: one line an epoch, or nothing. See `tinynet.train.live` for terminals."""

from __future__ import annotations

import sys

from tinynet.errors import ArgumentError
from tinynet.train.history import Means


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


class Silent:
    """Shows nothing. A display of another kind overrides what it shows."""

    def __init__(self, epochs: int, batches: int) -> None:
        self.epochs = epochs
        self.batches = batches
        self.epoch = 0
        self.started = 0.0

    def open(self) -> None:
        """Begin to show the run."""

    def begin(self, epoch: int, started: float) -> None:
        """Begin an epoch, at a time."""
        self.epoch = epoch
        self.started = started

    def step(self, batch: int, means: Means) -> None:
        """Show that a batch is done."""

    def end(self, measures: dict[str, float], seconds: float, training: float) -> None:
        """Show the measures of an epoch."""

    def close(self) -> None:
        """Leave the terminal as it was."""

    def line(self, measures: dict[str, float], seconds: float, training: float) -> str:
        """Write an epoch in one line: its seconds, those of training by step, and its measures."""
        epoch = f"{self.epoch + 1:>{len(str(self.epochs))}}/{self.epochs}"
        milliseconds = 1000 * training / self.batches
        return (
            f"Epoch {epoch}  {counted(self.batches, 'batch')}  {seconds:.1f} s  {milliseconds:.2f} ms/step  "
            f"{write_measures(measures)}"
        )


class Lines(Silent):
    """One plain line an epoch."""

    def end(self, measures: dict[str, float], seconds: float, training: float) -> None:
        """Print the line."""
        print(self.line(measures, seconds, training), flush=True)


_on_terminals: list[type[Silent]] = [Lines]


def use_on_terminals(display: type[Silent]) -> None:
    """Show runs by this display from now on where the output is a terminal."""
    _on_terminals[:] = [display]


def choose_display(verbose: int, epochs: int, batches: int) -> Silent:
    """Choose how to show a run: not at all, by batch where the output is a terminal, or by epoch."""
    if verbose not in (0, 1, 2):
        raise ArgumentError(f"verbose must be 0 (silent), 1 (progress) or 2 (a line an epoch), but got {verbose!r}")
    if verbose == 0:
        return Silent(epochs, batches)
    if verbose == 1 and sys.stdout.isatty():
        return _on_terminals[0](epochs, batches)
    return Lines(epochs, batches)
