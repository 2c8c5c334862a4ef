"""A batch normalisation is folded into what comes before it where all of both is constant, and nowhere else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet as tn

LINEAR = {
    "conv": (lambda b: tn.Conv2D(3, 3, padding="same", use_bias=b), (5, 6, 2)),
    "strided": (lambda b: tn.Conv2D(4, (2, 3), stride=2, use_bias=b), (6, 5, 2)),
    "transposed": (lambda b: tn.Conv2DTranspose(3, 2, stride=2, use_bias=b), (3, 2, 2)),
    "dense": (lambda b: tn.Dense(4, use_bias=b), (3,)),
    "dense over sequences": (lambda b: tn.Dense(4, use_bias=b), (5, 3)),
}


def network(layers, shape, seed=0, dtype="float64"):
    """A network whose parameters and running means are none of the initial ones."""
    model, rng = tn.Sequential([tn.Input(shape), *layers], seed=0, dtype=dtype), np.random.default_rng(seed)
    for name, leaf in model.leaves.items():
        values = rng.normal(size=leaf.shape)
        leaf.memory[...] = abs(values) + 0.1 if name.endswith("variance") else values
    return model, rng.normal(size=(4, *shape)).astype(dtype)


def calls(predictor, x):
    return [call.name for call in predictor.plan(x).calls]


@given(st.sampled_from(sorted(LINEAR)), st.booleans(), st.booleans(), st.integers(0, 2**32 - 1))
def test_a_frozen_predictor_computes_what_predict_does(kind, bias, relu, seed):
    make, shape = LINEAR[kind]
    model, x = network([make(bias), tn.BatchNorm(), *([tn.ReLU()] if relu else [])], shape, seed)
    frozen, expected = tn.compile(model, freeze=True), model.predict(x)
    np.testing.assert_allclose(frozen(x), expected, rtol=1e-11, atol=1e-12 * np.abs(expected).max())
    assert "subtract" not in calls(frozen, x)


@pytest.mark.parametrize("kind", LINEAR)
def test_a_normalisation_costs_no_call(kind):
    make, shape = LINEAR[kind]
    with_norm, x = network([make(True), tn.BatchNorm()], shape, dtype="float32")
    without, _ = network([make(True)], shape, dtype="float32")
    assert calls(tn.compile(with_norm, freeze=True), x) == calls(tn.compile(without, freeze=True), x)
    expected = with_norm.predict(x)
    np.testing.assert_allclose(
        tn.compile(with_norm, freeze=True)(x), expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max()
    )


def test_with_relu_and_pooling_it_becomes_the_fused_convolution():
    model, x = network([tn.Conv2D(3, 3), tn.BatchNorm(), tn.ReLU(), tn.MaxPool(2)], (8, 8, 2), dtype="float32")
    assert calls(tn.compile(model, freeze=True), x) == ["conv_pool"]


@pytest.mark.parametrize(
    ("layers", "ops"),
    [
        ([tn.Dense(4, "relu"), tn.BatchNorm()], ["matmul_bias", "subtract", "multiply", "add"]),
        ([tn.BatchNorm(), tn.Dense(4)], ["gather", "add", "matmul_bias"]),
        (
            [tn.Dense(4), tn.Reshape((2, 2)), tn.BatchNorm()],
            ["matmul_bias", "subtract", "multiply", "add"],
        ),
    ],
    ids=["after relu", "of the input", "of other channels"],
)
def test_where_it_does_not_follow_it_is_computed_as_before(layers, ops):
    model, x = network([tn.nn.clone.clone(layer) for layer in layers], (3,))
    frozen = tn.compile(model, freeze=True)
    np.testing.assert_allclose(frozen(x), model.predict(x), rtol=1e-12)
    assert calls(frozen, x) == ops  # the last of them, or the first two, are the normalisation


def test_what_is_used_elsewhere_too_stays_there():
    class Both(tn.Model):
        def __init__(self):
            super().__init__((3,), seed=0, dtype="float64")
            self.dense, self.norm = tn.Dense(3), tn.BatchNorm()

        def forward(self, x):
            y = self.dense(x)
            return tn.ops.concatenate([y, self.norm(y)], axis=1)

    model, x = Both(), np.random.default_rng(0).normal(size=(4, 3))
    model.theta[...] = np.random.default_rng(1).normal(size=model.theta.size)
    np.testing.assert_allclose(tn.compile(model, freeze=True)(x), model.predict(x), rtol=1e-11)


def test_live_predictors_and_training_are_as_they_were():
    model, x = network([tn.Dense(3), tn.BatchNorm()], (3,))
    live = tn.compile(model)
    assert "subtract" in calls(live, x)
    model.theta[...] *= 2
    np.testing.assert_allclose(live(x), model.predict(x), rtol=1e-12)


def test_nan_stays_nan():
    model, x = network([tn.Dense(3), tn.BatchNorm()], (3,))
    model.states["batch_norm.mean"].memory[1] = np.nan
    x[2, 0] = np.nan
    np.testing.assert_array_equal(np.isnan(tn.compile(model, freeze=True)(x)), np.isnan(model(x).data))


def test_gradients_flow_through_and_stop_where_they_should():
    """Also those with respect to what would be folded away."""

    class Slopes(tn.Model):
        def __init__(self):
            super().__init__((3,), seed=0, dtype="float64")
            self.dense, self.norm = tn.Dense(3), tn.BatchNorm()

        def forward(self, x):
            x = tn.Tensor(x, requires_grad=True)
            inner = self.dense(x)
            return tn.ops.concatenate(tn.grad((self.norm(inner) ** 2).sum(), [x, inner], create_graph=True), axis=1)

    critic, x = network([tn.Dense(3), tn.BatchNorm(), tn.Dense(1)], (3,))
    frozen = tn.compile(critic, freeze=True)

    @tn.compile
    def slope(x):
        x = tn.Tensor(x, requires_grad=True)
        return tn.grad(frozen(x).sum(), [x])[0]

    t = tn.Tensor(x, requires_grad=True)
    np.testing.assert_allclose(slope(x), tn.grad(critic(t).sum(), [t])[0].data, rtol=1e-11)
    model = Slopes()
    model.theta[...] = np.random.default_rng(1).normal(size=model.theta.size)
    found = tn.compile(model, freeze=True)(x)
    np.testing.assert_allclose(found, model(x).data, rtol=1e-11)
    assert (abs(found) > 1e-3).all()
