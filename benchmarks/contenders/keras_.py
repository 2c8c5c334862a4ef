"""Keras on TensorFlow: its own training step, and steps written by hand as graphs, each with and without XLA."""

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.contenders.base import Contender, Predictor, Runner, Trainer
from benchmarks.workload import CLASSES, DATA, LEARNING_RATE, MODELS, Inputs


def network(model: str, weights: list[np.ndarray], last: str | None = None) -> keras.Sequential:
    """Make a model with given weights; the outputs are logits, unless the last layer gets an activation."""
    layers: list[Any] = [keras.Input(DATA[MODELS[model].data[0]])]
    for kind, *sizes in MODELS[model].layers:
        if kind == "conv":
            filters, size, stride, padding = sizes
            layers.append(keras.layers.Conv2D(filters, size, stride, padding, activation="relu"))
        elif kind == "pool":
            layers.append(keras.layers.MaxPooling2D(sizes[0]))
        elif kind == "dense":
            layers.append(keras.layers.Dense(sizes[0], activation="relu" if sizes[0] != CLASSES else last))
        else:
            layers.append(keras.layers.Flatten() if kind == "flatten" else keras.layers.GlobalAveragePooling2D())
    made = keras.Sequential(layers)
    made.set_weights(weights)
    return made


class OnBatch(Trainer):
    """The training step of Keras itself."""

    def __init__(self, inputs: Inputs, model: str, data: str, batch: int, xla: bool) -> None:
        super().__init__(inputs, model, data, batch)
        self.net = network(model, self.weights)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self.net.compile(keras.optimizers.SGD(LEARNING_RATE), loss, jit_compile=xla)

    def reset(self) -> None:
        """Go back to the first weights."""
        self.net.set_weights(self.weights)

    def run(self, indices: np.ndarray) -> list[float]:
        """Train on some batches."""
        losses = []
        for batch in indices:
            self.net.reset_metrics()  # train_on_batch gives the mean since the last reset
            losses.append(float(self.net.train_on_batch(self.floats[batch], self.labels[batch])))
        return losses

    def outputs(self, count: int) -> np.ndarray:
        """Return the probabilities of the first images."""
        return tf.nn.softmax(self.net(self.floats[:count])).numpy()


class Graph(Trainer):
    """A step written by hand, as one graph; or a loop of steps within one graph."""

    def __init__(self, inputs: Inputs, model: str, data: str, batch: int, xla: bool, loop: bool) -> None:
        super().__init__(inputs, model, data, batch)
        self.net = net = network(model, self.weights)
        variables = net.trainable_variables
        images, labels = tf.constant(self.floats), tf.constant(self.labels)
        self.loop = loop

        def step(indices: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape() as tape:
                logits = net(tf.gather(images, indices), training=True)
                loss = tf.reduce_mean(
                    tf.nn.sparse_softmax_cross_entropy_with_logits(tf.gather(labels, indices), logits)
                )
            for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
                variable.value.assign_sub(LEARNING_RATE * gradient)
            return loss

        def steps(indices: tf.Tensor) -> tf.Tensor:
            losses = tf.TensorArray(tf.float32, tf.shape(indices)[0])
            for i in tf.range(tf.shape(indices)[0]):
                losses = losses.write(i, step(indices[i]))
            return losses.stack()

        width = [None, batch] if loop else [batch]
        self.call = tf.function(steps if loop else step, [tf.TensorSpec(width, tf.int64)], jit_compile=xla)

    def reset(self) -> None:
        """Go back to the first weights."""
        self.net.set_weights(self.weights)

    def run(self, indices: np.ndarray) -> Any:
        """Train on some batches."""
        if self.loop:
            return self.call(tf.constant(indices)).numpy()
        call = self.call
        return [float(call(batch)) for batch in tf.constant(indices)]

    def outputs(self, count: int) -> np.ndarray:
        """Return the probabilities of the first images."""
        return tf.nn.softmax(self.net(self.floats[:count])).numpy()


def predictor(inputs: Inputs, model: str, batch: int, way: str) -> Predictor:
    """Make a model that gives probabilities."""
    net = network(model, inputs.weights(model), "softmax")
    images = inputs.floats(MODELS[model].data[0])
    if way == "predict_on_batch":
        return Predictor(net.predict_on_batch, images, batch)
    spec = tf.TensorSpec([batch, *images.shape[1:]], tf.float32)
    call = tf.function(lambda x: net(x, training=False), [spec], jit_compile="XLA" in way)
    return Predictor(lambda x: call(tf.constant(x)).numpy(), images, batch)


class Keras(Contender):
    """Keras 3 with TensorFlow."""

    packages = ("keras", "tensorflow", "tensorflow-cpu")

    def __init__(self, inputs: Inputs, threads: int) -> None:
        super().__init__(inputs, threads)
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)

    def train(self, model: str, data: str, batch: int) -> dict[str, Callable[[], Runner]]:
        """Return the ways to train."""
        what = self.inputs, model, data, batch
        return {
            "train_on_batch": partial(OnBatch, *what, xla=False),
            "train_on_batch, XLA": partial(OnBatch, *what, xla=True),
            "tf.function": partial(Graph, *what, xla=False, loop=False),
            "tf.function, XLA": partial(Graph, *what, xla=True, loop=False),
            "loop in tf.function": partial(Graph, *what, xla=False, loop=True),
        }

    def predict(self, model: str, batch: int) -> dict[str, Callable[[], Runner]]:
        """Return the ways to predict."""
        ways = "predict_on_batch", "tf.function", "tf.function, XLA"
        return {way: partial(predictor, self.inputs, model, batch, way) for way in ways}

    def forget(self) -> None:
        """Drop the models of the last task."""
        keras.utils.clear_session()


CONTENDER = Keras
