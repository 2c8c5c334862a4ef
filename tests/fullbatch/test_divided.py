"""Objectives that are divided into parts."""

import numpy as np
import pytest

import tinynet as tn
from tinynet.errors import ArgumentError, ShapeError

RNG = np.random.default_rng(0)
X = RNG.standard_normal((37, 5))
Y = (X.sum(1) > 0).astype(int)
WEIGHTS = np.where(np.arange(37) < 10, 0.0, RNG.random(37))


def network(hidden=True, dtype="float64"):
    layers = [tn.Input((5,)), *([tn.Dense(4, "tanh")] if hidden else []), tn.Dense(2)]
    return tn.Sequential(layers, seed=0, dtype=dtype)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize(
    ("count", "hidden", "compiled"), [(3, True, True), (8, False, True), (64, False, True), (2, True, False)]
)
def test_the_sum_of_the_parts_is_the_whole_but_for_rounding(count, hidden, compiled, weights):
    model = network(hidden)
    whole = tn.Objective(model, X, Y, l2=0.1, compiled=compiled, sample_weight=weights)
    divided = tn.Objective(model, X, Y, l2=0.1, compiled=compiled, sample_weight=weights, micro_batches=count)
    theta, d = RNG.standard_normal((2, model.theta.size))
    assert (divided.affine, repr(divided)) == (whole.affine, repr(whole))
    np.testing.assert_allclose(divided.value(theta), whole.value(theta), rtol=1e-12)
    for found, expected in zip(divided.value_and_gradient(theta), whole.value_and_gradient(theta), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(divided.hvp(theta, d), whole.hvp(theta, d), rtol=1e-11, atol=1e-13)
    line, expected = divided.along(theta, d), whole.along(theta, d)
    for t in (0.0, 0.5, 2.0):
        np.testing.assert_allclose(line(t), expected(t), rtol=1e-12)


def fitted(optimizer=None, model=None, micro_batches=4, **options):
    model = model or network(hidden=False)
    given = {"epochs": 6, "batch_size": None, "optimizer": optimizer or tn.GradientDescent(), "verbose": 0, "seed": 0}
    history = model.fit(X, Y, micro_batches=micro_batches, **given | options)
    return model, history


@pytest.mark.parametrize("optimizer", [tn.GradientDescent(weight_decay=0.01), tn.Newton(weight_decay=0.01)])
def test_a_run_in_parts_is_that_of_the_whole_but_for_rounding(optimizer):
    options = {"class_weight": {0: 1.0, 1: 3.0}, "validation_data": (X[:9], Y[:9])}
    model, history = fitted(optimizer, **options)
    whole, expected = fitted(optimizer, micro_batches=1, **options)
    np.testing.assert_allclose(model.theta, whole.theta, rtol=1e-8, atol=1e-10)
    for name, values in expected.history.items():
        np.testing.assert_allclose(history.history[name], values, rtol=1e-6, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_run_in_parts_is_resumed_to_the_same_bits(dtype, tmp_path):
    """In float64 the parts carry values, which are made again from the trail; it begins anew after 16 moves."""
    path = tmp_path / "run.safetensors"
    whole, expected = fitted(model=network(False, dtype), epochs=20)
    for stop in (1, 3, 15, 16, 17, 18):
        fitted(model=network(False, dtype), epochs=stop, callbacks=[tn.Checkpoint(path)])
        again = {"callbacks": [tn.Checkpoint(path)], "resume": path}
        model, history = fitted(model=network(False, dtype), epochs=20, **again)
        assert model.theta.tobytes() == whole.theta.tobytes()
        assert history.history == expected.history


def test_values_are_carried_and_a_checkpoint_keeps_only_the_way():
    theta, d = RNG.standard_normal((2, 12))
    wide = np.tile(X, (20, 1))
    divided = tn.Objective(network(False), wide, np.tile(Y, 20), micro_batches=4)
    divided.value_and_gradient(theta)
    assert not divided.forget()  # nothing has moved
    divided.value_and_gradient(theta)
    divided.along(theta, d)
    divided.follow(0.5)
    assert np.array_equal(divided._parts[3]._point, theta + 0.5 * d)
    _, gradient = divided.value_and_gradient(theta + 0.5 * d)
    assert sum(array.size for array in divided.carried.values()) < 20 * 12 + 20 < wide.size
    assert divided.forget()
    _, anew = divided.value_and_gradient(theta + 0.5 * d)
    np.testing.assert_allclose(gradient, anew, rtol=1e-12, atol=1e-14)
    float32 = network(False, "float32")
    assert tn.Objective(float32, X, Y, micro_batches=4).carried == {}


def test_the_bits_do_not_depend_on_the_number_of_threads():
    before, thetas = tn.get_num_threads(), []
    try:
        for n in (1, before):
            tn.set_num_threads(n)
            thetas.append(fitted(micro_batches=8)[0].theta.tobytes())
    finally:
        tn.set_num_threads(before)
    assert len(set(thetas)) == 1


def test_bad_data_are_refused_as_without_parts():
    with pytest.raises(ArgumentError, match="takes all samples in each step"):
        fitted(batch_size=8)
    with pytest.raises(ShapeError):
        network().fit(X[:, :4], Y, batch_size=None, optimizer=tn.Newton(), micro_batches=2, verbose=0)
