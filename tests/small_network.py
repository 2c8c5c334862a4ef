"""A network small enough to be trained in a test of something else, with its data."""

import numpy as np

import tinynet as tn

SMALL_X, SMALL_Y = np.random.default_rng(0).normal(size=(24, 3)), np.arange(24) % 4


def small_network():
    return tn.Sequential([tn.Input((3,), shift=0.1), tn.Dense(5, "tanh"), tn.Dense(4)], seed=0)


def losses_of(model, **rest):
    return model.fit(
        SMALL_X, SMALL_Y, epochs=3, batch_size=8, optimizer=tn.SGD(0.1), seed=0, verbose=0, **rest
    ).history["loss"]


class InTurn(tn.Layer):
    """Layers in turn, in any container."""

    def __init__(self, parts):
        self.parts = parts

    def forward(self, x):
        for part in self.parts.values() if isinstance(self.parts, dict) else self.parts:
            x = part(x)
        return x
