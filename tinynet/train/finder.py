"""The search for a first learning rate: a copy of the model is trained with a rate that rises from step to step."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np

from tinynet.checks import check_count, check_positive
from tinynet.core.spec import Array
from tinynet.errors import ArgumentError, NonFiniteError
from tinynet.optim.optimizer import Optimizer
from tinynet.optim.sgd import SGD
from tinynet.train.run import Run

_KEPT = 0.9  # of the mean of the losses, in each step
_DIVERGED = 4.0  # times the least of these means
_OURS = ("epochs", "callbacks", "resume", "verbose", "metrics", "validation_data", "validation_split")


class LearningRateFinder:
    """Looks for a learning rate to begin with, by a short training of a copy of a model.

    Each step has a higher rate than the one before. The loss does not change while the rate is too small. Then it
    falls, and rises again when the rate is too large; there the search ends. It suggests the rate at which the loss
    falls fastest. `tinynet.report.learning_rate_curve` draws the losses.

    Parameters
    ----------
    least, most : float
        The rates of the first step and of the last one. They rise by the same factor from step to step.
    steps : int
        How many steps are made, at most.

    Attributes
    ----------
    rates, losses, smoothed : list of float
        For each step of the last search: the rate, the loss of the batch before the update, and a running mean of the
        losses, in which the last ones count most.
    suggestion : float
        The rate at which the mean falls fastest; NaN before a search, or if it never falls.

    Raises
    ------
    ArgumentError
        If an argument is out of its range.

    References
    ----------
    Smith, "Cyclical learning rates for training neural networks", WACV 2017, section 3.3.

    Examples
    --------
    >>> import tinynet as tn
    >>> (x, y), _ = tn.datasets.mnist(source="sample")
    >>> model = tn.Sequential([tn.Input((28, 28), scale=1 / 255), tn.Flatten(), tn.Dense(10, "softmax")], seed=0)
    >>> finder = tn.LearningRateFinder()
    >>> 0.01 < finder.find(model, x, y, seed=0) < 1
    True
    """

    def __init__(self, least: float = 1e-5, most: float = 10.0, steps: int = 100) -> None:
        self.least = check_positive("LearningRateFinder", "least", least)
        self.most = check_positive("LearningRateFinder", "most", most)
        self.steps = check_count("LearningRateFinder: steps", steps, least=10)
        if self.most <= self.least:
            raise ArgumentError(f"LearningRateFinder: most must be above least, {least!r}, but got {most!r}")
        self._forget()

    def _forget(self) -> None:
        self.rates: list[float] = []
        self.losses: list[float] = []
        self.smoothed: list[float] = []

    def find(self, model: Any, x: Any, y: Any, optimizer: Any = None, **options: Any) -> float:
        """Search with a model, an optimizer and data as `fit` takes them; none of them is changed.

        Parameters
        ----------
        model : Model
            The model; a copy of it is trained.
        x, y
            As for `fit`.
        optimizer : Optimizer, optional
            The optimizer; the search changes only its rate, in a copy. `SGD` by default.
        **options
            Further arguments of `fit`, such as ``batch_size``, ``loss`` and ``seed``.

        Returns
        -------
        float
            The suggestion.

        Raises
        ------
        ArgumentError
            If the optimizer has no learning rate, or an option makes no sense here.
        """
        optimizer = SGD() if optimizer is None else optimizer
        if not isinstance(optimizer, Optimizer):
            raise ArgumentError(f"LearningRateFinder needs an optimizer with a learning rate, but got {optimizer!r}")
        if given := [name for name in _OURS if name in options]:
            raise ArgumentError(f"LearningRateFinder.find takes no {', '.join(given)}; leave it out")
        self._forget()
        trial, moving = copy.deepcopy(model), copy.copy(optimizer)
        try:
            trial.fit(x, y, self.steps, optimizer=moving, metrics=[], verbose=0, callbacks=[_Rise(self)], **options)
        except NonFiniteError:  # the rate is far too large; the steps before are enough
            if not self.losses:
                raise
        return self.suggestion

    @property
    def suggestion(self) -> float:
        """The rate at which the mean of the losses falls fastest, before its minimum."""
        if not self.smoothed or math.isclose(min(self.smoothed), self.smoothed[0], rel_tol=1e-9):
            return math.nan
        means: Array = np.array(self.smoothed[: int(np.argmin(self.smoothed)) + 1])
        return self.rates[int(np.argmin(np.gradient(means)))]


class _Rise:
    """The callback that raises the rate."""

    def __init__(self, finder: LearningRateFinder) -> None:
        self.finder = finder

    def on_train_begin(self, run: Run) -> None:
        """Begin with the least rate."""
        run.optimizer.learning_rate = self.finder.least
        self.mean = 0.0

    def on_epoch_begin(self, run: Run) -> None:
        """Note that no loss has been added up in this epoch."""
        self.before = (0.0, 0.0)

    def on_batch_end(self, run: Run) -> None:
        """Note the loss of the step, and raise the rate for the next one, if there is one."""
        found = self.finder
        total, weight = run.means.total["loss"], run.means.count["loss"]
        loss = (total - self.before[0]) / (weight - self.before[1])
        self.before = total, weight
        found.rates.append(run.optimizer.learning_rate)
        found.losses.append(loss)
        done = len(found.losses)
        self.mean = _KEPT * self.mean + (1 - _KEPT) * loss
        found.smoothed.append(self.mean / (1 - _KEPT**done))
        best = min(found.smoothed)
        if done == found.steps or found.smoothed[-1] > best + (_DIVERGED - 1) * abs(best):
            run.stop("the search for a rate is over")
        run.optimizer.learning_rate = found.least * (found.most / found.least) ** (done / (found.steps - 1))
