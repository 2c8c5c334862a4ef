"""A share of the samples kept apart: which ones, that nobody trains on them, and that all else is as with two sets."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet as tn
from tinynet.errors import ArgumentError, CheckpointError, ShapeError
from tinynet.train.metrics import Metric
from tinynet.train.split import split_indices

X = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
Y = X[:, :3].argmax(axis=1)


def fit(x=X, y=Y, **options):
    model = tn.Sequential([tn.Input((4,)), tn.Dense(3, "softmax")], seed=0)
    history = model.fit(x, y, **{"epochs": 3, "batch_size": 8, "seed": 0, "verbose": 0, **options})
    return model, history


@given(st.integers(2, 300), st.floats(0.01, 0.9), st.booleans())
def test_each_sample_is_on_one_side_and_only_their_number_decides(n, share, shuffle):
    kept = max(1, round(n * share))
    if kept >= n:
        return
    trained, validated = (np.arange(n)[part] for part in split_indices(n, share, shuffle))
    assert sorted([*trained, *validated]) == list(range(n))
    assert len(validated) == kept
    assert (np.diff(trained) > 0).all()
    again = split_indices(n, share, shuffle)
    np.testing.assert_array_equal(np.arange(n)[again[1]], validated)
    if not shuffle:
        assert validated[0] == n - kept


@pytest.mark.parametrize("shuffle", [True, False])
def test_a_split_is_as_two_sets(shuffle):
    trained, kept = split_indices(50, 0.2, shuffle)
    weights = np.linspace(0, 1, 50)
    one, history = fit(validation_split=0.2, shuffle=shuffle, sample_weight=weights, class_weight="balanced")
    other, expected = fit(
        X[trained], Y[trained], validation_data=(X[kept], Y[kept], weights[kept]), shuffle=shuffle,
        sample_weight=weights[trained], class_weight="balanced",
    )  # fmt: skip
    np.testing.assert_array_equal(one.theta, other.theta)
    assert history.history == expected.history


def test_nobody_trains_on_what_is_kept_apart_not_in_a_second_fit_either():
    x = np.arange(50.0)[:, None]
    seen = {True: set(), False: set()}
    model = tn.Sequential([tn.Input((1,)), tn.Dense(1, kernel_init=lambda shape, rng: np.ones(shape))], seed=0)

    def note(output, labels):
        seen[len(labels) <= 8].update(labels.tolist())  # a batch, or all that is validated
        return 0.0

    for seed in (0, 1, None):
        zero = lambda output, labels: (output * 0).mean()  # noqa: E731
        model.fit(x, x[:, 0], epochs=2, batch_size=8, loss=zero, seed=seed, verbose=0, validation_split=0.2,
                  metrics=[Metric(note, mean=True)])  # fmt: skip
    assert len(seen[True]) == 40
    assert len(seen[False]) == 10
    assert not seen[True] & seen[False]


class TwoOfEach(tn.Model):
    """Two inputs and two outputs."""

    def __init__(self):
        super().__init__(seed=0)
        self.a, self.b = tn.Input((2,)), tn.Input((2,))
        self.one, self.other = tn.Dense(3), tn.Dense(1)

    def forward(self, a, b):
        return {"one": self.one(self.a(a)), "other": self.other(self.b(b))}


def test_a_split_of_several_inputs_and_outputs():
    trained, kept = split_indices(50, 0.2, True)
    x, y = {"a": X[:, :2], "b": X[:, 2:]}, {"one": Y, "other": X[:, 0]}
    options = {"loss": {"one": "cross_entropy", "other": "mse"}, "epochs": 2, "seed": 0, "verbose": 0, "batch_size": 8}

    def part(data, indices):
        return {name: array[indices] for name, array in data.items()}

    one, other = TwoOfEach(), TwoOfEach()
    history = one.fit(x, y, validation_split=0.2, **options)
    expected = other.fit(part(x, trained), part(y, trained), validation_data=(part(x, kept), part(y, kept)), **options)
    np.testing.assert_array_equal(one.theta, other.theta)
    assert history.history == expected.history
    assert "val_one_accuracy" in history.history


def test_an_optimizer_with_a_line_search_takes_the_samples_that_are_left():
    trained, kept = split_indices(50, 0.2, True)
    options = {"batch_size": None, "optimizer": tn.GradientDescent()}
    one, history = fit(validation_split=0.2, **options)
    other, expected = fit(X[trained], Y[trained], validation_data=(X[kept], Y[kept]), **options)
    np.testing.assert_array_equal(one.theta, other.theta)
    assert history.history == expected.history


def test_a_run_with_a_split_is_resumed_with_the_same(tmp_path):
    path = tmp_path / "last"
    whole, history = fit(validation_split=0.2, epochs=4)
    fit(validation_split=0.2, callbacks=[tn.Checkpoint(path)], epochs=2)
    resumed, other = fit(validation_split=0.2, callbacks=[tn.Checkpoint(path)], epochs=4, resume=path)
    np.testing.assert_array_equal(resumed.theta, whole.theta)
    assert other.history == history.history
    with pytest.raises(CheckpointError, match=r"validation_data 10, now 15"):
        fit(validation_split=0.3, callbacks=[tn.Checkpoint(path)], resume=path)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"validation_split": 1.0}, ArgumentError, "a share of the samples, from 0 to below 1, but got 1.0"),
        ({"validation_split": -0.1}, ArgumentError, "from 0 to below 1, but got -0.1"),
        ({"validation_split": 10}, ArgumentError, "but got 10"),
        ({"validation_split": "10%"}, ArgumentError, "but got '10%'"),
        ({"validation_split": True}, ArgumentError, "but got True"),
        ({"validation_split": 0.999}, ArgumentError, "of 50 samples leaves nothing to train on"),
        (
            {"validation_split": 0.1, "validation_data": (X, Y)},
            ArgumentError,
            "validation_data or validation_split, not",
        ),
        ({"validation_split": 0.1, "sample_weight": np.ones(45)}, ShapeError, "one number for each of 50 samples"),
    ],
)
def test_what_makes_no_split_is_refused_before_anything_is_computed(options, error, message):
    model = tn.Sequential([tn.Input((4,)), tn.Dense(3)], seed=0)
    before = model.build_model().theta.copy()
    with pytest.raises(error, match=message):
        model.fit(X, Y, verbose=0, **options)
    np.testing.assert_array_equal(model.theta, before)
