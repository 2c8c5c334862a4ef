"""A misspelt attribute of a layer or an optimizer warns, with the name that was meant; all else is set in silence."""

import warnings

import numpy as np
import pytest

import tinynet as tn
from tinynet.errors import NearMissWarning


@pytest.mark.parametrize(
    ("make", "name", "meant"),
    [
        (lambda: tn.Dense(3), "trainabel", "trainable"),
        (lambda: tn.Dense(3), "requires_grad", "trainable"),
        (lambda: tn.Dense(3), "activaton", "activation"),
        (lambda: tn.BatchNorm(), "momentun", "momentum"),
        (lambda: tn.Sequential([tn.Input((2,)), tn.Dense(1)]), "trainble", "trainable"),
        (lambda: tn.SGD(0.1), "learning_rat", "learning_rate"),
        (lambda: tn.SGD(0.1), "lr", "learning_rate"),
        (lambda: tn.Adam(0.1), "weight_decai", "weight_decay"),
    ],
)
def test_a_near_miss_warns_with_the_right_name_and_is_set_all_the_same(make, name, meant):
    thing = make()
    with pytest.warns(NearMissWarning, match=f"'{name}' is a new attribute of .*; did you mean '{meant}'") as caught:
        setattr(thing, name, 0.5)
    assert caught[0].filename == __file__
    assert getattr(thing, name) == 0.5


def test_names_of_the_users_own_are_set_in_silence():
    class Own(tn.Model):
        def __init__(self):
            super().__init__((2,), seed=0)
            self.dense_1, self.dense_2, self.weights, self.trainables = tn.Dense(2), tn.Dense(2), 3, 4

        def forward(self, x):
            self.nam = x.shape
            return self.dense_2(self.dense_1(x))

    class Rule(tn.Optimizer):
        def update(self, theta, gradient, learning_rate):
            self.learning_rates = [learning_rate]
            return (theta - learning_rate * gradient,)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = Own()
        model.dense_3 = tn.Dense(2)
        model.fit(np.ones((4, 2)), np.ones((4, 2)), loss="mse", optimizer=Rule(0.1), epochs=1, verbose=0)
        model.teacher, model._trainabel = None, 1
        model.trainable = False
        tn.Dense(3).units = 4
