"""Gradients of first and second order of layers that stand in no table, in training and in inference."""

import numpy as np
import pytest

import tinynet as tn
from tinynet.inspection.gradcheck import check_gradients

RNG = np.random.default_rng(0)


def stack(shape, *layers):
    return tn.Sequential(layers, input_shape=shape, seed=0, dtype="float64")


LAYERS = {
    "BatchNorm": (tn.BatchNorm, (3,)),
    "BatchNorm of images": (tn.BatchNorm, (2, 3, 2)),
    "Conv2D": (lambda: tn.Conv2D(2, (3, 2), stride=2, padding="same", activation="tanh"), (4, 5, 2)),
    "Dense": (lambda: tn.Dense(3, "gelu"), (2, 4)),
    "Dropout": (lambda: tn.Dropout(0.3), (6,)),
    "GaussianNoise": (lambda: tn.GaussianNoise(0.5), (3,)),
    "Flatten": (tn.Flatten, (2, 3)),
    "Input": (lambda: tn.Input((3,), shift=0.5, scale=[1.0, 2.0, 3.0]), (3,)),
    "RandomShift": (lambda: tn.RandomShift(1), (4, 4, 1)),
    "RandomFlip": (tn.RandomFlip, (3, 3, 1)),
    "RandomRotation": (lambda: tn.RandomRotation(0.1), (4, 4, 1)),
    "Sigmoid": (tn.Sigmoid, (3,)),
    "Softmax": (tn.Softmax, (4,)),
    "norm and memory": (lambda: stack((3, 2), tn.BatchNorm(), tn.LSTM(2), tn.LayerNorm()), (3, 2)),
    "noise and pool": (
        lambda: stack((4, 4, 1), tn.GaussianNoise(0.1), tn.MaxPool(2), tn.Activation("silu")),
        (4, 4, 1),
    ),
}


CASES = [*((name, True) for name in LAYERS), ("BatchNorm", False), ("BatchNorm of images", False)]


@pytest.mark.parametrize(("name", "training"), CASES)
def test_first_and_second_derivatives_are_right(name, training):
    make, shape = LAYERS[name]
    layer, x = make(), RNG.normal(size=(3, *shape))

    def squares(x):  # so that there is a second derivative
        if not training:
            return layer(x) ** 2
        with tn.train_mode(seed=3):  # the same draws each time
            return layer(x) ** 2

    squares(x)
    assert check_gradients(squares, x, order=2).ok


@pytest.mark.parametrize("name", ["BatchNorm of images", "Conv2D", "Dense"])
def test_and_so_are_those_with_respect_to_the_parameters(name):
    make, shape = LAYERS[name]
    model = stack(shape, make())
    model.theta[...] += RNG.normal(size=model.theta.size) * 0.3
    assert check_gradients(model, RNG.normal(size=(3, *shape)), order=2).ok
