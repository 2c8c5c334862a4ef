"""What is taken from a trained model for another: copies of its layers."""

import copy
import gc
import warnings

import numpy as np
import pytest

import tinynet as tn
from tinynet.errors import ArgumentError, CopiedLayersWarning

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(12, 6)), RNG.integers(0, 3, 12)


def trained(seed=0, dtype="float32"):
    inner = tn.Sequential([tn.Dense(5, "tanh"), tn.Dropout(0.1)], name="inner", seed=1)
    layers = [tn.Residual([inner, tn.Dense(6)]), tn.BatchNorm(name="norm"), tn.Dense(3, "softmax", name="head")]
    model = tn.Sequential([tn.Input((6,)).adapt(X), *layers], seed=seed, dtype=dtype, name="base")
    model.fit(X, Y, epochs=2, batch_size=5, optimizer=tn.Adam(0.05), seed=0, verbose=0)
    return model


def bits(model):
    return {name: leaf.data.tobytes() for name, leaf in model.leaves.items()}


def features(model, x):
    """What comes before the head."""
    y = tn.Tensor(x)
    for layer in model.layers[:-1]:
        y = layer(y)
    return y.data


def test_a_stack_of_the_layers_of_another_model_has_copies_and_says_so(tmp_path):
    base = trained()
    before, expected = bits(base), features(base, X)
    base.layers[1].trainable = False
    with pytest.warns(CopiedLayersWarning, match=r"has copies of 3 layers of model 'base' .*copy.deepcopy") as caught:
        model = tn.Sequential([*base.layers[:-1], tn.Dense(5, "softmax")], seed=0)
    assert caught[0].filename == __file__
    assert not any(layer is other for layer in model.layers for other in base.layers)
    np.testing.assert_array_equal(features(model, X), expected)
    assert [layer.trainable for layer in model.layers[1:]] == [False, True, True] or not model.layers[1].trainable
    assert list(model.parameters)[:2] == ["residual.inner.dense.weight", "residual.inner.dense.bias"]
    model.fit(X, Y, epochs=2, batch_size=5, optimizer=tn.Adam(0.05), seed=0, verbose=0)
    frozen = bits(model)
    assert frozen["residual.inner.dense.weight"] == before["residual.inner.dense.weight"]
    assert frozen["norm.mean"] != before["norm.mean"]
    assert bits(base) == before
    base.theta[...] = 0
    assert bits(model) == frozen
    model.save(tmp_path / "model")
    for same in (tn.load(tmp_path / "model"), copy.deepcopy(model), model.astype("float64")):
        np.testing.assert_allclose(same.predict(X), model.predict(X), rtol=1e-5)


def test_an_input_that_is_copied_may_be_adapted_anew(tmp_path):
    base = trained()
    with pytest.warns(CopiedLayersWarning):
        model = tn.Sequential([*base.layers[:-1], tn.Dense(2)], seed=0)
    shift = base.input.shift.copy()
    model.input.adapt(X + 100)
    np.testing.assert_array_equal(base.input.shift, shift)
    model.save(tmp_path / "model")
    np.testing.assert_allclose(tn.load(tmp_path / "model").input.shift, shift + 100, rtol=1e-6)


def test_copies_that_are_meant_say_nothing():
    base = trained()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = tn.Sequential([*copy.deepcopy(base.layers[:-1]), tn.Dense(3, "softmax", name="head")])
        model.layers[-1].trainable = True
    np.testing.assert_array_equal(features(model, X), features(base, X))


def test_another_dtype_is_converted_to():
    base = trained()
    with pytest.warns(CopiedLayersWarning):
        model = tn.Sequential(base.layers, dtype="float64")
    assert {leaf.dtype for leaf in model.leaves.values()} == {np.dtype("float64")}
    np.testing.assert_allclose(model.predict(X), base.predict(X), rtol=1e-5)


def test_a_layer_alone_is_copied_with_its_values_and_shares_nothing():
    layer = tn.LSTM(3)
    layer(RNG.normal(size=(2, 4, 3)))
    same = copy.deepcopy(layer)
    x = RNG.normal(size=(2, 4, 3)).astype("f4")
    np.testing.assert_array_equal(same(x).data, layer(x).data)
    layer.weight.data[...] = 0
    assert same.weight.data.any()
    assert same.weight is same.own_parameters["weight"]


def test_what_is_shared_stays_shared():
    dense = tn.Dense(6, "tanh")
    base = tn.Sequential([tn.Input((6,)), dense, tn.ReLU(), dense], seed=0, name="base").build_model()
    with pytest.warns(CopiedLayersWarning, match="3 layers"):
        model = tn.Sequential(base.layers, seed=1)
    assert model.layers[1] is model.layers[3]
    np.testing.assert_array_equal(model.predict(X), base.predict(X))


def test_layers_whose_model_is_gone_and_whole_models_are_taken_as_they_are():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layers = trained().layers
        gc.collect()
        model = tn.Sequential([*layers[:-1], tn.Dense(2)], seed=0)
        assert model.layers[0] is layers[0]
        base = trained()
        whole = tn.Sequential([base, tn.Dense(2)], seed=0)
        assert whole.layers[0] is base
        whole.build_model()


def test_a_layer_within_another_is_refused_with_advice():
    base = trained()
    with pytest.raises(ArgumentError, match=r"part of model 'base' .*already.*copy\.deepcopy"):
        tn.Sequential([tn.Input((6,)), tn.Residual([base.layers[1]])]).build_model()
