"""Parameters and states as arrays by name: taken out, and put in, all or none."""

import numpy as np
import pytest

import tinynet as tn
from tinynet.errors import ArgumentError, DTypeError, GradientError


class Counter(tn.Layer):
    """Counts its steps of training."""

    def build(self, input_shape, rng):
        self.count = self.add_state("count", (), dtype="int64")

    def forward(self, x):
        if tn.training():
            self.count.assign(self.count + 1)
        return x


def network(seed=0, dtype="float32"):
    layers = [tn.Input((3,)), tn.Dense(2), tn.BatchNorm(), Counter(), tn.Dense(2, name="head")]
    return tn.Sequential(layers, seed=seed, dtype=dtype)


X = np.random.default_rng(0).normal(size=(6, 3)).astype("f4")


def test_weights_go_from_one_model_to_another():
    first, other = network(), network(1)
    first.fit(X, np.arange(6) % 2, epochs=1, verbose=0, seed=0, loss=lambda y, labels: (y * y).mean())
    weights = first.get_weights()
    assert list(weights) == list(first.leaves)
    assert other.set_weights(weights) == ([], [])
    np.testing.assert_array_equal(other.predict(X), first.predict(X))
    np.testing.assert_array_equal(other.theta, first.theta)
    assert other.states["counter.count"].data == 1
    weights["dense.weight"][...] = 7
    assert (first.parameters["dense.weight"].data != 7).all()
    assert (other.parameters["dense.weight"].data != 7).all()
    wide = network(dtype="float64")
    wide.set_weights(first.get_weights())
    np.testing.assert_allclose(wide.predict(X), first.predict(X), rtol=1e-5)


def test_all_that_is_wrong_is_listed_and_nothing_written():
    model = network()
    before, weights = model.get_weights(), model.get_weights()
    del weights["dense.bias"], weights["head.bias"]
    weights |= {"dense.weight": np.ones((2, 3)), "batch_norm.mean": np.ones(3), "old.weight": np.ones(2)}
    weights["head.weight"] = np.full((2, 2), 7.0)
    with pytest.raises(ArgumentError) as caught:
        model.set_weights(weights)
    assert str(caught.value).endswith(
        "the weights do not fit, and nothing was written: dense.weight has shape (2, 3) instead of (3, 2); "
        "batch_norm.mean has shape (3,) instead of (2,); missing: dense.bias, head.bias; unexpected: old.weight; "
        "with strict=False, names that do not match are left out"
    )
    with pytest.raises(ArgumentError, match=r"dense\.weight has shape .*instead of \(2,\)$"):
        model.set_weights(weights, strict=False)
    for name, value in model.get_weights().items():
        np.testing.assert_array_equal(value, before[name])


def test_not_strict_names_that_do_not_match_are_left_out_and_told():
    model = network()
    found = model.set_weights({"head.bias": [1, 2], "old.bias": [0]}, strict=False)
    assert found.unexpected == ["old.bias"]
    assert "head.weight" in found.missing
    assert "head.bias" not in found.missing
    assert model.parameters["head.bias"].data.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ([np.ones(3)], ArgumentError, "must map names to arrays, .*list"),
        ({"counter.count": 1.5}, DTypeError, "counter.count holds int64, but got float64"),
        ({"head.bias": ["a", "b"]}, DTypeError, "numbers"),
    ],
)
def test_other_values_are_refused_and_change_nothing(weights, error, message):
    model = network()
    before = model.get_weights()
    if isinstance(weights, dict):
        weights = {"head.weight": np.full((2, 2), 7.0), **weights}
    with pytest.raises(error, match=message):
        model.set_weights(weights, strict=False)
    for name, value in model.get_weights().items():
        np.testing.assert_array_equal(value, before[name])


def test_within_a_step_it_is_refused():
    model = network()
    with tn.train_mode(seed=0), pytest.raises(ArgumentError, match="before or after a step"):
        model.set_weights({}, strict=False)


def test_a_gradient_through_old_values_is_refused():
    model = network()
    loss = (model(X) ** 2).sum()
    model.set_weights(model.get_weights())
    with pytest.raises(GradientError, match="changed"):
        tn.grad(loss, list(model.parameters.values()))
