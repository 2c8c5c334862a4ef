"""The callbacks that come with tinynet. Training knows none of them; what a callback is stands in `Run`."""

from __future__ import annotations

import csv
import errno
import io
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import NoneType
from typing import Any, cast

from tinynet.arguments import check_count, positive
from tinynet.errors import ArgumentError, CheckpointError, WriteError
from tinynet.files import write_atomically
from tinynet.layers import Layer
from tinynet.modelfile import conforms, describe
from tinynet.training.run import Run


def _check_place(path: Path, what: str) -> None:
    """Refuse a file that could not be written, before anything is trained."""
    if path.is_dir():
        raise WriteError(errno.EISDIR, f"{path}, where {what} is to be, is a directory; give the path of a file in it")
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK):
        raise WriteError(errno.EACCES, f"{path.parent}, where {what} is to be, is no directory to write to")


class Watch:
    """A callback that watches a figure: which value was the best so far, and how many epochs have passed since.

    Parameters
    ----------
    monitor : str
        The figure: "loss", "val_loss", "accuracy", "val_accuracy", or that of a metric.
    mode : {"min", "max"}, optional
        Whether less or more is better. By default less of a loss, and more of an accuracy.
    min_delta : float
        A better value counts only if it is better by more than this.
    patience : int
        After how many epochs in a row without improvement something is done about it.

    Raises
    ------
    ArgumentError
        If an argument is none of the above; once a run begins, if there is no such figure.
    """

    def __init__(self, monitor: str, mode: str | None = None, min_delta: float = 0.0, patience: int = 1) -> None:
        owner = type(self).__name__
        known = "min" if str(monitor).endswith("loss") else "max" if str(monitor).endswith("accuracy") else None
        self.monitor, self.mode = monitor, mode or known
        if self.mode not in ("min", "max"):
            raise ArgumentError(
                f'{owner}: say with mode="min" or mode="max" whether less or more of {monitor!r} is better, but got '
                f"mode={mode!r}"
            )
        self.min_delta = positive(owner, "min_delta", min_delta, zero=True)
        self.patience = check_count(f"{owner}: patience", patience)
        self.best: float | None = None
        self.waited = 0

    def on_train_begin(self, run: Run) -> None:
        """Forget the run before."""
        self.best, self.waited = None, 0
        if str(self.monitor).startswith("val_") and not run.validates:
            raise ArgumentError(
                f"{type(self).__name__} watches {self.monitor!r}, but fit was given no validation_data; give some, or "
                f"watch {self.monitor[4:]!r}"
            )

    def on_epoch_end(self, run: Run) -> None:
        """Compare the figure of this epoch with the best so far; NaN is better than nothing, and all else than NaN."""
        if self.monitor not in run.figures:
            raise ArgumentError(
                f"{type(self).__name__} watches {self.monitor!r}, but the figures of this run are {list(run.figures)}"
            )
        value, sign = run.figures[self.monitor], 1 if self.mode == "min" else -1
        better = self.best is None or sign * (self.best - value) > self.min_delta
        better = better or math.isnan(self.best or 0.0) > math.isnan(value)
        self.best, self.waited = (value, 0) if better else (self.best, self.waited + 1)

    def state(self) -> dict[str, Any]:
        """Give the best value so far, and the epochs since."""
        return {"best": self.best, "waited": self.waited}

    def restore(self, state: dict[str, Any]) -> None:
        """Take them back."""
        if not conforms(state, {"best": (float, NoneType), "waited": int}):
            raise CheckpointError(f"the checkpoint is damaged: {state} is no state of {type(self).__name__}")
        self.best, self.waited = state["best"], state["waited"]


class Checkpoint(Watch):
    """Saves the run in one file, from which ``fit(resume=path)`` goes on and `tinynet.load` gives the model.

    Parameters
    ----------
    path : path-like
        Where to; each save replaces the one before, whole or not at all. The directory must exist.
    monitor : str
        With ``best_only``: the figure that says which epoch is the best.
    best_only : bool
        Save after an epoch only if it is the best so far. Otherwise each epoch is saved, and where a run that is
        stopped or interrupted stands.
    every_batches : int, optional
        Save after every so many batches of an epoch, too.
    every_seconds : float, optional
        Save after a batch if the last save was so many seconds ago, too.
    mode : {"min", "max"}, optional
        Whether less or more of the figure is better. By default less of a loss, and more of an accuracy.

    Raises
    ------
    ArgumentError
        If an argument is none of the above; once a run begins, if its model cannot be put into a file.
    WriteError
        If the file cannot be written; what was there before is then untouched. A place that is a directory, or in none,
        is told before anything is trained.

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
    ) -> None:
        super().__init__(monitor, mode if best_only else "min")
        self.path, self.best_only = Path(path), best_only
        self.every_batches = 0 if every_batches is None else check_count("Checkpoint: every_batches", every_batches)
        self.every_seconds = 0 if every_seconds is None else positive("Checkpoint", "every_seconds", every_seconds)
        if best_only and (self.every_batches or self.every_seconds):
            raise ArgumentError(
                "Checkpoint: the best is known only after an epoch; leave out every_batches and every_seconds"
            )
        if self.every_batches or self.every_seconds:
            self.on_batch_end = self._after_batch  # otherwise batches cost nothing

    def on_train_begin(self, run: Run) -> None:
        """Make sure that the model can be saved, before it is trained."""
        self.saved = time.monotonic()
        if self.best_only:
            super().on_train_begin(run)
        describe(cast(Layer, run.model), run.model.parameters)
        _check_place(self.path, "a checkpoint")

    def on_epoch_end(self, run: Run) -> None:
        """Save the epoch."""
        if self.best_only:
            super().on_epoch_end(run)
        if not self.best_only or not self.waited:
            self._save(run)

    def _after_batch(self, run: Run) -> None:
        due = self.every_batches and run.batch % self.every_batches == 0
        if due or (self.every_seconds and time.monotonic() - self.saved >= self.every_seconds):
            self._save(run)

    def on_train_end(self, run: Run) -> None:
        """Save where the run stands, which may be within an epoch."""
        if run.error is None and not self.best_only:
            self._save(run)

    def _save(self, run: Run) -> None:
        run.save(self.path, first=self.best_only)
        self.saved = time.monotonic()


class EarlyStopping(Watch):
    """Stops a run once a figure has not improved for some epochs.

    Parameters
    ----------
    monitor : str
        The figure.
    patience : int
        For how many epochs in a row it may fail to improve, 1 or more.
    min_delta : float
        It improves only if it is better than the best so far by more than this.
    mode : {"min", "max"}, optional
        Whether less or more of it is better. By default less of a loss, and more of an accuracy.

    Raises
    ------
    ArgumentError
        If an argument is none of the above; once a run begins, if there is no such figure.

    Examples
    --------
    >>> import tinynet as tn
    >>> (x, y), test = tn.datasets.mnist(source="sample")
    >>> model = tn.Sequential([tn.Input((28, 28), scale=1 / 255), tn.Flatten(), tn.Dense(10, "softmax")], seed=0)
    >>> stopping = tn.EarlyStopping("loss", patience=1, min_delta=10.0)
    >>> model.fit(x[:500], y[:500], epochs=9, callbacks=[stopping], verbose=0).epochs
    2
    """

    def __init__(
        self, monitor: str = "val_loss", patience: int = 5, min_delta: float = 0.0, mode: str | None = None
    ) -> None:
        super().__init__(monitor, mode, min_delta, patience)

    def on_epoch_end(self, run: Run) -> None:
        """Stop, if it is time."""
        super().on_epoch_end(run)
        if self.waited >= self.patience:
            run.stop(f"{self.monitor} has not improved for {self.waited} epoch{'s' * (self.waited > 1)}")


def _rate(schedule: Any, run: Run) -> float:
    """Give the learning rate of a run that a schedule is to change."""
    if not hasattr(run.optimizer, "learning_rate"):
        raise ArgumentError(
            f"{type(schedule).__name__} sets the learning rate, but {type(run.optimizer).__name__} has no learning "
            "rate; leave the schedule out, or train with an optimizer such as tn.SGD"
        )
    return float(run.optimizer.learning_rate)


class LearningRateSchedule:
    """Sets the learning rate at the begin of each epoch; the optimizer has its own back at the end of the run.

    Parameters
    ----------
    rate : callable
        A function of the number of complete epochs and of the learning rate that the run began with. `step`, `cosine`
        and `plateau` make the usual schedules.

    Raises
    ------
    ArgumentError
        If it is no function, or gives no rate; once a run begins, if its optimizer has no learning rate.

    Examples
    --------
    >>> import tinynet as tn
    >>> (x, y), _ = tn.datasets.mnist(source="sample")
    >>> model = tn.Sequential([tn.Input((28, 28), scale=1 / 255), tn.Flatten(), tn.Dense(10, "softmax")], seed=0)
    >>> halved = tn.LearningRateSchedule.step(every=2, factor=0.5)
    >>> model.fit(x[:99], y[:99], epochs=5, optimizer=tn.SGD(0.1), callbacks=[halved], verbose=0).learning_rates
    [0.1, 0.1, 0.05, 0.05, 0.025]
    """

    def __init__(self, rate: Callable[[int, float], float]) -> None:
        if not callable(rate):
            raise ArgumentError(f"LearningRateSchedule takes a function of (epoch, first_rate), but got {rate!r}")
        self.rate = rate

    def on_train_begin(self, run: Run) -> None:
        """Note the rate that the run begins with."""
        self.first = _rate(self, run)

    def on_epoch_begin(self, run: Run) -> None:
        """Set the rate of the epoch."""
        rate = self.rate(run.epoch, self.first)
        run.optimizer.learning_rate = positive(type(self).__name__, "the learning rate", rate, zero=True)

    @classmethod
    def step(cls, every: int, factor: float = 0.1) -> LearningRateSchedule:
        """Multiply the rate by a factor after every so many epochs."""
        every, factor = check_count("step: every", every), positive("step", "factor", factor)
        return cls(lambda epoch, first: first * factor ** (epoch // every))

    @classmethod
    def cosine(cls, epochs: int, least: float = 0.0) -> LearningRateSchedule:
        """Go from the first rate to the least one in so many epochs, along half a period of a cosine.

        Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017, eq. 5.
        """
        epochs, least = check_count("cosine: epochs", epochs), positive("cosine", "least", least, zero=True)
        return cls(lambda epoch, first: least + (first - least) * (1 + math.cos(math.pi * min(epoch / epochs, 1))) / 2)

    @staticmethod
    def plateau(
        monitor: str = "val_loss",
        patience: int = 5,
        factor: float = 0.1,
        least: float = 0.0,
        min_delta: float = 0.0,
        mode: str | None = None,
    ) -> Plateau:
        """Multiply the rate by a factor, down to the least one, once a figure has not improved for some epochs."""
        return Plateau(monitor, patience, factor, least, min_delta, mode)


class Plateau(Watch):
    """The schedule that `LearningRateSchedule.plateau` makes.

    Parameters
    ----------
    monitor, patience, min_delta, mode
        As for `EarlyStopping`.
    factor : float
        By which the rate is multiplied, above 0 and below 1.
    least : float
        Below which it does not fall.

    Raises
    ------
    ArgumentError
        As from `EarlyStopping`; once a run begins, if its optimizer has no learning rate.
    """

    def __init__(
        self, monitor: str, patience: int, factor: float, least: float, min_delta: float, mode: str | None
    ) -> None:
        super().__init__(monitor, mode, min_delta, patience)
        self.factor, self.least = positive("plateau", "factor", factor), positive("plateau", "least", least, zero=True)
        if self.factor >= 1:
            raise ArgumentError(f"plateau: factor must be below 1, but got {factor!r}")

    def on_train_begin(self, run: Run) -> None:
        """Forget the run before, and make sure that there is a rate."""
        super().on_train_begin(run)
        _rate(self, run)

    def on_epoch_begin(self, run: Run) -> None:
        """Lower the rate, if it is time, and wait again."""
        if self.waited >= self.patience:
            rate = run.optimizer.learning_rate
            run.optimizer.learning_rate = max(min(self.least, rate), self.factor * rate)
            self.waited = 0


class CSVLogger:
    """Keeps the figures of each epoch, with its learning rate and seconds, as a table in a CSV file.

    Parameters
    ----------
    path : path-like
        Where to. After each epoch, and at the end, the file is written whole, from the history of the run, so that a
        run that is resumed leaves one table.

    Raises
    ------
    WriteError
        If the file cannot be written; a place that is a directory, or in none, is told before anything is trained.

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

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def on_train_begin(self, run: Run) -> None:
        """Make sure that the table can be written, before anything is trained."""
        _check_place(self.path, "the table")

    def on_epoch_end(self, run: Run) -> None:
        """Write the table."""
        table, history = io.StringIO(newline=""), run.history
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(["epoch", *history.history, "learning_rate", "seconds"])
        figures = zip(*history.history.values(), history.learning_rates, history.seconds, strict=True)
        writer.writerows([epoch, *values] for epoch, values in enumerate(figures, 1))
        write_atomically(self.path, table.getvalue().encode())

    on_train_end = on_epoch_end
