"""Saving a run while it is under way."""

from __future__ import annotations

import os
import time
from typing import cast

from tinynet.checks import check_count, check_positive
from tinynet.errors import ArgumentError
from tinynet.nn import Layer
from tinynet.saving.description import describe
from tinynet.saving.holding import hold
from tinynet.saving.places import as_path, check_place
from tinynet.train.callbacks.watch import Watch
from tinynet.train.run import Run


class Checkpoint(Watch):
    """Saves the run in one file, with which ``fit(resume=path)`` continues and `tinynet.load` returns the model.

    Parameters
    ----------
    path : path-like
        The file. Each save replaces the one before, whole or not at all. The directory must exist.
    monitor : str
        With ``best_only``: the measure by which epochs are compared.
    best_only : bool
        Save an epoch only if it is the best so far. Otherwise every epoch is saved, and also the state at which a run
        is stopped or interrupted.
    every_epochs : int, optional
        Save after every so many epochs; None for never. The end of a run is saved in any case.
    every_batches : int, optional
        Also save after every so many batches of an epoch.
    every_seconds : float, optional
        Also save after a batch if the last save was so many seconds ago.
    mode : {"min", "max"}, optional
        Whether less or more of the measure is better. The default is less for a loss, and more for an accuracy.

    Raises
    ------
    ArgumentError
        If an argument is not one of the above; once a run begins, if its model cannot be put into a file.
    WriteError
        If the file cannot be written; the old file is then untouched. If the path is a directory, is in no directory,
        or is that of a file to which another run writes, this is found before anything is trained.

    Examples
    --------
    >>> import tempfile, pathlib, tinynet as tn
    >>> (x, y), _ = tn.datasets.mnist(source="sample")
    >>> def train(epochs, **options):
    ...     model = tn.Sequential([tn.Input((28, 28), scale=1 / 255), tn.Flatten(), tn.Dense(10, "softmax")], seed=0)
    ...     model.fit(x[:500], y[:500], epochs=epochs, seed=0, verbose=0, **options)
    ...     return model
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "last.safetensors"
    ...     stopped = train(1, callbacks=[tn.Checkpoint(path)])
    ...     resumed = train(3, callbacks=[tn.Checkpoint(path)], resume=path)
    >>> bool((resumed.theta == train(3).theta).all())
    True
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        monitor: str = "val_loss",
        best_only: bool = False,
        every_batches: int | None = None,
        every_seconds: float | None = None,
        mode: str | None = None,
        every_epochs: int | None = 1,
    ) -> None:
        super().__init__(monitor, mode if best_only else "min")
        self.path = as_path("a checkpoint", path)
        self.best_only = best_only
        self.every_epochs = 0
        if every_epochs is not None:
            self.every_epochs = check_count("Checkpoint: every_epochs", every_epochs)
        self.every_batches = 0
        if every_batches is not None:
            self.every_batches = check_count("Checkpoint: every_batches", every_batches)
        self.every_seconds = 0.0
        if every_seconds is not None:
            self.every_seconds = check_positive("Checkpoint", "every_seconds", every_seconds)
        if best_only and (self.every_batches or self.every_seconds or self.every_epochs != 1):
            raise ArgumentError(
                "Checkpoint: the best is known after each epoch, and only then; leave out every_epochs, every_batches "
                "and every_seconds"
            )
        if self.every_batches or self.every_seconds:
            self.on_batch_end = self._after_batch  # otherwise batches cost nothing

    def on_train_begin(self, run: Run) -> None:
        """Check that the model can be saved, before it is trained."""
        self.saved = time.monotonic()
        if self.best_only:
            super().on_train_begin(run)
        describe(cast(Layer, run.model), run.model.parameters)
        check_place(self.path, "a checkpoint")
        world = run.arguments.get("world")
        if world is None or not world.rank:  # the first of several processes writes
            run.held.enter_context(hold(self.path, "checkpoints"))

    def on_epoch_end(self, run: Run) -> None:
        """Save the epoch."""
        if self.best_only:
            super().on_epoch_end(run)
        due = not self.waited if self.best_only else self.every_epochs and run.epoch % self.every_epochs == 0
        if due:
            self._save(run)

    def _after_batch(self, run: Run) -> None:
        due = self.every_batches and run.batch % self.every_batches == 0
        if due or (self.every_seconds and time.monotonic() - self.saved >= self.every_seconds):
            self._save(run)

    def on_train_end(self, run: Run) -> None:
        """Save the state of the run, which may be within an epoch."""
        if run.error is None and not self.best_only:
            self._save(run)

    def _save(self, run: Run) -> None:
        run.save(self.path, first=self.best_only)
        self.saved = time.monotonic()
