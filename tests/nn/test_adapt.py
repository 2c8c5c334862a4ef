"""The shift and scale of an Input from data, and what is not lost on the way."""

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinynet as tn
from tinynet.errors import ArgumentError, DataError, DTypeError, ShapeError
from tinynet.nn import adapt as adapting

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("dtype", ["float64", "int64", "int32", "uint32"])
@pytest.mark.parametrize("compiled", [False, True])
def test_what_is_far_from_zero_keeps_its_digits(dtype, compiled):
    """In float32 the numbers 1.7e9 to 1.7e9 + 7 are one and the same."""
    x = (1_700_000_000 + np.arange(8.0)[:, None]).astype(dtype)
    model = tn.Sequential([tn.Input((1,), shift=1.7e9, scale=0.5)])
    np.testing.assert_array_equal(model.predict(x, compiled=compiled), (np.arange(8.0)[:, None] / 2).astype("f4"))


def test_fit_reads_such_data_alike_compiled_or_not():
    x, y = 1.7e9 + RNG.normal(size=(12, 2)), RNG.normal(size=(12, 1))
    thetas = []
    for compiled in (True, False):
        model = tn.Sequential([tn.Input((2,)).adapt(x), tn.Dense(1)], seed=0)
        model.fit(x, y, loss="mse", epochs=3, batch_size=5, seed=0, verbose=0, compiled=compiled)
        thetas.append(model.theta.copy())
    np.testing.assert_allclose(*thetas, rtol=1e-5)
    near = tn.Sequential([tn.Input((2,)).adapt(x - 1.7e9), tn.Dense(1)], seed=0)
    near.fit(x - 1.7e9, y, loss="mse", epochs=3, batch_size=5, seed=0, verbose=0)
    np.testing.assert_allclose(near.theta, thetas[0], rtol=1e-4)


@pytest.mark.parametrize(
    ("shape", "axis", "over"),
    [
        ((3,), -1, (0,)),
        ((3,), None, (0, 1)),
        ((4, 5, 2), -1, (0, 1, 2)),
        ((4, 5, 2), (1, 2, 3), (0,)),
        ((4, 5, 2), 1, (0, 2, 3)),
        ((4, 5, 1), -1, (0, 1, 2, 3)),
        ((), None, (0,)),
    ],
)
@pytest.mark.parametrize(("n", "values"), [(1, 100), (7, 100), (250, 100), (250, 2**21), (3, 1)])
def test_means_and_deviations_are_those_of_numpy_in_parts_or_not(shape, axis, over, n, values, monkeypatch):
    monkeypatch.setattr(adapting, "_AT_A_TIME", values)
    x = RNG.normal(2.0, 3.0, (n, *shape))
    layer = tn.Input(shape).adapt(x, axis)
    mean, deviation = x.mean(over, keepdims=True)[0], x.std(over, keepdims=True)[0]
    deviation = np.where(deviation < 1e-9, 1.0, deviation)
    np.testing.assert_allclose(layer.shift, mean.reshape(layer.shift.shape), rtol=1e-12)
    np.testing.assert_allclose(1 / layer.scale, deviation.reshape(layer.scale.shape), rtol=1e-9)


@given(hnp.arrays(np.float64, (6, 2), elements=st.floats(-1e6, 1e6)))
def test_data_come_to_mean_0_and_variance_1_and_constants_to_0(x):
    layer = tn.Input((2,)).adapt(x)
    y = (x - layer.shift) * layer.scale
    varies = x.std(axis=0) > 1e-3
    np.testing.assert_allclose(y.mean(axis=0)[varies], 0, atol=1e-5)
    np.testing.assert_allclose(y.std(axis=0)[varies], 1, rtol=1e-5)
    constant = (x == x[0]).all(axis=0)
    assert (layer.scale[constant] == 1).all()
    assert (y[:, constant] == 0).all()


def test_a_constant_that_no_float_holds_is_constant_in_many_parts(monkeypatch):
    monkeypatch.setattr(adapting, "_AT_A_TIME", 700)
    layer = tn.Input((1,)).adapt(np.full((5000, 1), 0.1))
    assert (layer.shift, layer.scale) == (0.1, 1.0)


def test_samples_without_the_channel_axis_bytes_and_lists_are_taken():
    images = RNG.integers(0, 256, (9, 4, 4), dtype=np.uint8)
    layer = tn.Input((4, 4, 1)).adapt(images)
    np.testing.assert_allclose([layer.shift, 1 / layer.scale], [images.mean(), images.std()], rtol=1e-12)
    assert tn.Input((2,)).adapt([[1, 2], [3, 2]]).shift.tolist() == [2, 2]


def test_a_memory_mapped_set_is_read_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(adapting, "_AT_A_TIME", 1000)
    x = RNG.normal(size=(3000, 2))
    np.save(tmp_path / "x.npy", x)

    class Watched:
        """A set that notes how much of it is asked for at once."""

        shape, most = x.shape, 0
        whole = np.load(tmp_path / "x.npy", mmap_mode="r")

        def __len__(self):
            return len(self.whole)

        def __getitem__(self, part):
            self.most = max(self.most, len(self.whole[part]))
            return self.whole[part]

    watched = Watched()
    found, expected = tn.Input((2,)).adapt(watched), tn.Input((2,)).adapt(x)
    np.testing.assert_array_equal(found.shift, expected.shift)
    assert watched.most == 500


def test_it_is_saved_copied_and_seen_by_plans_that_there_are(tmp_path):
    x = RNG.normal(5.0, 2.0, (20, 3))
    model = tn.Sequential([tn.Input((3,), name="table"), tn.Dense(2)], seed=0)
    before = model.predict(x)
    assert model.input.adapt(x) is model.input
    after = model.predict(x)
    assert np.abs(before - after).max() > 0.1
    model.save(tmp_path / "model")
    for same in (tn.load(tmp_path / "model"), copy.deepcopy(model)):
        assert same.input.name == "table"
        np.testing.assert_array_equal(same.predict(x), after)
    np.testing.assert_allclose(model.astype("float64").predict(x), after, atol=1e-5)


@pytest.mark.parametrize(
    ("x", "axis", "error", "message"),
    [
        (np.zeros((4, 2)), -1, ShapeError, r"takes samples of shape \(3,\)"),
        (np.zeros((0, 3)), -1, DataError, "is empty"),
        (np.full((4, 3), np.nan), -1, DataError, "the first in sample 0"),
        (np.full((4, 3), 1e200) * np.arange(4)[:, None], -1, DataError, "squares overflow"),
        ([["a", "b", "c"]], -1, DTypeError, "numbers"),
        (np.zeros((4, 3)), 0, ArgumentError, r"name axes of samples of shape \(3,\), 1 to 1 or -1 to -1, but got 0"),
        (np.zeros((4, 3)), 2, ArgumentError, "axis must be None"),
        (np.zeros((4, 3)), "features", ArgumentError, "axis must be"),
    ],
)
def test_what_cannot_be_adapted_to_is_refused_and_changes_nothing(x, axis, error, message):
    layer = tn.Input((3,), shift=1.0)
    with pytest.raises(error, match=message):
        layer.adapt(x, axis)
    assert layer.shift == 1.0
    assert layer.scale == 1.0


def test_an_input_that_keeps_integers_is_not_adapted():
    with pytest.raises(ArgumentError, match="keeps integers as they are"):
        tn.Input((3,), integers=True).adapt([[1, 2, 3]])
