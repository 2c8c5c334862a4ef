"""Schedules of the learning rate, by epoch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tinynet.checks import check_count, check_positive
from tinynet.core.showing import recorded, shown_as_call
from tinynet.errors import ArgumentError
from tinynet.train.callbacks import rates
from tinynet.train.callbacks.plateau import Plateau, first_rate
from tinynet.train.run import Run


class LearningRateSchedule:
    """Sets the learning rate at the start of each epoch; the run restores the optimizer's own rate at the end.

    `StepSchedule` sets it before each step.

    Parameters
    ----------
    rate : callable
        A function of the number of complete epochs and of the learning rate that the run began with. `step`,
        `milestones`, `exponential`, `polynomial`, `cosine`, `cosine_restarts` and `plateau` make the usual schedules.

    Raises
    ------
    ArgumentError
        If it is not a function, or returns no rate; once a run begins, if its optimizer has no learning rate.

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

    __repr__ = shown_as_call

    def on_train_begin(self, run: Run) -> None:
        """Note the rate that the run begins with."""
        self.first = first_rate(self, run)

    def on_epoch_begin(self, run: Run) -> None:
        """Set the rate of the epoch."""
        rate = self.rate(run.epoch, self.first)
        run.optimizer.learning_rate = check_positive(type(self).__name__, "the learning rate", rate, zero=True)

    @classmethod
    @recorded
    def step(cls, every: int, factor: float = 0.1) -> LearningRateSchedule:
        """Multiply the rate by a factor after every so many epochs."""
        return cls(rates.in_steps(every, factor))

    @classmethod
    @recorded
    def milestones(cls, epochs: Sequence[float], factor: float = 0.1) -> LearningRateSchedule:
        """Multiply the rate by a factor after each of some numbers of epochs, as in ``[30, 60, 80]``."""
        return cls(rates.at_milestones(epochs, factor))

    @classmethod
    @recorded
    def exponential(cls, factor: float) -> LearningRateSchedule:
        """Multiply the rate by a factor in each epoch; by step, a little in each."""
        return cls(rates.exponential(factor))

    @classmethod
    @recorded
    def polynomial(cls, epochs: float, least: float = 0.0, power: float = 1.0) -> LearningRateSchedule:
        """Go from the first rate to the least one in so many epochs; with the power 1, evenly."""
        return cls(rates.polynomial(epochs, least, power))

    @classmethod
    @recorded
    def cosine(cls, epochs: int, least: float = 0.0) -> LearningRateSchedule:
        """Go from the first rate to the least one in so many epochs, along half a period of a cosine.

        Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017, eq. 5.
        """
        epochs = check_count("cosine: epochs", epochs)
        least = check_positive("cosine", "least", least, zero=True)

        def rate(epoch: int, first: float) -> float:
            return rates.half_cosine(first, least, epoch / epochs)

        return cls(rate)

    @classmethod
    @recorded
    def cosine_restarts(cls, epochs: int, growth: int = 1, least: float = 0.0) -> LearningRateSchedule:
        """Fall as `cosine` does, and start again at the first rate, each time for ``growth`` times as many epochs.

        Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017.
        """
        return cls(rates.cosine_restarts(epochs, growth, least))

    @staticmethod
    def plateau(
        monitor: str = "val_loss",
        patience: int = 5,
        factor: float = 0.1,
        least: float = 0.0,
        min_delta: float = 0.0,
        mode: str | None = None,
    ) -> Plateau:
        """Multiply the rate by a factor when a measure has not improved for some epochs, down to the least rate."""
        return Plateau(monitor, patience, factor, least, min_delta, mode)
