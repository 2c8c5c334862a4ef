"""The measures of a run as a CSV file."""

from __future__ import annotations

import csv
import io
import os
import time

from tinynet.checks import check_count, check_positive
from tinynet.core.showing import shown_as_call
from tinynet.saving.files import append, write_atomically
from tinynet.saving.holding import hold
from tinynet.saving.places import as_path, check_place
from tinynet.train.run import Run


class CSVLogger:
    """Keeps the measures of each epoch, with its learning rate and seconds, as a table in a CSV file.

    Parameters
    ----------
    path : path-like
        The file. The first row writes it as a whole, from the history of the run, so that a resumed run has one table.
        Later rows are appended. If the process is killed, the last row may be cut off.
    every_epochs : int
        Write after every so many epochs; the rest is written at the end.
    every_seconds : float, optional
        Write only if the last time was so many seconds ago.

    Raises
    ------
    ArgumentError
        If an argument is not one of the above.
    WriteError
        If the file cannot be written. If the path is a directory, or is in no directory, this is found before training.

    Examples
    --------
    >>> import tempfile, pathlib, tinynet as tn
    >>> (x, y), _ = tn.datasets.mnist(source="sample")
    >>> model = tn.Sequential([tn.Input((28, 28), scale=1 / 255), tn.Flatten(), tn.Dense(10, "softmax")], seed=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "history.csv"
    ...     history = model.fit(x[:500], y[:500], epochs=3, callbacks=[tn.CSVLogger(path)], verbose=0)
    ...     lines = path.read_text().splitlines()
    >>> lines[0], len(lines)
    ('epoch,loss,accuracy,learning_rate,seconds', 4)
    """

    only_writes = True  # so only one of several processes needs this callback

    def __init__(self, path: str | os.PathLike[str], every_epochs: int = 1, every_seconds: float | None = None) -> None:
        self.path = as_path("the table", path)
        self.every_epochs = check_count("CSVLogger: every_epochs", every_epochs)
        self.every_seconds = 0.0
        if every_seconds is not None:
            self.every_seconds = check_positive("CSVLogger", "every_seconds", every_seconds)

    __repr__ = shown_as_call

    def on_train_begin(self, run: Run) -> None:
        """Check that the table can be written, before anything is trained."""
        check_place(self.path, "the table")
        self.size = -1  # of the file as this callback left it; it has not written yet
        self.rows = 0
        self.written = time.monotonic()
        run.held.enter_context(hold(self.path, "a table"))

    def on_epoch_end(self, run: Run) -> None:
        """Add the rows that are due."""
        seconds = time.monotonic() - self.written
        if self.every_seconds and seconds < self.every_seconds:
            return
        if run.epoch % self.every_epochs == 0:
            self._write(run)

    def on_train_end(self, run: Run) -> None:
        """Add the rows that are left."""
        self._write(run)

    def _write(self, run: Run) -> None:
        """Append rows to the table; write it as a whole if it is new, or has been changed by something else."""
        history, size = run.history, self.path.stat().st_size if self.path.exists() else -1
        begun = size == self.size and size >= 0
        start = self.rows if begun else 0
        table = io.StringIO(newline="")
        writer = csv.writer(table, lineterminator="\n")
        if not begun:
            writer.writerow(["epoch", *history.history, "learning_rate", "seconds"])
        columns = (*history.history.values(), history.learning_rates, history.seconds)
        rows = zip(*(column[start:] for column in columns), strict=True)
        writer.writerows([epoch, *row] for epoch, row in enumerate(rows, start + 1))
        content = table.getvalue().encode()
        if not begun:
            write_atomically(self.path, content)
        elif content:
            append(self.path, content)
        self.size, self.rows = self.path.stat().st_size, history.epochs
        self.written = time.monotonic()
