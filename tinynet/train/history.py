"""The measures of a run by epoch, and the running means of an epoch."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from tinynet.checks import defined_in


@dataclass
class History:
    """What `fit` returns: the measures of every epoch.

    Attributes
    ----------
    history : dict of str to list of float
        For each measure ("loss", "accuracy", "val_loss", "val_accuracy") its value by epoch. Those of training are
        means over the epoch, during which the parameters changed; those of validation are from its end.
    seconds : list of float
        The time of each epoch, with its validation.
    learning_rates : list of float
        The learning rate at the end of each epoch; NaN if the optimizer has none.
    stopped : str
        Why the run ended before its last epoch; empty if it did not.
    by_step : dict of str to list of float
        If the run has the callback `StepLosses`: the "loss" of each step, the number of the "step", and the number of
        "epoch"s so far.

    Examples
    --------
    >>> run = History({"loss": [0.5, 0.2], "val_loss": [0.4, 0.45]}, [1.0, 1.0])
    >>> run.best_epoch
    1
    """

    history: dict[str, list[float]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    learning_rates: list[float] = field(default_factory=list)
    stopped: str = ""
    by_step: dict[str, list[float]] = field(default_factory=dict)

    to_frame = defined_in("tinynet.train.frame")

    @property
    def epochs(self) -> int:
        """The number of complete epochs."""
        return len(self.seconds)

    @property
    def best_epoch(self) -> int:
        """The epoch, counted from 1, with the least validation loss; without validation, with the least training loss.

        NaN counts as more than any number.
        """
        losses = self.history.get("val_loss") or self.history.get("loss") or []
        epochs = [epoch for epoch, loss in enumerate(losses) if not math.isnan(loss)] or range(len(losses))
        return min(epochs, key=losses.__getitem__) + 1 if losses else 0

    def append(self, measures: dict[str, float], seconds: float, learning_rate: float) -> None:
        """Add an epoch."""
        for name, value in measures.items():
            self.history.setdefault(name, []).append(value)
        self.seconds.append(seconds)
        self.learning_rates.append(learning_rate)


class Means:
    """Running means of measures, in float64, weighted by the number of samples; losses may have other weights."""

    def __init__(self) -> None:
        self.total: dict[str, float] = {}
        self.count: dict[str, float] = {}

    def add(self, measures: dict[str, float], n: int, weights: dict[str, float]) -> None:
        """Add the means over ``n`` samples, weighted by n, or by the weight of that name if there is one."""
        for name, value in measures.items():
            weight = weights.get(name, n)
            self.total[name] = self.total.get(name, 0.0) + value * weight
            self.count[name] = self.count.get(name, 0.0) + weight

    def __call__(self) -> dict[str, float]:
        """Return the means so far."""
        return {name: total / (self.count[name] or 1.0) for name, total in self.total.items()}
