"""What was once silently wrong: copies that do not learn, gradients past a stop, layers that nobody trains."""

import copy
import pickle

import numpy as np
import pytest

import tinynet as tn
from tinynet.errors import ArgumentError, TraceError

X, Y = np.random.default_rng(0).normal(size=(24, 3)), np.arange(24) % 4
both_ways = pytest.mark.parametrize("compiled", [True, False])


def network():
    return tn.Sequential([tn.Input((3,), shift=0.1), tn.Dense(5, "tanh"), tn.Dense(4)], seed=0)


def trained(model, **rest):
    return model.fit(X, Y, epochs=3, batch_size=8, optimizer=tn.SGD(0.1), seed=0, verbose=0, **rest).history["loss"]


class Block(tn.Layer):
    """Layers in turn, in any container."""

    def __init__(self, parts):
        self.parts = parts

    def forward(self, x):
        for part in self.parts.values() if isinstance(self.parts, dict) else self.parts:
            x = part(x)
        return x


class Scaled(tn.Model):
    """Two layers with a factor between them, through which no gradient flows."""

    def __init__(self, factor):
        super().__init__(input_shape=(3,), seed=0)
        self.first, self.last, self.factor = tn.Dense(3), tn.Dense(4), factor

    def forward(self, x):
        h = self.first(x)
        with tn.no_grad():
            h = h * self.factor
        return self.last(h)


class Noisy(tn.Layer):
    """Numbers that differ from call to call."""

    rng = np.random.default_rng(0)

    def forward(self, x):
        return x * self.rng.integers(0, 2, x.shape[1:]).astype(x.dtype)


@pytest.mark.parametrize("used", [False, True])
def test_a_deep_copy_learns_by_itself(used):
    model = network()
    if used:
        model.predict(X)
        trained(model)
    other = copy.deepcopy(model)
    before = model.predict(X)
    np.testing.assert_array_equal(other.predict(X), before)
    losses = trained(other)
    assert losses[-1] < losses[0]
    assert losses == trained(model)
    assert not np.array_equal(other.predict(X), before)


@pytest.mark.parametrize("copied", [pickle.dumps, copy.copy])
def test_a_model_is_not_pickled(copied):
    with pytest.raises(ArgumentError, match=r"model\.save\(path\)"):
        copied(network())


def test_a_gradient_with_respect_to_one_tensor():
    t = tn.Tensor([1.0, 2.0, 3.0], requires_grad=True)
    assert [g.data.tolist() for g in tn.grad((t * t).sum(), t)] == [[2.0, 4.0, 6.0]]


@both_ways
@pytest.mark.parametrize("factor", [1.0, 2.0])
def test_a_gradient_stops_where_nothing_is_recorded_whatever_the_factor(factor, compiled):
    model = Scaled(factor)
    model.predict(X)
    before = model.parameters["dense.weight"].data.copy()
    trained(model, compiled=compiled)
    np.testing.assert_array_equal(model.parameters["dense.weight"].data, before)
    assert np.any(model.parameters["dense_1.bias"].data)


def test_a_layer_that_two_layers_share_has_one_name():
    shared = tn.Dense(4)
    model = tn.Sequential(
        [tn.Input((4,)), Block([tn.Dense(4), shared]), Block([shared, tn.Dense(4)]), Block([tn.Dense(4)])], seed=0
    )
    model.predict(np.zeros((1, 4)))
    assert sum(p.size for p in model.parameters.values()) == model.theta.size == 4 * 20
    assert list(model.parameters) == [
        f"{name}.{kind}"
        for name in ("block.dense", "block.dense_1", "block_1.dense", "block_2.dense")
        for kind in ("weight", "bias")
    ]


class Table(tn.Layer):
    """Rows of a table by their numbers."""

    def build(self, input_shape, rng):
        self.rows = self.add_parameter("rows", (4, 2), lambda shape, rng: np.arange(8.0).reshape(shape))

    def forward(self, x):
        return tn.ops.getitem(self.rows, tn.ops.cast(x[:, 0], "int64"))


@both_ways
def test_an_index_that_is_computed_must_be_in_range(compiled):
    model = tn.Sequential([tn.Input((1,)), Table()], seed=0)
    assert model.predict([[1], [-1]], compiled=compiled).tolist() == [[2, 3], [6, 7]]
    for wrong in (4, -5):
        with pytest.raises(ArgumentError, match=rf"from {min(wrong, 1)} to {max(wrong, 1)}, .* has length 4"):
            model.predict([[1], [wrong]], compiled=compiled)


def test_layers_that_a_model_cannot_see_are_refused():
    model = tn.Sequential([tn.Input((3,)), Block({"inside": tn.Dense(4)})], seed=0)
    with pytest.raises(ArgumentError, match=r"no parameters of the model, of the shapes \[\(3, 4\), \(4,\)\]"):
        trained(tn.Sequential([tn.Input((3,)), Block({"inside": tn.Dense(4)}), tn.Dense(4)], seed=0))
    with pytest.raises(ArgumentError, match="no parameters"):
        trained(model)


def test_a_parameter_that_was_put_in_place_of_the_models_is_refused():
    model = network()
    model.predict(X)
    model.layers[1].weight = tn.Tensor(np.ones((3, 5), np.float32), requires_grad=True)
    with pytest.raises(ArgumentError, match=r"\(3, 5\)"):
        trained(model)


def test_random_numbers_of_a_layer_are_not_frozen_in_silence():
    model = tn.Sequential([tn.Input((3,)), tn.Dense(40), Noisy(), tn.Dense(4)], seed=0)
    with pytest.raises(TraceError, match="compiled=False"):
        trained(model)
    losses = trained(model, compiled=False)
    assert losses[-1] < losses[0]


def test_a_model_remembers_what_it_was_made_of(tmp_path):
    shift, layers = np.ones(3), [tn.Dense(4)]
    model = tn.Sequential([tn.Input((3,), shift=shift), *layers], seed=0)
    before = model.predict(X)
    shift[...] = 5
    model.save(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(tn.load(tmp_path / "model.safetensors").predict(X), before)
    np.testing.assert_array_equal(model.astype("float32").predict(X), before)


def test_a_list_of_layers_that_grows_later_does_not_spoil_the_file(tmp_path):
    layers = [tn.Input((3,)), tn.Dense(4)]
    model = tn.Sequential(layers, seed=0)
    before = model.predict(X)
    layers.append(tn.Dense(2))
    model.save(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(tn.load(tmp_path / "model.safetensors").predict(X), before)


def test_arguments_that_a_file_cannot_hold_are_refused_when_it_is_written(tmp_path):
    shift = np.random.default_rng(0).normal(size=(384, 384, 3))
    model = tn.Sequential([tn.Input((384, 384, 3), shift=shift), tn.Flatten(), tn.Dense(1)], seed=0)
    model.predict(np.zeros((1, 384, 384, 3)))
    with pytest.raises(ArgumentError, match="make large arrays parameters"):
        model.save(tmp_path / "model.safetensors")
    assert list(tmp_path.iterdir()) == []
