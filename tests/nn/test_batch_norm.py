"""BatchNorm against plain loops, its running means, and what becomes of them."""

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet as tn
from tests.steps import WAYS, as_run
from tinynet.errors import ArgumentError, ShapeError


def normalised(x, gamma, beta, epsilon):
    """The outputs of a batch, its means and its variances, by plain loops in float64."""
    rows = x.reshape(-1, x.shape[-1]).astype(np.float64)
    y, means, variances = np.empty_like(rows), [], []
    for c in range(rows.shape[1]):
        mean = sum(rows[:, c]) / len(rows)
        variance = sum((v - mean) ** 2 for v in rows[:, c]) / len(rows)
        for i in range(len(rows)):
            y[i, c] = (rows[i, c] - mean) / (variance + epsilon) ** 0.5 * gamma[c] + beta[c]
        means.append(mean)
        variances.append(variance)
    return y.reshape(x.shape), np.array(means), np.array(variances)


def layer_of(channels, dtype="float64", seed=0, **arguments):
    """A layer in a model, with gamma and beta of its own."""
    model = tn.Sequential([tn.Input((channels,)), tn.BatchNorm(**arguments)], dtype=dtype)
    model.theta[...] = np.random.default_rng(seed).uniform(0.5, 1.5, model.theta.size)
    return model.layers[1]


def states(layer):
    return layer.mean.data.copy(), layer.variance.data.copy()


@pytest.mark.parametrize("shape", [(7, 3), (2, 5, 3), (3, 4, 2, 3)])
@pytest.mark.parametrize("way", WAYS)
def test_it_normalises_as_plain_loops_do_and_keeps_running_means(shape, way):
    layer = layer_of(3, momentum=0.8, epsilon=1e-3)
    run, mode = as_run(layer, way), tn.train_mode(seed=0)
    mean, variance = np.zeros(3), np.ones(3)
    for i in range(3):
        x = np.random.default_rng(i).normal(3, 2, shape)
        with mode:
            (y,) = run(x)
        expected, of_batch, its_variance = normalised(x, layer.gamma.data, layer.beta.data, 1e-3)
        np.testing.assert_allclose(y, expected, rtol=1e-10)
        mean, variance = 0.8 * mean + 0.2 * of_batch, 0.8 * variance + 0.2 * its_variance
        np.testing.assert_allclose(layer.mean.data, mean, rtol=1e-12)
        np.testing.assert_allclose(layer.variance.data, variance, rtol=1e-12)
    (y,) = as_run(layer, way)(x)
    expected = (x - mean) / np.sqrt(variance + 1e-3) * layer.gamma.data + layer.beta.data
    np.testing.assert_allclose(y, expected, rtol=1e-10)


def test_running_means_are_those_of_keras():
    """The momentum is that of the running value, and the variance is the biased one."""
    layer = layer_of(1, "float32", momentum=0.99)
    with tn.train_mode(seed=0):
        layer(np.array([[1.0], [2.0], [6.0]], np.float32))
    np.testing.assert_allclose(layer.mean.data, [0.01 * 3], rtol=1e-6)
    np.testing.assert_allclose(layer.variance.data, [0.99 + 0.01 * 14 / 3], rtol=1e-6)


@given(st.integers(1, 6), st.integers(1, 3), st.integers(0, 10**6))
def test_its_gradient_is_that_of_differences(n, channels, seed):
    layer, rng = layer_of(channels, seed=seed), np.random.default_rng(seed)
    x, weights = rng.normal(size=(n, channels)), rng.normal(size=(n, channels))

    def value(x):
        with tn.train_mode(seed=0):
            return float((layer(x) * weights).sum().data)

    with tn.train_mode(seed=0):
        t = tn.Tensor(x, requires_grad=True)
        (gradient,) = tn.grad((layer(t) * weights).sum(), [t])
    expected = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[i] = 1e-5
        expected[i] = (value(x + step) - value(x - step)) / 2e-5
    np.testing.assert_allclose(gradient.data, expected, rtol=1e-4, atol=1e-4 * max(1, np.abs(expected).max()))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("x", [np.full((1, 2), 7.0), np.full((5, 2), 7.0), np.full((5, 2), 1e6 / 3)])
def test_a_batch_of_one_and_constant_channels_become_beta(x, dtype):
    layer = layer_of(2, dtype)
    x = x.astype(dtype)
    with tn.train_mode(seed=0):
        t = tn.Tensor(x, requires_grad=True)
        y = layer(t)
        (gradient,) = tn.grad(y.sum(), [t])
    assert y.dtype == dtype
    np.testing.assert_allclose(y.data, np.broadcast_to(layer.beta.data, y.shape), rtol=1e-6)
    assert np.isfinite(gradient.data).all()
    np.testing.assert_allclose(layer.mean.data, 0.1 * x[0], rtol=1e-6)
    np.testing.assert_allclose(layer.variance.data, 0.9, rtol=1e-6)


def test_a_variance_beyond_its_dtype_leaves_beta_as_in_pytorch():
    """PyTorch 2.13, on the same values in float32: outputs and gradients 0, a running variance of infinity."""
    x = np.random.default_rng(0).standard_normal((8, 3)) * 1e25
    narrow, wide = layer_of(3, "float32"), layer_of(3, "float64")
    with tn.train_mode(seed=0):
        in_float32, in_float64 = narrow(x.astype("float32")), wide(x)
    np.testing.assert_array_equal(in_float32.data, np.broadcast_to(narrow.beta.data, x.shape))
    assert np.isinf(narrow.variance.data).all()
    expected = (x - x.mean(0)) / x.std(0) * wide.gamma.data + wide.beta.data
    np.testing.assert_allclose(in_float64.data, expected, rtol=1e-10)


def test_an_empty_batch_passes_in_inference():
    assert layer_of(2)(np.zeros((0, 2))).shape == (0, 2)


def test_frozen_it_does_in_training_what_it_does_in_inference():
    layer, x = layer_of(2), np.random.default_rng(0).normal(size=(4, 2))
    with tn.train_mode(seed=0):
        layer(x)
    before, expected = states(layer), layer(x).data
    layer.trainable = False
    with tn.train_mode(seed=0):
        y = layer(x)
    np.testing.assert_array_equal(y.data, expected)
    np.testing.assert_array_equal(states(layer), before)
    layer.trainable = True
    with tn.train_mode(seed=0):
        assert (layer(x).data != expected).any()
    assert (layer.mean.data != before[0]).any()


def test_frozen_between_two_calls_of_a_compiled_step():
    layer, x = layer_of(2), np.random.default_rng(0).normal(size=(4, 2))
    step, mode = tn.compile(lambda x: layer(x)), tn.train_mode(seed=0)
    with mode:
        step(x)
    before = states(layer)
    layer.trainable = False
    with mode:
        np.testing.assert_allclose(step(x), layer(x).data, rtol=1e-12)
    np.testing.assert_array_equal(states(layer), before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"momentum": 1}, "momentum must be below 1"),
        ({"momentum": -0.1}, "momentum must be"),
        ({"momentum": "much"}, "momentum must be"),
        ({"epsilon": 0}, "epsilon must be"),
        ({"epsilon": float("nan")}, "epsilon must be"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ArgumentError, match=f"BatchNorm: {message}"):
        tn.BatchNorm(**arguments)


def test_samples_without_axes_are_refused():
    with pytest.raises(ShapeError, match="at least one axis"):
        tn.BatchNorm()(np.zeros(3))


# --- in a model


X, Y = np.random.default_rng(0).normal(2, 3, size=(12, 3)).astype(np.float32), np.arange(12) % 2


def network(dtype="float32"):
    return tn.Sequential([tn.Input((3,)), tn.Dense(4), tn.BatchNorm(), tn.Dense(2)], seed=0, dtype=dtype)


def trained(dtype="float32", **options):
    model = network(dtype)
    model.fit(X, Y, epochs=2, batch_size=5, seed=0, verbose=0, **options)
    return model


def test_its_states_are_leaves_of_the_model_and_no_part_of_theta():
    model = network()
    assert list(model.states) == ["batch_norm.mean", "batch_norm.variance"]
    assert model.theta.size == 3 * 4 + 4 + 4 + 4 + 4 * 2 + 2
    assert list(model.leaves) == [*model.parameters, *model.states]


@pytest.mark.parametrize("compiled", [True, False])
def test_predict_and_evaluate_use_the_running_means_and_change_nothing(compiled):
    model = trained()
    before = {name: state.data.copy() for name, state in model.states.items()}
    assert all((before["batch_norm.mean"] != 0).tolist())
    w, b, gamma, beta, last, final = (p.data for p in model.parameters.values())
    h = (X @ w + b - before["batch_norm.mean"]) / np.sqrt(before["batch_norm.variance"] + 1e-5) * gamma + beta
    np.testing.assert_allclose(model.predict(X, compiled=compiled), h @ last + final, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.predict(X[:1], compiled=compiled), (h @ last + final)[:1], rtol=1e-4, atol=1e-5)
    model.evaluate(X, Y, compiled=compiled)
    for name, state in model.states.items():
        np.testing.assert_array_equal(state.data, before[name])


def test_compiled_fit_keeps_the_means_that_eager_fit_keeps():
    compiled, eager = trained(), trained(compiled=False)
    for name, state in compiled.states.items():
        np.testing.assert_allclose(state.data, eager.states[name].data, rtol=1e-4, atol=1e-6)


def test_it_is_saved_loaded_copied_and_converted(tmp_path):
    model = trained()
    model.save(tmp_path / "model.safetensors")
    others = {
        "loaded": tn.load(tmp_path / "model.safetensors"),
        "copied": copy.deepcopy(model),
        "converted": model.astype("float64"),
    }
    for name, other in others.items():
        assert other.states["batch_norm.mean"].dtype == ("float64" if name == "converted" else "float32")
        for state in model.states:
            np.testing.assert_array_equal(other.states[state].data, model.states[state].data)
        np.testing.assert_allclose(other.predict(X), model.predict(X), rtol=1e-5, atol=1e-5)
    before = model.states["batch_norm.mean"].data.copy()
    others["copied"].fit(X, Y, epochs=1, seed=0, verbose=0)
    np.testing.assert_array_equal(model.states["batch_norm.mean"].data, before)


def test_in_float64_its_means_are_too():
    model = trained("float64")
    mean = model.states["batch_norm.mean"]
    assert mean.dtype == np.float64
    assert (mean.data != mean.data.astype(np.float32)).any()


def test_the_summary_counts_its_means_as_not_trainable(capsys):
    network().summary()
    printed = capsys.readouterr().out
    assert "batch_norm (BatchNorm)  (None, 4)                   16" in printed
    assert "Total parameters: 42 (168 B in float32)" in printed
    assert "Trainable: 34, not trainable: 8" in printed
