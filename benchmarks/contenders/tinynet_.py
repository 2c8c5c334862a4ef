"""tinynet: the step that `fit` makes, `fit` itself, a frozen predictor, `predict`, and convolutions alone."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import tinynet as tn
from benchmarks.contenders.base import Contender, Convolver, Predictor, Runner, Trainer
from benchmarks.workload import CLASSES, DATA, LEARNING_RATE, MODELS, Conv, Inputs
from tinynet.core.mode import tracing
from tinynet.core.spec import Spec
from tinynet.fast.fuse import fuse
from tinynet.fast.plan import Plan
from tinynet.fast.threads import kernel_gate
from tinynet.train.step import make_step
from tinynet.train.task import find_task


def layer(kind: str, *sizes: Any) -> tn.Layer:
    """Make one layer of a network; the last one returns probabilities."""
    if kind == "conv":
        filters, size, stride, padding = sizes
        return tn.Conv2D(filters, size, stride, padding=padding, activation="relu")
    if kind == "pool":
        return tn.MaxPool(sizes[0])
    if kind == "dense":
        return tn.Dense(sizes[0], "relu" if sizes[0] != CLASSES else "softmax")
    return tn.Flatten() if kind == "flatten" else tn.GlobalAvgPool()


def build(model: str, weights: list[np.ndarray] | None = None) -> tn.Sequential:
    """Make a network, with given weights or those that tinynet draws."""
    network = MODELS[model]
    first = tn.Input(DATA[network.data[0]], scale=1 / 255)
    made = tn.Sequential([first, *(layer(*described) for described in network.layers)], seed=0, name=model)
    if weights is not None:
        made.theta[...] = np.concatenate([w.reshape(-1) for w in weights])
    return made


class Step(Trainer):
    """The training step of `fit`; images stay uint8 in memory.

    By default it also measures the accuracy, as `fit` does. Peers compute the loss alone.
    """

    def __init__(self, inputs: Inputs, model: str, data: str, batch: int, metrics: list[str] | None = None) -> None:
        super().__init__(inputs, model, data, batch)
        self.images, self.network = inputs.images(data), build(model, self.weights)
        self.first, optimizer = self.network.theta.copy(), tn.SGD(LEARNING_RATE)
        task = find_task("cross_entropy", metrics, self.network.build_model().made)
        data = self.images, self.labels
        self.step = make_step(optimizer, self.network, task, *data, mode=tn.train_mode(seed=0), compiled=True)

    def reset(self) -> None:
        """Go back to the first weights."""
        self.network.theta[...] = self.first

    def run(self, indices: np.ndarray) -> list[float]:
        """Train on some batches."""
        with kernel_gate():  # as fit holds it, for many steps at a time
            return [self.step(batch)["loss"] for batch in indices]

    def outputs(self, count: int) -> np.ndarray:
        """Return the probabilities of the first images."""
        return self.network.predict(self.images[:count])


class Fit(Step):
    """The whole of `fit`: shuffling, means, and its checks. The first epoch, which makes the plan, does not count."""

    own_clock = True

    def run(self, indices: np.ndarray) -> tuple[int, float]:
        """Fit for as many epochs as it takes; returns their steps and seconds."""
        per_epoch = -(-len(self.labels) // self.batch)
        counted = -(-len(indices) // per_epoch)
        history = self.network.fit(
            self.images,
            self.labels,
            epochs=1 + counted,
            batch_size=self.batch,
            optimizer=tn.SGD(LEARNING_RATE),
            seed=0,
            verbose=0,
        )
        return counted * per_epoch, sum(history.seconds[1:])

    def check(self) -> dict[str, np.ndarray]:
        """Give nothing: it draws its own batches, and its step is the one that is checked."""
        return {}


def planned(case: Conv) -> Convolver:
    """Compile a convolution and its gradients, as they would stand in the plan of a model."""
    arrays = case.arrays()
    with tracing():
        x, w = (tn.Tensor(Spec(a.shape, a.dtype), requires_grad=True) for a in arrays[:2])
        g = tn.Tensor(Spec(arrays[2].shape, arrays[2].dtype))
        y = tn.ops.conv2d(x, w, case.stride, case.padding)
        results = fuse([y, *tn.grad(y, [x, w], [g])])
    names = "y", "dx", "dw"
    plan = Plan({}, dict(zip(names, results, strict=True)), bound=tuple(zip((x, w, g), arrays, strict=True)))

    def once() -> Any:
        with kernel_gate():
            return plan.replay()

    return Convolver(once, lambda found: tuple(found[name].copy() for name in names))


def eager(case: Conv) -> Convolver:
    """Compute a convolution and its gradients op by op."""
    x, w, g = (tn.Tensor(a, requires_grad=True) for a in case.arrays())

    def once() -> Any:
        y = tn.ops.conv2d(x, w, case.stride, case.padding)
        return y, *tn.grad(y, [x, w], [g])

    return Convolver(once, lambda found: tuple(t.data for t in found))


class Tinynet(Contender):
    """The project itself."""

    packages = ("numpy", "numba", "scipy")

    def __init__(self, inputs: Inputs, threads: int) -> None:
        super().__init__(inputs, threads)
        tn.set_num_threads(threads)

    def versions(self) -> dict[str, str]:
        """Return the versions of tinynet, wherever it lies, and of what it rests on."""
        return {"tinynet": tn.__version__} | super().versions()

    def train(self, model: str, data: str, batch: int) -> dict[str, Callable[[], Runner]]:
        """Return the ways to train."""
        what = self.inputs, model, data, batch
        loss_alone = partial(Step, *what, metrics=[])
        return {"step": partial(Step, *what), "loss alone": loss_alone, "fit": partial(Fit, *what)}

    def predict(self, model: str, batch: int) -> dict[str, Callable[[], Runner]]:
        """Return the ways to predict."""
        network = build(model, self.inputs.weights(model))
        images = self.inputs.images(MODELS[model].data[0])
        live = partial(network.predict, batch_size=batch)
        return {
            "frozen": lambda: Predictor(tn.compile(network, freeze=True), images, batch),
            "predict": lambda: Predictor(live, images, batch),
        }

    def convolve(self, case: Conv) -> dict[str, Callable[[], Runner]]:
        """Return the ways to compute a convolution and its gradients."""
        return {"plan": lambda: planned(case), "eager": lambda: eager(case)}


CONTENDER = Tinynet
