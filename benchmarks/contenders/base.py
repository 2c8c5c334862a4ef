"""What every contender offers: for each kind of task, its modes, each with a runner."""

import importlib.metadata
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.workload import BATCH, CHECKED_STEPS, CONVS, Conv, Inputs, draw_batches

Arrays = dict[str, np.ndarray]


class Runner:
    """One task, ready to be repeated."""

    own_clock = False  # whether `run` measures itself, and gives the number of steps and their seconds

    def reset(self) -> None:
        """Go back to the first weights."""

    def run(self, indices: np.ndarray) -> Any:
        """Make a step for each row of ``indices`` (steps, batch)."""
        raise NotImplementedError

    def check(self) -> Arrays:
        """Return what must be equal in all contenders."""
        return {}


class Trainer(Runner):
    """Training on batches: gather, forward, backward, update, loss. `run` gives the losses."""

    def __init__(self, inputs: Inputs, model: str, data: str, batch: int = BATCH) -> None:
        self.model, self.labels = model, inputs.labels(data)
        self.weights, self.floats = inputs.weights(model), inputs.floats(data)
        self.batch = batch

    def outputs(self, count: int) -> np.ndarray:
        """Return the probabilities of the first images."""
        raise NotImplementedError

    def check(self) -> Arrays:
        """Return the first outputs, and the losses of some steps."""
        self.reset()
        outputs = self.outputs(BATCH)
        batches = draw_batches(len(self.labels), CHECKED_STEPS, self.batch, seed=1)
        return {"outputs": outputs, "losses": np.asarray(self.run(batches), np.float64)}


class Predictor(Runner):
    """Inference on batches, from an array in memory to an array of probabilities."""

    def __init__(self, predict: Callable[[np.ndarray], np.ndarray], x: np.ndarray, batch: int) -> None:
        self.predict, self.x, self.batch = predict, x, batch

    def run(self, indices: np.ndarray) -> None:
        """Predict a batch for each row; which samples they are is of no matter."""
        predict, x, batch = self.predict, self.x, self.batch
        most = len(x) - batch
        for k in range(len(indices)):
            start = k * batch % most
            predict(x[start : start + batch])

    def check(self) -> Arrays:
        """Return the probabilities of the first batch."""
        return {"outputs": np.asarray(self.predict(self.x[: self.batch]))}


class Convolver(Runner):
    """A convolution and both of its gradients; ``once`` gives the three, ``to_numpy`` brings them into N, H, W, C."""

    def __init__(self, once: Callable[[], Any], to_numpy: Callable[[Any], tuple[np.ndarray, ...]]) -> None:
        self.once, self.to_numpy = once, to_numpy

    def run(self, indices: np.ndarray) -> None:
        """Compute the three for each row."""
        for _ in range(len(indices)):
            self.once()

    def check(self) -> Arrays:
        """Return the three, each divided by its largest value."""
        names = "output", "input gradient", "weight gradient"
        arrays = (np.asarray(a) for a in self.to_numpy(self.once()))
        return {name: a / np.abs(a).max() for name, a in zip(names, arrays, strict=True)}


class Contender:
    """A framework. The modes of a task are the ways in which it can do it; the best one counts.

    Parameters
    ----------
    inputs : Inputs
        The arrays that all share.
    threads : int
        How many it uses.
    """

    packages: tuple[str, ...] = ()

    def __init__(self, inputs: Inputs, threads: int) -> None:
        self.inputs, self.threads = inputs, threads

    def versions(self) -> dict[str, str]:
        """Return the versions of the packages that matter."""
        found = {}
        for package in self.packages:
            try:
                found[package] = importlib.metadata.version(package)
            except importlib.metadata.PackageNotFoundError:
                continue
        return found

    def train(self, model: str, data: str, batch: int) -> dict[str, Callable[[], Runner]]:
        """Return the ways to train."""
        return {}

    def predict(self, model: str, batch: int) -> dict[str, Callable[[], Runner]]:
        """Return the ways to predict."""
        return {}

    def convolve(self, case: Conv) -> dict[str, Callable[[], Runner]]:
        """Return the ways to compute a convolution and its gradients."""
        return {}

    def forget(self) -> None:
        """Drop what frameworks keep of the last task."""

    def modes(self, kind: str, **what: Any) -> dict[str, Callable[[], Runner]]:
        """Return the ways to do a task."""
        if kind == "convolve":
            return self.convolve(CONVS[what["case"]])
        return {"train": self.train, "predict": self.predict}[kind](**what)
