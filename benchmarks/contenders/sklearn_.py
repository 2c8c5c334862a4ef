"""scikit-learn: the two dense models as an MLPClassifier, a batch at a time or an epoch at a time."""

from collections.abc import Callable
from functools import partial

import numpy as np
from sklearn.neural_network import MLPClassifier

from benchmarks.contenders.base import Contender, Runner, Trainer
from benchmarks.workload import LEARNING_RATE, MODELS, Inputs


class Train(Trainer):
    """Training with partial_fit, which goes once through what it is given, in batches."""

    def __init__(self, inputs: Inputs, model: str, data: str, batch: int, whole: bool) -> None:
        super().__init__(inputs, model, data, batch)
        self.rows, self.whole = self.floats.reshape(len(self.floats), -1), whole
        hidden = [units for _, units in MODELS[model].layers[1:-1]]
        self.net = MLPClassifier(
            hidden, solver="sgd", alpha=0, batch_size=batch, learning_rate_init=LEARNING_RATE, momentum=0,
            nesterovs_momentum=False, shuffle=False,
        )  # fmt: skip
        self.net.partial_fit(self.rows[:batch], self.labels[:batch], classes=np.arange(10))
        self.reset()

    def reset(self) -> None:
        """Go back to the first weights."""
        for mine, first in zip(self.net.coefs_, self.weights[::2], strict=True):
            mine[...] = first
        for mine, first in zip(self.net.intercepts_, self.weights[1::2], strict=True):
            mine[...] = first

    def run(self, indices: np.ndarray) -> list[float]:
        """Train on some batches."""
        losses = []
        for batch in [indices.reshape(-1)] if self.whole else indices:
            self.net.partial_fit(self.rows[batch], self.labels[batch])
            losses.append(self.net.loss_)
        return losses

    def outputs(self, count: int) -> np.ndarray:
        """Return the probabilities of the first images."""
        return self.net.predict_proba(self.rows[:count])


class Sklearn(Contender):
    """scikit-learn, which has no convolutions."""

    packages = ("scikit-learn", "numpy", "scipy")

    def train(self, model: str, data: str, batch: int) -> dict[str, Callable[[], Runner]]:
        """Return the ways to train."""
        if MODELS[model].has_images:
            return {}
        what = self.inputs, model, data, batch
        return {
            "partial_fit of a batch": partial(Train, *what, whole=False),
            "partial_fit of many": partial(Train, *what, whole=True),
        }


CONTENDER = Sklearn
