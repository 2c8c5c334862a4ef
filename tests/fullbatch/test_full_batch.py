"""Line search, gradient descent and Newton's method: what they reach, what they record, and how they end."""

import math
import os
import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet as tn
from tinynet.errors import ArgumentError, DTypeError, NonFiniteError
from tinynet.recipes import logistic_model, logistic_optimizer

o = tn.ops
generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)


class Function:
    """A function of theta as an objective, by its value, gradient and Hessian."""

    def __init__(self, value, gradient, hessian=None):
        self.value, self.gradient, self.hessian = value, gradient, hessian
        self.asked = 0

    def value_and_gradient(self, theta):
        self.asked += 1
        return float(self.value(theta)), np.asarray(self.gradient(theta), float)

    def hvp(self, theta, v):
        self.asked += 1
        return self.hessian(theta) @ v

    def along(self, theta, d):
        def phi(t):
            self.asked += 1
            return float(self.value(theta + t * d))

        return phi

    def follow(self, t):
        """Nothing is carried from one point to the next."""

    def forget(self):
        return False


def bowl(a, b):
    return Function(lambda w: w @ a @ w / 2 - b @ w, lambda w: a @ w - b, lambda w: a)


def positive_definite(rng, n):
    m = rng.normal(size=(n, n))
    return m @ m.T + 0.1 * np.eye(n)


def logistic_problem(n=200, features=6, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, features))
    y = (x @ rng.normal(size=features) + rng.normal(size=n) > 0).astype(int)
    model = tn.Sequential([tn.Input((features,)), tn.Dense(1, "sigmoid", False, "zeros")], dtype="float64")
    return model, x, y


# --- the line search


@given(generators, st.sampled_from([0.01, 0.3]), st.sampled_from([0.5, 0.8]), st.floats(0.1, 10))
def test_the_step_is_the_first_that_decreases_enough(rng, alpha, beta, first):
    curve = rng.uniform(0.01, 100)
    phi = lambda t: -t + curve * t * t  # noqa: E731
    search = tn.Backtracking(alpha, beta, first)
    t, value, trials = search.search(phi, 0.0, -1.0, 0.0)
    tried = [first]
    while not -phi(tried[-1]) >= alpha * tried[-1]:
        tried.append(tried[-1] * beta)
    assert (t, value, trials) == (tried[-1], phi(tried[-1]), len(tried))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_trial_that_is_not_finite_is_a_failed_one(bad):
    t, value, trials = tn.Backtracking().search(lambda t: bad if t > 0.2 else -t, 0.0, -1.0, 0.0)
    assert (t, value, trials) == (0.125, -0.125, 4)


def test_a_step_that_shrinks_to_nothing_is_none():
    assert tn.Backtracking().search(lambda t: 1.0, 0.0, -1.0, 2.0**-10)[0] == 0
    assert tn.Backtracking().search(lambda t: math.nan, 0.0, -1.0, 2.0**-10) == (0.0, 0.0, 10)


def test_a_decrease_may_fall_short_by_the_slack_and_no_more():
    assert tn.Backtracking().search(lambda t: 1e-16, 0.0, -1e-20, 1e-3, slack=2e-16)[0] == 1
    assert tn.Backtracking().search(lambda t: 3e-16, 0.0, -1e-20, 1e-3, slack=2e-16)[0] == 0


@pytest.mark.parametrize("arguments", [{"alpha": 0}, {"alpha": 1}, {"beta": 1}, {"beta": -1}, {"initial_step": 0}])
def test_numbers_out_of_range_are_refused(arguments):
    with pytest.raises(ArgumentError, match=f"Backtracking: {next(iter(arguments))}"):
        tn.Backtracking(**arguments)


# --- steps


@given(generators, st.integers(1, 5))
def test_each_step_of_gradient_descent_keeps_the_armijo_inequality_and_records_it(rng, n):
    objective, theta = bowl(positive_definite(rng, n), rng.normal(size=n)), rng.normal(size=n)
    for _ in range(5):
        before, at = objective.value(theta), theta.copy()
        gradient = objective.gradient(at)
        objective.asked = 0
        record = tn.GradientDescent(tn.Backtracking(0.1)).step(objective, theta)
        if record.stopped:
            break
        t = record.step_size
        np.testing.assert_array_equal(theta, at + t * -gradient)
        assert record.loss == objective.value(theta)
        assert record.gradient_norm == pytest.approx(np.linalg.norm(gradient), rel=1e-14)
        margin = before - record.loss - 0.1 * t * gradient @ gradient
        np.testing.assert_allclose(record.margin, margin, rtol=1e-9, atol=1e-12)
        assert record.margin >= 0
        assert record.trials == 1 - round(math.log2(t))
        assert record.evaluations == objective.asked == 1 + record.trials


@given(generators, st.integers(1, 6))
def test_newton_takes_a_quadratic_to_its_minimum(rng, n):
    a, b = positive_definite(rng, n), rng.normal(size=n)
    objective = bowl(a, b)
    theta, records = tn.Newton(tolerance=1e-9).minimize(objective, rng.normal(size=n), steps=60)
    np.testing.assert_allclose(a @ theta, b, atol=1e-8)
    assert "within the tolerance" in records[-1].stopped
    assert objective.asked == sum(r.evaluations for r in records)


def test_newton_goes_down_where_the_curvature_is_negative():
    saddle = Function(
        lambda w: w[0] ** 2 / 2 + w[1] ** 4 - w[1] ** 2,
        lambda w: [w[0], 4 * w[1] ** 3 - 2 * w[1]],
        lambda w: np.diag([1.0, 12 * w[1] ** 2 - 2]),
    )
    theta, records = tn.Newton().minimize(saddle, [1.0, 0.1])
    np.testing.assert_allclose(np.abs(theta), [0, 0.5**0.5], atol=1e-9)
    losses = [r.loss for r in records]
    assert all(b <= a + 1e-15 for a, b in pairwise(losses))


# --- how a run ends


def test_at_a_minimum_there_is_nothing_to_do():
    _, records = tn.GradientDescent().minimize(bowl(np.eye(2), np.zeros(2)), [0.0, 0.0])
    assert [r.step_size for r in records] == [0]
    assert "tolerance" in records[0].stopped


def test_a_gradient_that_points_the_wrong_way_ends_the_run_with_a_reason():
    objective = Function(lambda w: w @ w, lambda w: -2 * w)
    theta, records = tn.GradientDescent().minimize(objective, [1.0, 2.0])
    assert "shrank to nothing" in records[-1].stopped
    np.testing.assert_array_equal(theta, [1.0, 2.0])
    assert objective.asked < 200


@pytest.mark.parametrize("start", [[0.0], [1.0]])
def test_a_function_that_is_finite_at_one_point_only_ends_the_run(start):
    objective = Function(lambda w: 0.0 if w[0] == start[0] else math.nan, lambda w: [1.0])
    _, records = tn.GradientDescent().minimize(objective, start)
    assert len(records) == 1
    assert objective.asked < 200


def test_a_direction_that_is_none_of_descent_ends_the_run():
    class Uphill(tn.LineSearchOptimizer):
        def direction(self, objective, theta, gradient):
            return gradient, 0

    _, records = Uphill().minimize(bowl(np.eye(1), np.zeros(1)), [1.0])
    assert "no direction of descent" in records[0].stopped


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_at_the_start_is_an_error(value):
    with pytest.raises(NonFiniteError, match=str(value)):
        tn.GradientDescent().minimize(Function(lambda w: value, lambda w: [1.0]), [1.0])


@pytest.mark.parametrize("method", [tn.GradientDescent(), tn.Newton()])
def test_inputs_so_large_that_the_loss_overflows_are_told_of(method):
    rng = np.random.default_rng(0)
    model = tn.Sequential([tn.Input((3,)), tn.Dense(1)], seed=0)
    objective = tn.Objective(model, rng.random((20, 3)) * 1e20, rng.random((20, 1)), "mse")
    with pytest.raises(NonFiniteError, match="scale inputs and targets to around 1"):
        method.step(objective, model.theta)


def test_what_overflows_along_a_direction_is_no_warning_of_numpy():
    rng = np.random.default_rng(3)
    x = rng.random((60, 5)) * 1e6
    model = tn.Sequential([tn.Input((5,)), tn.Dense(1, "sigmoid")], seed=0, dtype="float64")
    objective = tn.Objective(model, x, (x[:, 0] > x[:, 1]).astype(int), "binary_cross_entropy")
    _, records = tn.Newton().minimize(objective, model.theta, steps=30)
    assert math.isfinite(records[-1].loss)


def test_gradient_descent_goes_on_to_where_rounding_ends_it():
    objective = bowl(np.diag([1.0, 3.0]), np.ones(2))
    theta, records = tn.GradientDescent().minimize(objective, np.zeros(2), steps=1000)
    assert records[-1].stopped
    np.testing.assert_allclose(theta, [1, 1 / 3], atol=1e-7)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: tn.GradientDescent(line_search=0.5), "Backtracking"),
        (lambda: tn.GradientDescent(tolerance=-1), "tolerance"),
        (lambda: tn.Newton(weight_decay=-1), "weight_decay"),
    ],
)
def test_what_makes_no_optimizer_is_refused(make, says):
    with pytest.raises(ArgumentError, match=says):
        make()


# --- in fit


@pytest.mark.parametrize("compiled", [True, False])
def test_fit_makes_a_step_an_epoch_and_keeps_its_record(compiled):
    model, x, y = logistic_problem()
    optimizer = tn.GradientDescent(tn.Backtracking(alpha=0.1))
    history = model.fit(x, y, epochs=4, batch_size=None, optimizer=optimizer, loss="binary_cross_entropy", verbose=0,
                        validation_data=(x, y), compiled=compiled)  # fmt: skip
    objective = tn.Objective(model, x, y, "binary_cross_entropy")
    theta, records = optimizer.minimize(objective, np.zeros(6), steps=4)
    np.testing.assert_allclose(model.theta, theta, rtol=1e-12)
    for name in ("loss", "gradient_norm", "step_size", "trials", "margin", "evaluations"):
        np.testing.assert_allclose(history.history[name], [getattr(r, name) for r in records], rtol=1e-9)
    np.testing.assert_allclose(history.history["loss"], history.history["val_loss"], rtol=1e-12)
    assert history.history["val_accuracy"][-1] > 0.7
    assert history.epochs == 4
    assert history.stopped == ""


def test_fit_ends_with_the_reason_where_no_step_is_left():
    model, x, y = logistic_problem()
    history = model.fit(x, y, epochs=50, batch_size=None, optimizer=tn.Newton(weight_decay=0.1), verbose=0,
                        loss="binary_cross_entropy")  # fmt: skip
    assert history.epochs < 12
    assert "within the tolerance" in history.stopped
    _, gradient = tn.Objective(model, x, y, "binary_cross_entropy", 0.1).value_and_gradient(model.theta)
    assert np.linalg.norm(gradient) < 1e-10
    without = tn.Objective(model, x, y, "binary_cross_entropy").value(model.theta)
    np.testing.assert_allclose(history.history["loss"][-1], without, rtol=1e-12)  # the penalty is left out


def test_a_network_in_float32_is_trained_in_full_batches():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 3)), rng.integers(0, 2, 60)
    model = tn.Sequential([tn.Input((3,)), tn.Dense(8, "tanh"), tn.Dense(2, "softmax")], seed=0)
    history = model.fit(x, y, epochs=30, batch_size=None, optimizer=tn.GradientDescent(), verbose=0)
    losses = history.history["loss"]
    assert model.theta.dtype == np.float32
    assert losses[-1] < 0.9 * losses[0]
    assert all(b <= a for a, b in pairwise(losses))


@pytest.mark.parametrize("batch_size", [{}, {"batch_size": 8}])
def test_a_batch_size_does_not_go_with_a_line_search(batch_size):
    model, x, y = logistic_problem()
    with pytest.raises(ArgumentError, match="batch_size=None"):
        model.fit(x, y, optimizer=tn.GradientDescent(), loss="binary_cross_entropy", verbose=0, **batch_size)


@pytest.mark.parametrize("theta", [np.zeros(6, int), [0.0] * 6])
def test_a_step_moves_floating_vectors_in_place_and_no_others(theta):
    model, x, y = logistic_problem()
    objective = tn.Objective(model, x, y, loss="binary_cross_entropy")
    with pytest.raises(DTypeError, match="theta must be a floating array"):
        tn.GradientDescent().step(objective, theta)


# --- the documents' model


def test_newton_on_the_sample_takes_few_steps():
    (images, digits), _ = tn.datasets.mnist(source="sample")
    objective = tn.Objective(logistic_model(images), images, digits == 5, "binary_cross_entropy", l2=1e-2)
    theta, records = tn.Newton().minimize(objective, np.zeros(784), steps=15)
    assert np.linalg.norm(objective.value_and_gradient(theta)[1]) < 1e-10
    assert "within the tolerance" in records[-1].stopped


@pytest.mark.full_mnist
@pytest.mark.skipif("TINYNET_DATA" not in os.environ, reason="needs full MNIST: set TINYNET_DATA to its directory")
def test_the_losses_on_full_mnist_are_those_of_the_documents_model():
    (images, digits), _ = tn.datasets.mnist(os.environ["TINYNET_DATA"])
    model = logistic_model(images)
    history = model.fit(images, digits == 5, epochs=100, batch_size=None, optimizer=logistic_optimizer(), verbose=0,
                        loss="binary_cross_entropy")  # fmt: skip
    measured = {1: 0.648377458868, 10: 0.602185174375, 50: 0.589954470688, 100: 0.584713009017}
    for step, loss in measured.items():
        assert abs(history.history["loss"][step - 1] - loss) < 1e-9
    assert min(history.history["margin"]) >= 0


def test_roundings_that_were_carried_along_do_not_end_a_run():
    """Raw features of 1e6 make large values on the way, whose roundings are not those of the small ones at the end."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 4)), rng.normal(size=50)
    x = x * np.array([1, 1e3, 1e5, 1e6]) + np.array([0, 2000, 1e5, 1e6])

    def squares(output, target):
        return ((output[:, 0] - target) ** 2).mean()

    model = tn.Sequential([tn.Input((4,)), tn.Dense(1)], seed=1, dtype="float64")
    theta, records = tn.Newton(tolerance=1e-8).minimize(tn.Objective(model, x, y, squares), model.theta, 40)
    assert "tolerance" in records[-1].stopped
    assert np.linalg.norm(tn.Objective(model, x, y, squares).value_and_gradient(theta)[1]) <= 1e-8


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_where_no_step_is_left_float32_is_named(dtype):
    objective = Function(lambda w: w @ w, lambda w: -2 * w)
    record = tn.GradientDescent().step(objective, np.array([1.0, 2.0], dtype))
    assert ('make the model with dtype="float64", and scale inputs' in record.stopped) == (dtype == "float32")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_newton_does_not_walk_along_directions_in_which_the_loss_is_flat(dtype):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(200, 3)), rng.integers(0, 2, 200)
    model = tn.Sequential([tn.Input((3,)), tn.Dense(2)], seed=0, dtype=dtype)  # a constant in both changes nothing
    theta, records = tn.Newton().minimize(tn.Objective(model, x, y), model.theta, steps=50)
    assert np.abs(theta - model.theta).max() < 2
    assert len(records) < 12
    assert re.search("within the tolerance|no longer decrease", records[-1].stopped)
    assert records[-1].step_size == 0
    assert records[-1].loss <= min(record.loss for record in records) + 1e-6
