"""Layers: batches without samples, layers in containers, layers made in build."""

import copy

import numpy as np
import pytest

import tinynet as tn
from tests.small_network import SMALL_X, InTurn, losses_of


def convolutional():
    layers = [tn.Input((8, 8, 1)), tn.Conv2D(2, 3, activation="relu"), tn.MaxPool(2), tn.Flatten(), tn.Dense(3)]
    return tn.Sequential([*layers, tn.Softmax()], seed=0)


@pytest.mark.parametrize("reference", [False, True])
def test_a_network_takes_a_batch_of_nothing(reference):
    model = convolutional()
    parameters = list(model.parameters.values())

    def run():
        y = model(np.ones((0, 8, 8, 1)))
        return y, tn.grad(y.sum(), parameters)

    y, gradients = tn.reference()(run)() if reference else run()
    assert y.shape == (0, 3)
    assert [g.shape for g in gradients] == [p.shape for p in parameters]
    assert not any(g.data.any() for g in gradients)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [(tn.Flatten(), (0, 6)), (tn.Dense(4), (0, 2, 4)), (tn.ReLU(), (0, 2, 3)), (tn.Softmax(), (0, 2, 3))],
)
def test_a_layer_takes_a_batch_of_nothing(layer, shape):
    assert layer(np.ones((0, 2, 3))).shape == shape


@pytest.mark.parametrize("shape", [(5, 0), (0, 5), (0, 0), (2, 0, 3)])
@pytest.mark.parametrize("axis", [0, 1, None])
def test_sums_of_nothing_are_zero(shape, axis):
    x = tn.Tensor(np.ones(shape), requires_grad=True)
    y = x.sum(axis)
    np.testing.assert_array_equal(y.data, np.ones(shape).sum(axis))
    assert tn.grad(y.sum(), [x])[0].shape == shape


def test_no_index_and_no_label_pick_nothing():
    t = tn.Tensor([1.0, 2.0], requires_grad=True)
    assert t[[]].shape == (0,)
    assert t[[[], []]].shape == (2, 0)
    np.testing.assert_array_equal(tn.grad(t[[]].sum(), [t])[0].data, [0, 0])
    assert tn.one_hot([], 2).shape == (0, 2)


CONTAINERS = [
    lambda a, b: [a, b],
    lambda a, b: (a, [b]),
    lambda a, b: {"first": a, "second": b},
    lambda a, b: {"both": [a, {"inner": (b,)}]},
]


class Nested(tn.Layer):
    """Layers in containers within each other, in their order."""

    def __init__(self, parts):
        self.parts = parts

    def forward(self, x):
        for layer in self.sublayers():
            x = layer(x)
        return x


@pytest.mark.parametrize("contain", CONTAINERS)
def test_layers_in_any_container_are_trained_saved_and_copied(contain, tmp_path):
    model = tn.Sequential([tn.Input((3,)), Nested(contain(tn.Dense(4, "tanh"), tn.Dense(4)))], seed=0)
    plain = tn.Sequential([tn.Input((3,)), tn.Dense(4, "tanh"), tn.Dense(4)], seed=0)
    assert list(model.parameters) == [
        f"nested.{name}.{kind}" for name in ("dense", "dense_1") for kind in ("weight", "bias")
    ]
    assert losses_of(model) == losses_of(plain)
    np.testing.assert_array_equal(model.theta, plain.theta)
    model.save(tmp_path / "model")
    for same in (tn.load(tmp_path / "model", {"Nested": Nested}), copy.deepcopy(model)):
        np.testing.assert_array_equal(same.predict(SMALL_X), model.predict(SMALL_X))


def test_a_layer_that_was_only_an_argument_is_no_part():
    class Sized(tn.Layer):
        def __init__(self, like):
            self.dense = tn.Dense(like.units)

        def forward(self, x):
            return self.dense(x)

    model = tn.Sequential([tn.Input((3,)), Sized(tn.Dense(2))], seed=0)
    assert list(model.parameters) == ["sized.dense.weight", "sized.dense.bias"]


class MadeInBuild(tn.Layer):
    """Two layers, made when the shape of the input is known."""

    def build(self, input_shape, rng):
        self.first, self.rest = tn.Dense(input_shape[0], "tanh"), {"all": [InTurn([tn.Dense(4)])]}

    def forward(self, x):
        return self.rest["all"][0](self.first(x))


def test_layers_made_in_build_have_names_and_parameters_of_their_own(tmp_path):
    model = tn.Sequential([tn.Input((3,)), MadeInBuild(), MadeInBuild()], seed=0)
    assert list(model.parameters) == [
        f"{outer}.{inner}.{kind}"
        for outer in ("made_in_build", "made_in_build_1")
        for inner in ("dense", "in_turn.dense")
        for kind in ("weight", "bias")
    ]
    assert model.theta.size == sum(p.size for p in model.parameters.values()) == 12 + 16 + 20 + 20
    before = model.theta.copy()
    losses_of(model)
    assert (model.theta != before).any()
    model.save(tmp_path / "model")
    same = tn.load(tmp_path / "model", {"MadeInBuild": MadeInBuild})
    np.testing.assert_array_equal(same.predict(SMALL_X), model.predict(SMALL_X))


def test_two_dense_made_in_build_are_told_apart(tmp_path):
    class Two(tn.Layer):
        def build(self, input_shape, rng):
            self.a, self.b = tn.Dense(5), tn.Dense(4)

        def forward(self, x):
            return self.b(self.a(x))

    model = tn.Sequential([tn.Input((3,)), Two()], seed=0)
    assert [*model.parameters] == [f"two.{n}.{kind}" for n in ("dense", "dense_1") for kind in ("weight", "bias")]
    with pytest.raises(tn.errors.ArgumentError, match="is part of model"):
        tn.Sequential([tn.Input((3,)), InTurn([model.layers[1].a])]).build_model()
