"""Watching a measure: the best value so far, and when it was reached."""

from __future__ import annotations

import math
from types import NoneType
from typing import Any

from tinynet.checks import check_count, check_positive
from tinynet.core.showing import shown_as_call
from tinynet.errors import ArgumentError, CheckpointError
from tinynet.saving.form import conforms
from tinynet.train.run import Run


class Watch:
    """A callback that watches a measure: which value was the best so far, and how many epochs have passed since.

    Parameters
    ----------
    monitor : str
        The measure: "loss", "val_loss", "accuracy", "val_accuracy", or a metric.
    mode : {"min", "max"}, optional
        Whether less or more is better. The default is less for a loss, and more for an accuracy.
    min_delta : float
        A better value counts only if it is better by more than this.
    patience : int
        The number of epochs in a row without improvement after which the callback acts.

    Raises
    ------
    ArgumentError
        If an argument is not one of the above; once a run begins, if there is no such measure.
    """

    def __init__(self, monitor: str, mode: str | None = None, min_delta: float = 0.0, patience: int = 1) -> None:
        owner = type(self).__name__
        self.monitor = monitor
        self.mode = mode or _usual_mode(str(monitor))
        if self.mode not in ("min", "max"):
            raise ArgumentError(
                f'{owner}: say with mode="min" or mode="max" whether less or more of {monitor!r} is better, but got '
                f"mode={mode!r}"
            )
        self.min_delta = check_positive(owner, "min_delta", min_delta, zero=True)
        self.patience = check_count(f"{owner}: patience", patience)
        self.best: float | None = None
        self.waited = 0

    __repr__ = shown_as_call

    def on_train_begin(self, run: Run) -> None:
        """Forget the last run."""
        self.best = None
        self.waited = 0
        if str(self.monitor).startswith("val_") and not run.validates:
            raise ArgumentError(
                f"{type(self).__name__} watches {self.monitor!r}, but fit was given no validation_data; give some, or "
                f"watch {self.monitor[4:]!r}"
            )

    def on_epoch_end(self, run: Run) -> None:
        """Compare the value of this epoch with the best so far."""
        if self.monitor not in run.figures:
            raise ArgumentError(
                f"{type(self).__name__} watches {self.monitor!r}, but the measures of this run are {list(run.figures)}"
            )
        value = run.figures[self.monitor]
        if self._improves(value):
            self.best = value
            self.waited = 0
        else:
            self.waited += 1

    def _improves(self, value: float) -> bool:
        """Return whether a value is the best so far: the first always is, and any number is better than NaN."""
        if self.best is None:
            return True
        if math.isnan(self.best):
            return not math.isnan(value)
        gain = self.best - value if self.mode == "min" else value - self.best
        return gain > self.min_delta

    def state(self) -> dict[str, Any]:
        """Return the best value so far, and the epochs since then."""
        return {"best": self.best, "waited": self.waited}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore these."""
        if not conforms(state, {"best": (float, NoneType), "waited": int}):
            raise CheckpointError(f"the checkpoint is damaged: {state} is not a state of {type(self).__name__}")
        self.best = state["best"]
        self.waited = state["waited"]


def _usual_mode(monitor: str) -> str | None:
    if monitor.endswith("loss"):
        return "min"
    return "max" if monitor.endswith("accuracy") else None
