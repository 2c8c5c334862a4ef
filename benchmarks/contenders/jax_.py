"""JAX: a compiled step, and many steps as one compiled scan."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

from benchmarks.contenders.base import Contender, Convolver, Predictor, Runner, Trainer
from benchmarks.workload import CLASSES, LEARNING_RATE, MODELS, Conv, Inputs

AXES = ("NHWC", "HWIO", "NHWC")
Weights = list[jax.Array]


def logits(model: str, weights: Weights, x: jax.Array) -> jax.Array:
    """Compute a model's logits."""
    rest = iter(weights)
    for kind, *sizes in MODELS[model].layers:
        if kind == "pool":
            window = (1, sizes[0], sizes[0], 1)
            x = lax.reduce_window(x, -jnp.inf, lax.max, window, window, "VALID")
        elif kind == "flatten":
            x = x.reshape(len(x), -1)
        elif kind == "average":
            x = x.mean((1, 2))
        elif kind == "conv":
            w, b = next(rest), next(rest)
            strides, padding = (sizes[2],) * 2, sizes[3].upper()
            x = jax.nn.relu(b + lax.conv_general_dilated(x, w, strides, padding, dimension_numbers=AXES))
        else:
            w, b = next(rest), next(rest)
            x = b + x @ w
            x = jax.nn.relu(x) if sizes[0] != CLASSES else x
    return x


def loss_of(weights: Weights, model: str, x: jax.Array, y: jax.Array) -> jax.Array:
    """Compute the mean cross-entropy of a batch."""
    logs = jax.nn.log_softmax(logits(model, weights, x))
    return -jnp.take_along_axis(logs, y[:, None], axis=1).mean()


class Train(Trainer):
    """Training step by step, or in one scan."""

    def __init__(self, inputs: Inputs, model: str, data: str, batch: int, scan: bool) -> None:
        super().__init__(inputs, model, data, batch)
        self.images, self.targets = jnp.asarray(self.floats), jnp.asarray(self.labels)
        self.scan = scan

        def step(weights: Weights, images: jax.Array, targets: jax.Array, indices: jax.Array) -> Any:
            value, gradients = jax.value_and_grad(loss_of)(weights, model, images[indices], targets[indices])
            return [w - LEARNING_RATE * g for w, g in zip(weights, gradients, strict=True)], value

        def steps(weights: Weights, images: jax.Array, targets: jax.Array, indices: jax.Array) -> Any:
            return lax.scan(lambda now, batch: step(now, images, targets, batch), weights, indices)

        self.call = jax.jit(steps if scan else step, donate_argnums=0)
        self.reset()

    def reset(self) -> None:
        """Go back to the first weights."""
        self.now = [jnp.array(w) for w in self.weights]

    def run(self, indices: np.ndarray) -> Any:
        """Train on some batches."""
        if self.scan:
            self.now, losses = self.call(self.now, self.images, self.targets, indices)
            return np.asarray(losses)
        losses = []
        for batch in indices:
            self.now, loss = self.call(self.now, self.images, self.targets, batch)
            losses.append(float(loss))
        return losses

    def outputs(self, count: int) -> np.ndarray:
        """Return the probabilities of the first images."""
        return np.asarray(jax.nn.softmax(logits(self.model, self.now, self.images[:count])))


def predictor(inputs: Inputs, model: str, batch: int) -> Predictor:
    """Make a compiled function that gives probabilities."""
    weights = [jnp.asarray(w) for w in inputs.weights(model)]
    call = jax.jit(lambda x: jax.nn.softmax(logits(model, weights, x)))
    return Predictor(lambda x: np.asarray(call(x)), inputs.floats(MODELS[model].data[0]), batch)


def convolver(case: Conv) -> Convolver:
    """Make a compiled convolution with its gradients."""
    x, w, g = (jnp.asarray(a) for a in case.arrays())

    def convolve(x: jax.Array, w: jax.Array) -> jax.Array:
        return lax.conv_general_dilated(x, w, (case.stride,) * 2, case.padding.upper(), dimension_numbers=AXES)

    @jax.jit
    def call(x: jax.Array, w: jax.Array, g: jax.Array) -> tuple[jax.Array, ...]:
        y, back = jax.vjp(convolve, x, w)
        return y, *back(g)

    return Convolver(lambda: jax.block_until_ready(call(x, w, g)), lambda found: found)


class Jax(Contender):
    """JAX on the CPU."""

    packages = ("jax", "jaxlib")

    def train(self, model: str, data: str, batch: int) -> dict[str, Callable[[], Runner]]:
        """Return the ways to train."""
        what = self.inputs, model, data, batch
        return {"step": partial(Train, *what, scan=False), "scan": partial(Train, *what, scan=True)}

    def predict(self, model: str, batch: int) -> dict[str, Callable[[], Runner]]:
        """Return the ways to predict."""
        return {"jit": partial(predictor, self.inputs, model, batch)}

    def convolve(self, case: Conv) -> dict[str, Callable[[], Runner]]:
        """Return the ways to compute a convolution and its gradients."""
        return {"jit": partial(convolver, case)}

    def forget(self) -> None:
        """Drop compiled functions."""
        jax.clear_caches()


CONTENDER = Jax
