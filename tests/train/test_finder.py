"""The search for a learning rate: which rates, what it leaves alone, when it ends, what it suggests."""

import numpy as np
import pytest

import tinynet as tn
from tinynet.errors import ArgumentError, NonFiniteError

X = np.random.default_rng(0).normal(size=(60, 4))
Y = X[:, :3].argmax(axis=1)


def model(**options):
    return tn.Sequential([tn.Input((4,)), tn.Dense(8, "relu"), tn.BatchNorm(), tn.Dense(3)], seed=0, **options)


def test_rates_rise_by_one_factor_and_each_step_is_made_with_its_own():
    finder = tn.LearningRateFinder(1e-4, 1e-2, steps=21)
    made, optimizer, mode = model(dtype="float64"), tn.SGD(0.5, momentum=0.5), tn.train_mode(seed=0)
    finder.find(made, X, Y, optimizer, batch_size=16, shuffle=False)
    np.testing.assert_allclose(finder.rates, np.geomspace(1e-4, 1e-2, 21), rtol=1e-12)
    other = model(dtype="float64")
    for i, (rate, loss) in enumerate(zip(finder.rates, finder.losses, strict=True)):
        part = slice(i % 4 * 16, (i % 4 + 1) * 16)  # the last of four has 12 samples
        optimizer.learning_rate = rate
        with mode:
            found = tn.ops.cross_entropy(other(X[part]), Y[part])
            optimizer.minimize(found, other)
        assert loss == pytest.approx(found.item(), rel=1e-6)
    means = [np.average(finder.losses[: n + 1], weights=0.9 ** np.arange(n, -1, -1)) for n in range(21)]
    np.testing.assert_allclose(finder.smoothed, means, rtol=1e-9)


def test_nothing_is_changed():
    made, optimizer = model(), tn.SGD(0.1, momentum=0.9)
    made.fit(X, Y, epochs=1, optimizer=optimizer, verbose=0, seed=0)
    before = {name: leaf.memory.copy() for name, leaf in made.leaves.items()}
    velocity, position = optimizer.state_of(made)["velocity"].copy(), made.rng.bit_generator.state
    tn.LearningRateFinder(steps=20).find(made, X, Y, optimizer, loss="cross_entropy", seed=0)
    for name, leaf in made.leaves.items():
        np.testing.assert_array_equal(leaf.memory, before[name])
    np.testing.assert_array_equal(optimizer.state_of(made)["velocity"], velocity)
    assert (optimizer.learning_rate, made.rng.bit_generator.state) == (0.1, position)


def test_the_same_seed_suggests_the_same_rate_and_a_second_search_starts_afresh():
    finder = tn.LearningRateFinder(steps=50)
    rates = [finder.find(model(), X, Y, tn.Adam(), seed=0) for _ in range(2)]
    assert rates[0] == rates[1] == finder.suggestion
    assert 1e-5 < rates[0] < 10
    assert len(finder.rates) == len(finder.losses) == len(finder.smoothed) <= 50


def test_a_search_ends_where_the_loss_explodes_or_is_not_finite():
    linear = tn.Sequential([tn.Input((4,)), tn.Dense(1)], seed=0)
    y = X @ np.array([1.0, -2.0, 3.0, 0.5])
    finder = tn.LearningRateFinder(1e-3, 1e30, steps=40)
    finder.find(linear, X, y, tn.SGD(), loss="mse", seed=0)
    assert len(finder.rates) < 40
    assert max(finder.smoothed[:-1]) <= 4 * min(finder.smoothed)
    assert finder.suggestion < 1
    sudden = tn.LearningRateFinder(1e-3, 1e38, steps=10)
    sudden.find(linear, X, y, tn.SGD(), loss="mse", seed=0)
    assert 1 <= len(sudden.rates) < 10


def test_a_loss_that_never_falls_suggests_nothing():
    finder = tn.LearningRateFinder(1e-3, 1e-2, steps=10)
    rising = lambda output, labels: (output * output).mean() * 0.0 + 1.0  # noqa: E731
    assert np.isnan(finder.find(model(), X, Y, loss=rising))
    assert tn.report.learning_rate_curve(finder).get_suptitle() == "The loss never falls"


def test_a_model_that_begins_with_nan_is_an_error():
    nan = lambda output, labels: output.mean() * float("nan")  # noqa: E731
    with pytest.raises(NonFiniteError):
        tn.LearningRateFinder().find(model(), X, Y, loss=nan)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tn.LearningRateFinder(0), "LearningRateFinder: least must be a finite number above 0"),
        (lambda: tn.LearningRateFinder(1, 0.1), "most must be above least, 1, but got 0.1"),
        (lambda: tn.LearningRateFinder(steps=3), "steps must be an integer of 10 or more, but got 3"),
        (lambda: tn.LearningRateFinder().find(model(), X, Y, tn.Newton()), "needs an optimizer with a learning rate"),
        (lambda: tn.LearningRateFinder().find(model(), X, Y, epochs=3), "find takes no epochs; leave it out"),
        (lambda: tn.report.learning_rate_curve(tn.LearningRateFinder()), "call find of a LearningRateFinder first"),
        (lambda: tn.report.learning_rate_curve([1.0]), r"pass that, not \[1.0\]"),
    ],
)
def test_what_makes_no_search_is_refused(call, message):
    with pytest.raises(ArgumentError, match=message):
        call()
