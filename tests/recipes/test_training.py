"""How a model is trained, by names: what these make."""

import numpy as np
import pytest

import tinynet as tn
from tinynet.errors import ArgumentError
from tinynet.recipes import RECIPES
from tinynet.recipes.training import OPTIMIZERS, augmentation, augmented, make_optimizer, make_schedules


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_takes_those_of_its_arguments_that_are_among_the_settings(name):
    made = make_optimizer({"optimizer": name, "learning_rate": 0.5, "clip_norm": 2.0, "epochs": 7, "loss": "mse"})
    assert (type(made).__name__, made.learning_rate, made.clip_norm) == (name, 0.5, 2.0)


@pytest.mark.parametrize(
    ("settings", "shown"),
    [
        ({"schedule": "step", "step_size": 3, "gamma": 0.5}, "LearningRateSchedule.step(every=3, factor=0.5)"),
        ({"schedule": "exponential", "gamma": 0.9}, "LearningRateSchedule.exponential(factor=0.9)"),
        ({"schedule": "linear"}, "StepSchedule.polynomial(epochs=8)"),
        ({"schedule": "cosine", "warmup_epochs": 2.0}, "StepSchedule.cosine(epochs=8, warm_up=2.0)"),
        ({"schedule": "one-cycle"}, "StepSchedule.one_cycle(epochs=8)"),
    ],
)
def test_a_schedule_has_its_arguments(settings, shown):
    assert list(map(repr, make_schedules({"epochs": 8, "momentum": 0.9, **settings}))) == [shown]


def test_a_constant_rate_needs_no_schedule():
    assert make_schedules({"epochs": 8, "schedule": "constant"}) == make_schedules({"epochs": 8}) == []


def test_augmentation_is_read():
    shift, flip, turn = augmentation("shift=0.1, flip=vertical,rotation")
    assert (shift.height, flip.mode, turn.factor) == (0.1, "vertical", (-0.05, 0.05))
    assert augmentation("shift")[0].height == 2
    assert augmentation("none") == []


@pytest.mark.parametrize(
    "text", ["", "blur", "shift,shift", "shift=x", "shift=-1", "flip=sideways", "none,flip", "rotation=nan"]
)
def test_what_is_no_augmentation_is_refused(text):
    with pytest.raises(ArgumentError, match="augmentation"):
        augmentation(text)


def test_augmentation_stands_behind_the_input():
    layers = augmented(RECIPES["softmax"].layers((28, 28, 1), 10), "flip")
    assert [type(layer) for layer in layers[:3]] == [tn.Input, tn.RandomFlip, tn.Flatten]


def test_what_is_augmented_predicts_as_if_it_were_not():
    images = np.random.default_rng(0).integers(0, 256, (3, 28, 28), np.uint8)
    models = [
        tn.Sequential(augmented(RECIPES["softmax"].layers((28, 28, 1), 10), a), seed=0) for a in ("none", "shift")
    ]
    np.testing.assert_array_equal(*(model(images).data for model in models))
