"""Objectives: values, gradients and lines against formulas and eager execution; what is affine, and what is not."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

import tinynet as tn
from tinynet.errors import ArgumentError, DataError, DTypeError, ShapeError
from tinynet.fast import threads
from tinynet.recipes import logistic_model, standardisation

o = tn.ops
generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def logistic_loss(w, x, y):
    """The mean cross-entropy of labels 0 and 1, and its gradient and Hessian, by their formulas."""
    z = x @ w
    q = 1 / (1 + np.exp(-z))
    loss = np.mean(np.logaddexp(0, z) - y * z)
    return loss, x.T @ (q - y) / len(y), (x.T * (q * (1 - q))) @ x / len(y)


def linear(features, dtype="float64", **options):
    layers = [tn.Input((features,)), tn.Dense(1, "sigmoid", use_bias=False, kernel_init="zeros", **options)]
    return tn.Sequential(layers, dtype=dtype)


def network(seed=0):
    layers = [tn.Input((4,)), tn.Dense(5, "tanh"), tn.Dense(3, "softmax")]
    return tn.Sequential(layers, seed=seed, dtype="float64")


# --- the documents' values


@pytest.mark.parametrize(("label", "loss", "slope"), [(0, 1e6, 1000), (1, 0, 0)])
def test_a_sure_answer_costs_what_the_documents_say(label, loss, slope):
    value, gradient = tn.Objective(linear(1), [[1000.0]], [label], "binary_cross_entropy").value_and_gradient([1000.0])
    assert abs(value - loss) < 1e-9
    assert abs(gradient[0] - slope) < 1e-9


def test_random_data_give_the_documents_values():
    random = np.random.RandomState(1000)  # the documents' generator
    w, x, y = random.randn(10), random.randn(20, 10), random.randint(0, 2, 20)
    assert abs(tn.Objective(linear(10), x, y, "binary_cross_entropy").value(w) - 1.08007365415) < 1e-9
    random = np.random.RandomState(1000)
    w, x, y = random.randn(3), random.randn(200, 3), random.randint(0, 2, 200)
    _, gradient = tn.Objective(linear(3), x, y, "binary_cross_entropy").value_and_gradient(w)
    assert np.linalg.norm(gradient - [-0.12669153, -0.00341384, 0.02274541]) < 1e-6


# --- values, gradients, products with the Hessian


@given(generators, st.integers(1, 20), st.integers(1, 5), st.sampled_from([None, 1, 3]), st.sampled_from([0.0, 0.7]))
def test_it_is_the_formula(rng, n, features, batch, l2):
    x, y, w, v = rng.normal(size=(n, features)), rng.integers(0, 2, n), *rng.normal(size=(2, features))
    objective = tn.Objective(linear(features), x, y, "binary_cross_entropy", l2, batch)
    loss, gradient, hessian = logistic_loss(w, x, y)
    penalty = l2 / 2 * w @ w
    value, found = objective.value_and_gradient(w)
    np.testing.assert_allclose([objective.value(w), value], loss + penalty, rtol=1e-13)
    np.testing.assert_allclose(objective.penalty(w), penalty, rtol=1e-13)
    np.testing.assert_allclose(found, gradient + l2 * w, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(objective.hvp(w, v), hessian @ v + l2 * v, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("batch", [None, 4])
@pytest.mark.parametrize("l2", [0.0, 0.3])
def test_compiled_agrees_with_eager_execution(batch, l2):
    rng = np.random.default_rng(0)
    x, y, model = rng.normal(size=(11, 4)), rng.integers(0, 3, 11), network()
    theta, d = model.theta + 0.1, rng.normal(size=model.theta.size)
    fast, slow = (tn.Objective(model, x, y, l2=l2, batch_size=batch, compiled=c) for c in (True, False))
    np.testing.assert_allclose(fast.value(theta), slow.value(theta), rtol=1e-13)
    for a, b in zip(fast.value_and_gradient(theta), slow.value_and_gradient(theta), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(fast.hvp(theta, d), slow.hvp(theta, d), rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(fast.along(theta, d)(0.3), slow.along(theta, d)(0.3), rtol=1e-13)


@pytest.mark.parametrize("compiled", [True, False])
def test_the_model_is_left_as_it_is(compiled):
    model = network()
    before = model.theta.copy()
    objective = tn.Objective(model, np.ones((3, 4)), [0, 1, 2], compiled=compiled)
    objective.value_and_gradient(before + 1)
    objective.hvp(before + 1, before)
    objective.along(before, before)(2.0)
    np.testing.assert_array_equal(model.theta, before)


def test_a_forward_that_reads_values_runs_uncompiled():
    class Branching(tn.Model):
        def __init__(self):
            super().__init__(input_shape=(2,), seed=0, dtype="float64")
            self.dense = tn.Dense(2)

        def forward(self, x):
            y = self.dense(x)
            return y if y.data.sum() > 0 else 2 * y

    model = Branching()
    objective = tn.Objective(model, np.ones((3, 2)), [0, 1, 0], compiled=False)
    assert not objective.affine
    assert np.isfinite(objective.along(model.theta, np.ones(6))(0.5))


def test_a_user_loss_is_taken():
    x, y = np.ones((5, 2)), np.arange(5.0)
    model = tn.Sequential([tn.Input((2,)), tn.Dense(1, kernel_init="zeros", use_bias=False)], dtype="float64")
    objective = tn.Objective(model, x, y, loss=lambda output, y: ((output[:, 0] - y) ** 2).mean())
    assert objective.value([1.0, 1.0]) == np.mean((2 - y) ** 2)
    assert objective.affine


# --- along a line


@given(generators, st.sampled_from([None, 3]), st.floats(-2, 2), st.sampled_from([0.0, 0.1]))
@settings(max_examples=10)
def test_along_is_the_value_on_the_line(rng, batch, t, l2):
    x, y = rng.normal(size=(8, 4)), rng.integers(0, 2, 8)
    for model, loss in ((linear(4), "binary_cross_entropy"), (network(), "cross_entropy")):
        objective = tn.Objective(model, x, y, loss, l2, batch)
        theta, d = rng.normal(size=(2, model.theta.size))
        phi = objective.along(theta, d)
        np.testing.assert_allclose(phi(t), objective.value(theta + t * d), rtol=1e-12)
        other = objective.along(d, theta)  # a line does not change when another one is asked for
        np.testing.assert_allclose(phi(t), objective.value(theta + t * d), rtol=1e-12)
        np.testing.assert_allclose(other(t), objective.value(d + t * theta), rtol=1e-12)


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_no_rewrite_reaches_across_what_comes_in_place_of_the_affine_part(scale):
    """A factor of 1 vanishes in the first fusion; what it kept apart must not be fused in the second one."""
    rng = np.random.default_rng(0)

    class Scale(tn.Layer):
        def forward(self, x):
            return x * scale

    layers = [tn.Input((6, 6, 1)), tn.Conv2D(2, 3), Scale(), tn.ReLU(), tn.MaxPool(2), tn.Flatten()]
    model = tn.Sequential(layers, seed=0, dtype="float64")
    objective = tn.Objective(model, rng.normal(size=(5, 6, 6, 1)), rng.integers(0, 8, 5))
    assert objective.affine
    theta, d = rng.normal(size=(2, model.theta.size))
    phi = objective.along(theta, d)
    for t in (0.0, 0.5, 1.0):
        np.testing.assert_allclose(phi(t), objective.value(theta + t * d), rtol=1e-12)


def test_along_begins_at_the_very_value_that_came_with_the_gradient():
    rng = np.random.default_rng(0)
    images, five = rng.integers(0, 256, (500, 5, 5), np.uint8), rng.integers(0, 2, 500)
    objective = tn.Objective(logistic_model(images), images, five, "binary_cross_entropy")
    theta = rng.normal(size=25)
    value, gradient = objective.value_and_gradient(theta)
    assert objective.along(theta, -gradient)(0.0) == value == objective.value(theta)


class Through(tn.Model):
    """A model of one parameter vector w, whose output a function of x and w computes."""

    def __init__(self, function):
        super().__init__(input_shape=(3,), dtype="float64", seed=0)
        self.function = function
        self.entry = tn.Input((3,))

    def build(self, input_shape, rng):
        self.w = self.add_parameter("w", (3,), lambda shape, rng: rng.uniform(0.5, 1, shape))

    def forward(self, x):
        return self.function(self.entry(x), self.w)


AFFINE = {
    "a product": lambda x, w: x @ w,
    "its sigmoid": lambda x, w: o.sigmoid(x @ w),
    "with a constant": lambda x, w: x @ w + 3.0,
    "twice": lambda x, w: 2 * (x @ w) - (x @ w) / 4,
    "moved about": lambda x, w: o.concatenate([(x * w)[:, :1], (x * w)[:, 1:]], axis=1).sum(1),
    "where the data say so": lambda x, w: o.where(x[:, 0] > 0, x @ w, 0.0),
    "of what is detached and constant": lambda x, w: (x @ w) * o.exp(x).sum(1),
    "through a matrix": lambda x, w: o.matmul(x, o.transpose(w.reshape(1, 3)))[:, 0],
}
NOT_AFFINE = {
    "its square": lambda x, w: x @ (w * w),
    "two layers": lambda x, w: o.tanh(x @ w) * w[0],
    "where the parameters say so": lambda x, w: o.where(w > 0, w, 0.0 * w).sum() * x[:, 0],
    "the sign": lambda x, w: o.sign(w).sum() + x[:, 0],
    "the largest": lambda x, w: o.max(w) * x[:, 0],
    "through a detached parameter": lambda x, w: (x @ w) * w.detach()[0],
    "relu of a parameter": lambda x, w: x @ o.relu(w),
}


@pytest.mark.parametrize("name", AFFINE)
def test_what_is_affine_is_found_from_the_graph(name):
    check_affine(AFFINE[name], expected=True)


@pytest.mark.parametrize("name", NOT_AFFINE)
def test_what_is_not_affine_is_not_taken_for_it(name):
    check_affine(NOT_AFFINE[name], expected=False)


def check_affine(function, expected):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(9, 3)), rng.integers(0, 2, 9)
    objective = tn.Objective(Through(function), x, y, "binary_cross_entropy")
    assert objective.affine == expected
    theta, d = rng.normal(size=(2, 3))
    for t in (0.0, 0.5, -2.0):
        np.testing.assert_allclose(objective.along(theta, d)(t), objective.value(theta + t * d), rtol=1e-12)


def test_the_reference_models_of_several_layers_are_not_affine_and_softmax_regression_is():
    x, y = np.zeros((2, 4)), [0, 1]
    assert not tn.Objective(network(), x, y).affine
    assert tn.Objective(tn.Sequential([tn.Input((4,)), tn.Dense(3, "softmax")]), x, y).affine


def test_where_it_is_affine_a_trial_reads_no_samples():
    rng = np.random.default_rng(0)
    images, five = rng.integers(0, 256, (50, 5, 5), np.uint8), rng.integers(0, 2, 50)
    objective = tn.Objective(logistic_model(images), images, five, "binary_cross_entropy")
    objective.along(np.zeros(25), np.ones(25))(0.5)
    (names,) = ({call.name for call in p.calls} for (kind, _), p in objective._plans.items() if kind == "rest")
    assert names == {"multiply", "add", "softplus", "sum", "divide"}


@given(generators, st.sampled_from([None, 3]), st.floats(-2, 2))
@settings(max_examples=10)
def test_a_point_that_was_followed_has_the_value_and_gradient_of_any_other(rng, batch, t):
    x, y = rng.normal(size=(8, 4)), rng.integers(0, 2, 8)
    for model, loss in ((linear(4), "binary_cross_entropy"), (network(), "cross_entropy")):
        objective, fresh = (tn.Objective(model, x, y, loss, 0.1, batch) for _ in range(2))
        theta, d = rng.normal(size=(2, model.theta.size))
        for _ in range(3):
            phi = objective.along(theta, d)
            objective.follow(t)
            theta = theta + t * d
            value, gradient = objective.value_and_gradient(theta)
            np.testing.assert_allclose(value, fresh.value_and_gradient(theta)[0], rtol=1e-12)
            np.testing.assert_allclose(gradient, fresh.value_and_gradient(theta)[1], rtol=1e-10, atol=1e-13)
            np.testing.assert_allclose(phi(0.5 * t), fresh.value(theta - 0.5 * t * d), rtol=1e-12)  # the line stays
            other = rng.normal(size=theta.size)
            assert objective.value_and_gradient(other)[0] == fresh.value_and_gradient(other)[0]


def test_a_step_reads_the_samples_twice():
    rng = np.random.default_rng(0)
    images, five = rng.integers(0, 256, (50, 5, 5), np.uint8), rng.integers(0, 2, 50)
    objective = tn.Objective(logistic_model(images), images, five, "binary_cross_entropy")
    optimizer, theta = tn.GradientDescent(), np.zeros(25)
    for _ in range(2):
        optimizer.step(objective, theta)
    reading = {
        kind: [call.name for call in plan.calls if "matvec" in call.name]
        for (kind, _), plan in objective._plans.items()
    }
    assert reading["slope"] == ["standardised_rmatvec"]
    assert reading["pieces"] == ["standardised_matvec"]
    assert reading["rest"] == []


def test_an_interrupted_gradient_does_not_hold_the_gate(monkeypatch):
    """Not even as long as its traceback is kept, as an interactive session does."""
    x, y = np.random.default_rng(0).normal(size=(8, 4)), np.arange(8) % 2
    objective = tn.Objective(linear(4), x, y, "binary_cross_entropy")

    def interrupt(to, found):
        raise KeyboardInterrupt

    monkeypatch.setattr("tinynet.fullbatch.objective._copy", interrupt)
    with pytest.raises(KeyboardInterrupt) as kept:
        objective.value_and_gradient(np.ones(4))
    assert not threads._gate.lock._is_owned()
    assert kept.value.__traceback__ is not None


def test_bits_do_not_depend_on_the_number_of_threads_that_blas_has():
    """It shares out scalar products of vectors longer than 10,000."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 20_000)), np.arange(20) % 2
    objective = tn.Objective(linear(20_000), x, y, "binary_cross_entropy", l2=0.1)
    found = []
    for limit in (1, 2):
        with threadpool_limits(limit, user_api="blas"):
            objective.forget()
            theta = np.linspace(-1, 1, 20_000)
            values = objective.penalty(theta), objective.along(theta, np.sin(theta))(0.3)
            reached, _ = tn.Newton().minimize(objective, theta, steps=3)
            found.append((values, reached.tobytes()))
    assert found[0] == found[1]


def test_in_float32_nothing_is_carried_and_a_checkpoint_stays_small():
    x, y = np.random.default_rng(0).normal(size=(8, 4)), np.arange(8) % 2
    assert tn.Objective(linear(4, "float32"), x, y, "binary_cross_entropy").carried == {}
    assert tn.Objective(network(), x, y).carried == {}
    assert set(tn.Objective(linear(4), x, y, "binary_cross_entropy").carried) == {"point", "values 0 of batch 0"}


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("make", [linear, lambda n: network()])
def test_asking_again_gives_the_same(make, compiled):
    x, y = np.random.default_rng(0).normal(size=(8, 4)), np.arange(8) % 2
    model = make(4)
    loss = "binary_cross_entropy" if make is linear else "cross_entropy"
    objective = tn.Objective(model, x, y, loss, compiled=compiled)
    theta = np.linspace(-1, 1, model.theta.size)
    first, again = (objective.value_and_gradient(theta) for _ in range(2))
    assert first[0] == again[0]
    np.testing.assert_array_equal(first[1], again[1])


def test_an_objective_serves_two_python_threads():
    x, y = np.random.default_rng(0).normal(size=(300, 4)), np.arange(300) % 2
    objective = tn.Objective(linear(4), x, y, "binary_cross_entropy", batch_size=100)
    points = np.random.default_rng(1).normal(size=(2, objective.model.theta.size))
    expected = [objective.value_and_gradient(point) for point in points]

    def ask(i):
        for _ in range(50):
            phi = objective.along(points[i], np.ones_like(points[i]))
            value, gradient = objective.value_and_gradient(points[i])
            assert phi(0.0) == value == expected[i][0]
            np.testing.assert_array_equal(gradient, expected[i][1])

    with ThreadPoolExecutor(2) as pool:
        for asked in [pool.submit(ask, i) for i in (0, 1)]:
            asked.result()


def test_a_gradient_is_found_when_the_model_was_trained_since_the_objective_was_traced():
    x, y = np.random.default_rng(0).normal(size=(8, 4)), np.arange(8) % 2
    model = linear(4)
    objective = tn.Objective(model, x, y, "binary_cross_entropy")
    objective.value(model.theta)
    model.fit(x, y, epochs=1, loss="binary_cross_entropy", verbose=0)
    value, gradient = objective.value_and_gradient(model.theta)
    fresh = tn.Objective(model, x, y, "binary_cross_entropy").value_and_gradient(model.theta)
    assert (value, gradient.tolist()) == (fresh[0], fresh[1].tolist())


# --- standardised bytes


@pytest.mark.parametrize("intercept", [False, True])
def test_bytes_with_shift_and_scale_equal_the_standardised_matrix(intercept):
    (images, digits), _ = tn.datasets.mnist(source="sample")
    five = digits == 5
    shift, scale = standardisation(images)
    matrix = ((images - shift) * scale).reshape(len(images), -1)
    std = images.reshape(len(images), -1).std(axis=0)
    np.testing.assert_allclose(1 / scale.reshape(-1), np.where(std < 1e-9, 1, std), rtol=1e-12)
    rng = np.random.default_rng(0)
    bytewise = tn.Objective(logistic_model(images, intercept), images, five, "binary_cross_entropy", batch_size=3000)
    explicit = tn.Objective(linear(784) if not intercept else tn.Sequential(
        [tn.Input((784,)), tn.Dense(1, "sigmoid")], dtype="float64"), matrix, five, "binary_cross_entropy")  # fmt: skip
    theta, v = 0.05 * rng.normal(size=(2, 784 + intercept))
    (a, g), (b, h) = (objective.value_and_gradient(theta) for objective in (bytewise, explicit))
    assert abs(a - b) <= 1e-10 * b
    assert np.linalg.norm(g - h) <= 1e-10 * np.linalg.norm(h)
    p, q = (objective.hvp(theta, v) for objective in (bytewise, explicit))
    assert np.linalg.norm(p - q) <= 1e-10 * np.linalg.norm(q)
    line, other = (objective.along(theta, v) for objective in (bytewise, explicit))
    assert abs(line(0.7) - other(0.7)) <= 1e-10 * other(0.7)
    used = {call.name for plan in bytewise._plans.values() for call in plan.calls}
    assert {"standardised_matvec", "standardised_rmatvec"} <= used
    assert not {"gather", "matmul"} & used


# --- batches


def test_batches_are_as_large_as_their_values_allow(monkeypatch):
    x, y = np.zeros((700, 4)), np.zeros(700, int)
    whole = tn.Objective(network(), x, y)
    assert whole.batches == [slice(0, 700)]
    monkeypatch.setattr("tinynet.fullbatch.objective._MOST_BYTES", 20_000)
    cut = tn.Objective(network(), x, y)
    assert len(cut.batches) > 3
    assert cut.batches[-1].stop == 700
    np.testing.assert_allclose(cut.value(whole.model.theta), whole.value(whole.model.theta), rtol=1e-12)


BITS = """
import hashlib, sys, numpy as np, tinynet as tn
from tinynet.recipes import logistic_model
tn.set_num_threads(int(sys.argv[1]), fixed=True)
(x, y), _ = tn.datasets.mnist(source="sample")
model = logistic_model(x)
history = model.fit(x, y == 5, epochs=3, batch_size=None, optimizer=tn.GradientDescent(), loss="binary_cross_entropy",
                    verbose=0)
o = tn.Objective(model, x, y == 5, "binary_cross_entropy", 0.01)
print(hashlib.sha256(model.theta).hexdigest(), history.history, o.hvp(model.theta, model.theta).tobytes())
"""


def test_bits_do_not_depend_on_the_number_of_threads():
    environment = {**os.environ, "NUMBA_NUM_THREADS": "2"}
    commands = ([sys.executable, "-c", BITS, n] for n in ("1", "2"))
    assert len({subprocess.check_output(command, text=True, env=environment) for command in commands}) == 1


# --- what is refused


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        (([[0.0] * 4], [3]), DataError, "from 0 to 2"),
        (([[0.0] * 4], [0, 1]), ShapeError, r"\(2,\)"),
        ((np.zeros((0, 4)), np.zeros(0, int)), ShapeError, "at least one"),
        (([[0.0] * 3], [0]), ShapeError, "samples of shape"),
        (([[np.nan] * 4], [0]), DataError, "NaN"),
        (([[0.0] * 4], [0], "hinge"), ArgumentError, "hinge"),
        (([[0.0] * 4], [0], "cross_entropy", -1.0), ArgumentError, "-1.0"),
        (([[0.0] * 4], [0], "cross_entropy", 0.0, 0), ArgumentError, "0"),
        (([[0.0] * 4], [0], "cross_entropy", "a"), ArgumentError, "l2 must be a finite number of 0 or more"),
        (([[0.0] * 4], [0], "cross_entropy", 0.0, "a"), ArgumentError, "batch_size must be an integer of 1 or more"),
        (([[0.0] * 4], [0], "cross_entropy", 0.0, 2.5), ArgumentError, "but got 2.5"),
    ],
)
def test_what_cannot_be_computed_is_refused(arguments, error, says):
    with pytest.raises(error, match=says):
        tn.Objective(network(), *arguments)


def test_a_vector_of_another_length_is_refused():
    with pytest.raises(ShapeError, match=r"\(2,\)"):
        tn.Objective(network(), np.zeros((1, 4)), [0]).value([1.0, 2.0])


@pytest.mark.parametrize("given", [["a", "b"], [1j, 2.0], [[1.0], [1.0, 2.0]]])
def test_a_vector_of_anything_else_than_numbers_is_refused(given):
    with pytest.raises(DTypeError, match="an array of numbers"):
        tn.Objective(linear(2), np.zeros((1, 2)), [0], "binary_cross_entropy").value(given)


def test_eager_gradients_are_recorded_whatever_surrounds_them():
    objective = tn.Objective(network(), np.ones((2, 4)), [0, 1], compiled=False)
    theta = objective.model.theta + 0.1
    expected = *objective.value_and_gradient(theta), objective.hvp(theta, theta)
    with tn.no_grad():
        found = *objective.value_and_gradient(theta), objective.hvp(theta, theta)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)
