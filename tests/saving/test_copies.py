"""Copies of models: with their values, their generator and what is frozen, on their own or within another model."""

import copy

import numpy as np
import pytest

import tinynet as tn

X = np.random.default_rng(0).normal(size=(5, 4))


def network():
    inner = tn.Sequential([tn.Dense(3, "tanh"), tn.Dense(3)], name="inner")
    return tn.Sequential([tn.Input((4,)), inner, tn.Dense(2)], seed=0)


def test_a_model_within_another_is_copied_with_its_values():
    model = network().build_model()
    inner = copy.deepcopy(model.layers[1])
    hidden = tn.ops.tanh(X.astype(np.float32) @ model.parameters["inner.dense.weight"].data)
    expected = hidden @ model.parameters["inner.dense_1.weight"].data  # whose biases are 0
    model.theta[...] = 0
    inner.layers[0].trainable = False
    alone = tn.Sequential([tn.Input((4,)), inner], seed=1)
    np.testing.assert_allclose(alone.predict(X), expected.data, rtol=1e-5, atol=1e-6)
    assert [layer.trainable for layer in copy.deepcopy(alone).layers[1].layers] == [False, True]


@pytest.mark.parametrize("built", [True, False])
def test_a_copy_draws_the_same_numbers_and_shares_none(built):
    model = network()
    if built:
        model.build_model()
    model.layers[2].trainable = False
    other = copy.deepcopy(model)
    assert [layer.trainable for layer in other.layers] == [True, True, False]
    np.testing.assert_array_equal(other.theta, network().build_model().theta)
    other.build_model()
    before = model.build_model().theta.copy()
    other.theta[...] = 0
    np.testing.assert_array_equal(model.theta, before)


def test_a_converted_copy_has_the_values_and_draws_none(monkeypatch):
    model = network().build_model()
    model.theta[...] = np.linspace(0, 1, model.theta.size)
    monkeypatch.setattr(tn.Dense, "build", refuse_to_draw(tn.Dense.build))
    wide = model.astype("float64")
    assert (wide.dtype, wide.theta.dtype) == (np.float64, np.float64)
    np.testing.assert_array_equal(wide.theta, model.theta)


def refuse_to_draw(build):
    class Nothing:
        def __getattr__(self, name):
            raise AssertionError(f"initial values are drawn by {name}, and replaced at once")

    return lambda layer, shape, rng: build(layer, shape, Nothing())
