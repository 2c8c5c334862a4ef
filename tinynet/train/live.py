"""A live line on a terminal, by rich."""

from __future__ import annotations

import sys
import time
from typing import Any

from tinynet.train.output import on_terminal
from tinynet.train.progress import Lines, counted, epoch_line, use_display, write_measures
from tinynet.train.run import Run

_REFRESH = 0.1  # seconds between updates of the line


class Live(Lines):
    """A line that is redrawn while an epoch runs, and stays when it is over."""

    def on_train_begin(self, run: Run) -> None:
        """Show the bar."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        self.progress = Progress(
            TextColumn("Epoch {task.fields[epoch]}/" + str(run.epochs), markup=False),
            MofNCompleteColumn(),
            BarColumn(bar_width=20),
            TextColumn("{task.description}", markup=False),  # a metric may be called [/0]
            console=Console(file=sys.stdout),
            auto_refresh=False,
            transient=True,
        )
        self.task = self.progress.add_task("", total=run.batches, epoch=run.epoch + 1)
        self.shown = 0.0
        self.progress.start()
        super().on_train_begin(run)

    def on_epoch_begin(self, run: Run) -> None:
        """Set the bar back to the start."""
        self.progress.update(self.task, completed=0, epoch=run.epoch + 1, description="", refresh=True)

    def on_batch_end(self, run: Run) -> None:
        """Redraw, if it is time."""
        now = time.perf_counter()
        if now - self.shown >= _REFRESH:
            self.shown = now
            milliseconds = 1000 * (now - run.started) / run.batch
            text = f"{milliseconds:.2f} ms/step  {write_measures(run.figures)}"
            self.progress.update(self.task, completed=run.batch, description=text, refresh=True)

    def on_epoch_end(self, run: Run) -> None:
        """Leave the epoch's line above the bar."""
        self.progress.console.print(epoch_line(run), highlight=False, soft_wrap=True, markup=False, emoji=False)

    def building(self, progress: Any) -> None:
        """Show beside the bar how many kernels are left to build."""
        text = ""
        if progress.done < progress.total:
            kernels = counted(progress.total - progress.done, "kernel")
            processes = counted(progress.processes, "process")
            text = f"building {kernels} on {processes} (first use; later runs find them on disk)"
        self.progress.update(self.task, description=text, refresh=True)

    def on_train_end(self, run: Run) -> None:
        """Remove the bar."""
        self.progress.stop()
        super().on_train_end(run)


use_display(on_terminal, Live)
