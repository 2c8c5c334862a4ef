"""A schedule that lowers the learning rate when a measure no longer improves."""

from __future__ import annotations

from typing import Any

from tinynet.checks import check_positive
from tinynet.errors import ArgumentError
from tinynet.train.callbacks.watch import Watch
from tinynet.train.run import Run


def first_rate(schedule: Any, run: Run) -> float:
    """Return the learning rate that a run begins with; without one, the error names the schedule."""
    if not hasattr(run.optimizer, "learning_rate"):
        raise ArgumentError(
            f"{type(schedule).__name__} sets the learning rate, but {type(run.optimizer).__name__} has no learning "
            "rate; leave the schedule out, or train with an optimizer such as tn.SGD"
        )
    return float(run.optimizer.learning_rate)


class Plateau(Watch):
    """The schedule that `LearningRateSchedule.plateau` makes.

    Parameters
    ----------
    monitor, patience, min_delta, mode
        As for `EarlyStopping`.
    factor : float
        The factor by which the rate is multiplied, above 0 and below 1.
    least : float
        The rate does not fall below this.

    Raises
    ------
    ArgumentError
        As from `EarlyStopping`; once a run begins, if its optimizer has no learning rate.
    """

    def __init__(
        self, monitor: str, patience: int, factor: float, least: float, min_delta: float, mode: str | None
    ) -> None:
        super().__init__(monitor, mode, min_delta, patience)
        self.factor = check_positive("plateau", "factor", factor)
        self.least = check_positive("plateau", "least", least, zero=True)
        if self.factor >= 1:
            raise ArgumentError(f"plateau: factor must be below 1, but got {factor!r}")

    def on_train_begin(self, run: Run) -> None:
        """Forget the last run, and check that there is a rate."""
        super().on_train_begin(run)
        first_rate(self, run)

    def on_epoch_begin(self, run: Run) -> None:
        """Lower the rate if the measure has not improved for ``patience`` epochs, and count from there."""
        if self.waited >= self.patience:
            rate = run.optimizer.learning_rate
            run.optimizer.learning_rate = max(min(self.least, rate), self.factor * rate)
            self.waited = 0
