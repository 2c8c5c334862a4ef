"""Dropout: what it drops, when, and that it is the same however a step is computed."""

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet as tn
from tests.steps import WAYS, as_run
from tinynet.errors import ArgumentError

ONES = np.ones((200, 50), np.float32)


def dropped(layer, x=ONES, seed=0):
    with tn.train_mode(seed):
        return layer(x).data


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_values_are_dropped_at_the_rate_and_the_others_scaled(rate):
    y = dropped(tn.Dropout(rate))
    np.testing.assert_allclose(np.unique(y), [0, 1 / (1 - rate)], rtol=1e-6)
    n = y.size
    assert abs((y == 0).mean() - rate) < 5 * np.sqrt(rate * (1 - rate) / n)
    assert abs(y.mean() - 1) < 5 * np.sqrt(rate / (1 - rate) / n)


def test_outside_of_training_and_at_rate_0_values_pass_as_they_are():
    x = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    np.testing.assert_array_equal(tn.Dropout(0.5)(x).data, x)
    np.testing.assert_array_equal(dropped(tn.Dropout(0), x), x)


def test_samples_steps_seeds_calls_and_layers_differ():
    first, second = tn.Dropout(0.5, name="first"), tn.Dropout(0.5, name="second")
    mode = tn.train_mode(seed=0)
    with mode:
        masks = [first(ONES).data, first(ONES).data, second(ONES).data]
    with mode:
        masks.append(first(ONES).data)
    masks += [dropped(first, seed=1), *np.split(masks[0], 2)]
    for i, a in enumerate(masks):
        for b in masks[:i]:
            n = min(len(a), len(b))
            assert abs((a[:n] == b[:n]).mean() - 0.5) < 0.03 or np.shares_memory(a, b)
    assert len(np.unique(masks[0], axis=0)) == len(ONES)
    np.testing.assert_array_equal(masks[0], dropped(first))


@pytest.mark.parametrize("way", WAYS)
def test_the_gradient_flows_through_what_is_kept(way):
    layer = tn.Dropout(0.5)

    def step(x):
        x = tn.Tensor(x)
        x.requires_grad = True
        y = layer(x)
        return y, *tn.grad((y * y).sum(), [x])

    x = np.arange(1, 13, dtype=np.float64).reshape(3, 4)
    with tn.train_mode(seed=0):
        y, gradient = as_run(step, way)(x)
    np.testing.assert_allclose(gradient, np.where(y != 0, 2 * x / 0.5**2, 0))
    assert 0 < (y == 0).sum() < 12


def test_nan_is_dropped_or_stays():
    y = dropped(tn.Dropout(0.5), np.full((4, 8), np.nan, np.float32))
    assert set(np.isnan(y).ravel()) == {True, False}
    assert not np.nan_to_num(y).any()


@given(st.floats(0, 0.99), st.sampled_from(["float32", "float64"]), st.integers(0, 3))
def test_the_dtype_and_the_shape_stay(rate, dtype, n):
    y = dropped(tn.Dropout(rate), np.ones((n, 2, 2), dtype))
    assert (y.dtype, y.shape) == (dtype, (n, 2, 2))


@pytest.mark.parametrize("rate", [-0.1, 1, 1.5, float("nan"), "half", None, True])
def test_a_rate_is_from_0_to_below_1(rate):
    with pytest.raises(ArgumentError, match="Dropout: rate must be a number from 0 to below 1"):
        tn.Dropout(rate)


def network():
    return tn.Sequential([tn.Input((3,)), tn.Dense(8, "relu"), tn.Dropout(0.5), tn.Dense(2)], seed=0)


X, Y = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32), np.arange(12) % 2


def test_it_is_off_in_predict_and_evaluate_in_the_midst_of_training_too():
    model, seen = network(), []

    def look(run):
        seen.append((run.model.predict(X), run.model.predict(X, compiled=False)))

    model.fit(X, Y, epochs=2, batch_size=4, seed=0, verbose=0, callbacks=[look], validation_data=(X, Y))
    for compiled, eager in seen:
        np.testing.assert_allclose(compiled, eager, rtol=1e-5, atol=1e-6)
    weight, bias, last, final = (p.data for p in model.parameters.values())
    np.testing.assert_allclose(model.predict(X), np.maximum(X @ weight + bias, 0) @ last + final, rtol=1e-4, atol=1e-5)
    assert model.evaluate(X, Y) == model.evaluate(X, Y)


def test_it_is_on_in_fit_and_a_rate_that_is_set_is_seen():
    def first_loss(rate):
        model = network()
        model.layers[2].rate = rate
        return model.fit(X, Y, epochs=1, batch_size=12, seed=0, verbose=0).history["loss"][0]

    assert len({first_loss(rate) for rate in (0.0, 0.5, 0.9)}) == 3


def test_a_rate_that_is_set_between_steps_is_seen_by_a_compiled_step():
    model, mode = network(), tn.train_mode(seed=0)
    step = tn.compile(lambda x: (model(x) ** 2).mean())
    losses = []
    for rate in (0.5, 0.0):
        model.layers[2].rate = rate
        with mode:
            losses.append(float(step(X)))
    np.testing.assert_allclose(losses[1], float((model(X) ** 2).mean()), rtol=1e-5)
    assert losses[0] != losses[1]
    assert step.traces == 2


def test_it_is_saved_copied_and_summarised(tmp_path, capsys):
    model = network()
    model.save(tmp_path / "model.safetensors")
    for other in (tn.load(tmp_path / "model.safetensors"), copy.deepcopy(model), model.astype("float64")):
        assert other.layers[2].rate == 0.5
        np.testing.assert_allclose(other.predict(X), model.predict(X), rtol=1e-5, atol=1e-6)
        with tn.train_mode(seed=0):
            found = other(X).data
        with tn.train_mode(seed=0):
            np.testing.assert_allclose(found, model(X).data, rtol=1e-5, atol=1e-6)
    model.summary()
    assert "dropout (Dropout)   (None, 8)                    0" in capsys.readouterr().out
