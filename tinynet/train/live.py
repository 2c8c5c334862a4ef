"""A live line on a terminal, by rich."""

from __future__ import annotations

import sys
import time
from typing import Any

from tinynet.train.history import Means
from tinynet.train.progress import Silent, counted, use_on_terminals, write_measures

_REFRESH = 0.1  # seconds between updates of the line


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

    def open(self) -> None:
        """Show the bar."""
        self.progress.start()

    def begin(self, epoch: int, started: float) -> None:
        """Start the bar anew."""
        super().begin(epoch, started)
        self.progress.update(self.task, completed=0, epoch=epoch + 1, description="", refresh=True)

    def step(self, batch: int, means: Means) -> None:
        """Redraw, if it is time."""
        now = time.perf_counter()
        if now - self.shown >= _REFRESH:
            self.shown = now
            text = f"{1000 * (now - self.started) / batch:.2f} ms/step  {write_measures(means())}"
            self.progress.update(self.task, completed=batch, description=text, refresh=True)

    def end(self, measures: dict[str, float], seconds: float, training: float) -> None:
        """Leave the epoch's line above the bar."""
        self.progress.console.print(self.line(measures, seconds, training), highlight=False, soft_wrap=True)

    def building(self, progress: Any) -> None:
        """Say beside the bar how many kernels are left."""
        text = ""
        if progress.done < progress.total:
            kernels = counted(progress.total - progress.done, "kernel")
            processes = counted(progress.processes, "process")
            text = f"building {kernels} on {processes} (first use; later runs find them on disk)"
        self.progress.update(self.task, description=text, refresh=True)

    def close(self) -> None:
        """Remove the bar."""
        self.progress.stop()


use_on_terminals(Live)
