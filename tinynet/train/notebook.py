"""A bar for each epoch in a notebook, drawn by the display of its kernel, since the output is no terminal."""

from __future__ import annotations

import html
import sys
import time
from importlib import import_module
from typing import Any

from tinynet.train.output import say
from tinynet.train.progress import Lines, counted, counted_epoch, epoch_line, use_display, write_measures
from tinynet.train.run import Run

_REFRESH = 0.2  # seconds between updates of the bar


def in_notebook() -> bool:
    """Return whether this is the kernel of a notebook, and the notebook shows what is printed."""
    return "IPython" in sys.modules and type(sys.stdout).__module__.startswith("ipykernel.")


class Bar(Lines):
    """A bar above the lines of the epochs, which is redrawn while an epoch runs."""

    def on_train_begin(self, run: Run) -> None:
        """Show an empty bar."""
        display = import_module("IPython.display").display
        self.began = self.shown = time.perf_counter()
        self.handle: Any = display(_content(0, "starting"), raw=True, display_id=True)
        super().on_train_begin(run)

    def on_batch_end(self, run: Run) -> None:
        """Redraw, if it is time."""
        now = time.perf_counter()
        if now - self.shown >= _REFRESH:
            self.shown = now
            milliseconds = 1000 * (now - run.started) / run.batch
            text = (
                f"Epoch {counted_epoch(run, run.epoch + 1)}, {run.batch:,} of {counted(run.batches, 'batch')}, "
                f"{milliseconds:.2f} ms/step, {write_measures(run.figures)}"
            )
            self.handle.update(_content(run.batch / run.batches, text), raw=True)

    def on_epoch_end(self, run: Run) -> None:
        """Print the line of the epoch below the bar."""
        say(epoch_line(run))

    def building(self, progress: Any) -> None:
        """Show how many kernels are left to build, instead of the bar."""
        kernels = counted(progress.total, "kernel")
        text = f"building {kernels}, {progress.done} done (first use; later runs find them on disk)"
        self.handle.update(_content(progress.done / max(progress.total, 1), text), raw=True)

    def on_train_end(self, run: Run) -> None:
        """Replace the bar by a line that says how many epochs were done."""
        seconds = time.perf_counter() - self.began
        done = "step" if run.step.full_batch else "epoch"
        text = f"{run.epoch:,} of {counted(run.epochs, done)} in {seconds:.1f} s"
        self.handle.update(_content(run.epoch / max(run.epochs, 1), text), raw=True)
        super().on_train_end(run)


def _content(share: float, text: str) -> dict[str, str]:
    """Return the bar as HTML, and the text for programs that do not show HTML."""
    bar = (
        '<div style="display: flex; align-items: center; gap: 10px; font-family: monospace; font-size: 90%">'
        f'<progress value="{share:.4f}" max="1" style="width: 160px; flex: none"></progress>'
        f"<span>{html.escape(text)}</span></div>"
    )
    return {"text/html": bar, "text/plain": text}


use_display(in_notebook, Bar)
