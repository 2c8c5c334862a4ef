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


# --- what layers within a model make


def images_network(dtype="float64"):
    block = tn.Residual([tn.Conv2D(3, 3, padding="same", activation="relu"), tn.Conv2D(2, 1)], name="block")
    layers = [tn.Input((6, 6, 1), scale=0.5), tn.Conv2D(2, 3, activation="relu"), block, tn.BatchNorm()]
    model = tn.Sequential([*layers, tn.Flatten(), tn.Dense(3, name="logits"), tn.Softmax()], seed=0, dtype=dtype)
    for leaf in model.leaves.values():
        leaf.memory[...] += np.abs(np.random.default_rng(leaf.size).normal(size=leaf.shape)) * 0.3
    return model


IMAGES = RNG.normal(size=(4, 6, 6, 1))


def by_hand(model, x, upto):
    y = tn.Tensor(x)
    for layer in model.layers[:upto]:
        y = layer(y)
    return y


@pytest.mark.parametrize(("name", "upto"), [("conv2d", 2), ("block", 3), ("logits", 6), ("input", 1)])
@pytest.mark.parametrize("compiled", [False, True])
def test_a_submodel_computes_what_the_layer_makes(name, upto, compiled):
    model = images_network()
    part = tn.submodel(model, name)
    np.testing.assert_allclose(part.predict(IMAGES, compiled=compiled), by_hand(model, IMAGES, upto).data, rtol=1e-12)
    np.testing.assert_array_equal(part(IMAGES).data, by_hand(model, IMAGES, upto).data)
    np.testing.assert_allclose(tn.compile(part)(IMAGES), by_hand(model, IMAGES, upto).data, rtol=1e-12)


def test_a_submodel_shares_the_parameters_and_sees_them_change():
    model = images_network()
    part = tn.submodel(model, model.layers[2].layers[0])
    before, frozen = part.predict(IMAGES), tn.compile(part, freeze=True)
    assert part.theta is model.theta
    assert list(part.parameters) == list(model.parameters)
    model.fit(IMAGES, np.arange(4) % 3, epochs=1, optimizer=tn.SGD(0.5), verbose=0, seed=0)
    after = part.predict(IMAGES)
    assert np.abs(after - before).max() > 1e-6
    assert part.predict(IMAGES[:1]).shape == (1, 4, 4, 3)
    np.testing.assert_allclose(frozen(IMAGES), before, rtol=1e-12)
    assert [call.name for call in tn.compile(part).plan(IMAGES).calls].count("conv2d_bias") == 2


def test_a_submodel_is_measured_by_what_its_layer_makes():
    model = tn.Sequential([tn.Input((6,)), tn.Dense(1, "sigmoid"), tn.Flatten()], seed=0).build_model()
    labels = Y > 1
    expected = model.evaluate(X, labels, loss="binary_cross_entropy")
    assert tn.submodel(model, "dense").evaluate(X, labels, loss="binary_cross_entropy") == pytest.approx(expected)


def test_gradients_of_a_class_score_with_respect_to_inner_values():
    """Grad-CAM, eager and compiled, against the chain rule by hand and against differences."""
    model = images_network()

    def cam(x):
        with tn.inner_values(model, "conv2d", "logits") as inner:
            model(x)
        maps = inner["conv2d"]
        (slopes,) = tn.grad(inner["logits"][:, 1].sum(), [maps])
        weights = slopes.mean((1, 2), keepdims=True)
        return tn.ops.relu((weights * maps).sum(-1)), slopes

    found, slopes = cam(IMAGES)
    assert found.shape == (4, 4, 4)
    np.testing.assert_allclose(tn.compile(cam)(IMAGES)[0], found.data, rtol=1e-10, atol=1e-12)
    maps = tn.submodel(model, "conv2d")(IMAGES).data

    def score(maps):
        y = tn.Tensor(maps)
        for layer in model.layers[2:6]:
            y = layer(y)
        return y[:, 1].sum().item()

    direction, h = RNG.normal(size=maps.shape), 1e-5
    difference = (score(maps + h * direction) - score(maps - h * direction)) / (2 * h)
    np.testing.assert_allclose((slopes.data * direction).sum(), difference, rtol=1e-6)


def test_inner_values_are_of_all_layers_by_their_names_and_blocks_may_nest():
    model = images_network()
    with tn.inner_values(model) as all_values, tn.inner_values(model, "block.conv2d_1") as one:
        model(IMAGES)
    names = [layer.name for layer in model.layers]
    assert set(all_values) == {*names, "block.conv2d", "block.conv2d_1"}
    assert one["block.conv2d_1"] is all_values["block.conv2d_1"]
    with tn.inner_values(model, "block") as none:
        pass
    assert none == {}


def test_a_submodel_of_two_inputs_takes_both():
    class Two(tn.Model):
        def __init__(self):
            super().__init__(seed=0, dtype="float64")
            self.first, self.second = tn.Input((6,)), tn.Input((2,))
            self.left, self.right = tn.Dense(4, "tanh", name="left"), tn.Dense(4, name="right")

        def forward(self, a, b):
            return self.left(self.first(a)) + self.right(self.second(b))

    model, other = Two(), RNG.normal(size=(12, 2))
    left, right = (tn.submodel(model, name) for name in ("left", "right"))
    both = left.predict((X, other)) + right.predict((X, other))
    np.testing.assert_allclose(both, model.predict((X, other)), rtol=1e-12)
    np.testing.assert_allclose(tn.compile(right)(X, other), right.predict((X, other)), rtol=1e-12)


def test_of_a_layer_that_is_used_twice_the_last_use_counts():
    class Twice(tn.Model):
        def __init__(self):
            super().__init__((3,), seed=0)
            self.dense, self.unused = tn.Dense(3, "tanh"), tn.Dense(2)

        def forward(self, x):
            return self.dense(self.dense(x)) * 2

    model, x = Twice(), RNG.normal(size=(2, 3))
    np.testing.assert_allclose(tn.submodel(model, "dense").predict(x), model.predict(x) / 2, rtol=1e-6)
    with pytest.raises(ArgumentError, match="does not use its layer 'dense_1'"):
        tn.submodel(model, "dense_1").predict(x)


def test_what_a_submodel_cannot_do_is_refused():
    model = images_network()
    part = tn.submodel(model, "logits")
    with pytest.raises(ArgumentError, match=r"has no layer 'logit'; there are input, conv2d, block, block\.conv2d"):
        tn.submodel(model, "logit")
    with pytest.raises(ArgumentError, match="made of a model"):
        tn.submodel(model.layers[1], "conv2d")
    for refused in (part.fit, part.save):
        with pytest.raises(ArgumentError, match=r"is part of 'sequential' .*: train and save that model"):
            refused(IMAGES, np.zeros(4))
    with pytest.raises(ArgumentError, match="has no layer"), tn.inner_values(model, tn.Dense(3)):
        pass
