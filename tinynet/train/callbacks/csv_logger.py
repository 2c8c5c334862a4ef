"""The measures of a run as a CSV file."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

from tinynet.core.showing import shown_as_call
from tinynet.saving.files import write_atomically
from tinynet.train.callbacks.place import check_place
from tinynet.train.run import Run


class CSVLogger:
    """Keeps the measures of each epoch, with its learning rate and seconds, as a table in a CSV file.

    Parameters
    ----------
    path : path-like
        Where to. After each epoch, and at the end, the file is written whole, from the history of the run, so that a
        run that is resumed leaves one table.

    Raises
    ------
    WriteError
        If the file cannot be written; a place that is a directory, or in none, is refused before any training.

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

    only_writes = True  # so that one process of several is enough

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    __repr__ = shown_as_call

    def on_train_begin(self, run: Run) -> None:
        """Make sure that the table can be written, before anything is trained."""
        check_place(self.path, "the table")

    def on_epoch_end(self, run: Run) -> None:
        """Write the table."""
        table = io.StringIO(newline="")
        history = run.history
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(["epoch", *history.history, "learning_rate", "seconds"])
        rows = zip(*history.history.values(), history.learning_rates, history.seconds, strict=True)
        writer.writerows([epoch, *row] for epoch, row in enumerate(rows, 1))
        write_atomically(self.path, table.getvalue().encode())

    on_train_end = on_epoch_end
