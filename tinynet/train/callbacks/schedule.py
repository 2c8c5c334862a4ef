"""Schedules of the learning rate, by epoch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tinynet.checks import check_count, check_positive
from tinynet.errors import ArgumentError
from tinynet.train.callbacks.watch import Watch
from tinynet.train.run import Run


def half_cosine(start: float, end: float, part: float) -> float:
    """Return where something is that goes from one number to another along half a period of a cosine, and stays."""
    return end + (start - end) * (1 + math.cos(math.pi * min(part, 1))) / 2


def _rate(schedule: Any, run: Run) -> float:
    """Return the learning rate of a run that a schedule is to change."""
    if not hasattr(run.optimizer, "learning_rate"):
        raise ArgumentError(
            f"{type(schedule).__name__} sets the learning rate, but {type(run.optimizer).__name__} has no learning "
            "rate; leave the schedule out, or train with an optimizer such as tn.SGD"
        )
    return float(run.optimizer.learning_rate)


class LearningRateSchedule:
    """Sets the learning rate at the start of each epoch; the optimizer has its own back at the end of the run.

    `StepSchedule` sets it before each step.

    Parameters
    ----------
    rate : callable
        A function of the number of complete epochs and of the learning rate that the run began with. `step`, `cosine`
        and `plateau` make the usual schedules.

    Raises
    ------
    ArgumentError
        If it is no function, or returns no rate; once a run begins, if its optimizer has no learning rate.

    Examples
    --------
    >>> import tinynet as tn
    >>> (x, y), _ = tn.datasets.mnist(source="sample")
    >>> model = tn.Sequential([tn.Input((28, 28), scale=1 / 255), tn.Flatten(), tn.Dense(10, "softmax")], seed=0)
    >>> halved = tn.LearningRateSchedule.step(every=2, factor=0.5)
    >>> model.fit(x[:99], y[:99], epochs=5, optimizer=tn.SGD(0.1), callbacks=[halved], verbose=0).learning_rates
    [0.1, 0.1, 0.05, 0.05, 0.025]
    """

    def __init__(self, rate: Callable[[Any, float], float]) -> None:
        if not callable(rate):
            raise ArgumentError(f"{type(self).__name__} takes a function of (epoch, first_rate), but got {rate!r}")
        self.rate = rate

    def on_train_begin(self, run: Run) -> None:
        """Note the rate that the run begins with."""
        self.first = _rate(self, run)

    def on_epoch_begin(self, run: Run) -> None:
        """Set the rate of the epoch."""
        rate = self.rate(run.epoch, self.first)
        run.optimizer.learning_rate = check_positive(type(self).__name__, "the learning rate", rate, zero=True)

    @classmethod
    def step(cls, every: int, factor: float = 0.1) -> LearningRateSchedule:
        """Multiply the rate by a factor after every so many epochs."""
        every = check_count("step: every", every)
        factor = check_positive("step", "factor", factor)

        def rate(epoch: float, first: float) -> float:
            return float(first * factor ** (epoch // every))

        return cls(rate)

    @classmethod
    def cosine(cls, epochs: int, least: float = 0.0) -> LearningRateSchedule:
        """Go from the first rate to the least one in so many epochs, along half a period of a cosine.

        Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017, eq. 5.
        """
        epochs = check_count("cosine: epochs", epochs)
        least = check_positive("cosine", "least", least, zero=True)

        def rate(epoch: int, first: float) -> float:
            return half_cosine(first, least, epoch / epochs)

        return cls(rate)

    @staticmethod
    def plateau(
        monitor: str = "val_loss",
        patience: int = 5,
        factor: float = 0.1,
        least: float = 0.0,
        min_delta: float = 0.0,
        mode: str | None = None,
    ) -> Plateau:
        """Multiply the rate by a factor, down to the least one, once a measure has not improved for some epochs."""
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
        self.factor = check_positive("plateau", "factor", factor)
        self.least = check_positive("plateau", "least", least, zero=True)
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
