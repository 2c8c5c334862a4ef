"""Softmax and the losses: known values, logits of any size, and which labels are taken."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet as tn
from tests.ops.op_table import generators, positive, spread
from tinynet.core.engine import Tensor
from tinynet.core.spec import Spec
from tinynet.errors import ArgumentError, DataError, ShapeError

o = tn.ops
INF = np.inf
either_precision = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def leaf(values, dtype=np.float64):
    return Tensor(np.array(values, dtype), requires_grad=True)


def one_hot(labels, classes):
    return np.eye(classes)[labels]


# --- known values of binary logistic regression: q = 1 / (1 + exp(-w.x)), without an intercept


def logistic(weights, x, y):
    """The loss, and its gradient with respect to the weights."""
    w = leaf(weights)
    loss = o.binary_cross_entropy(o.sigmoid(Tensor(np.array(x, float)) @ w), np.array(y))
    return loss.item(), tn.grad(loss, [w])[0].data


@pytest.mark.parametrize(("y", "loss", "slope"), [(0, 1e6, 1000), (1, 0, 0)])
def test_a_logit_of_a_million(y, loss, slope):
    found, gradient = logistic([1000], [[1000]], [y])
    assert found == pytest.approx(loss, abs=1e-9)
    assert gradient == pytest.approx([slope], abs=1e-9)


def test_the_loss_of_a_known_sample():
    random = np.random.RandomState(1000)
    w, x, y = random.randn(10), random.randn(20, 10), random.randint(0, 2, 20)
    assert logistic(w, x, y)[0] == pytest.approx(1.08007365415, abs=1e-9)


def test_the_gradient_of_a_known_sample():
    random = np.random.RandomState(1000)
    w, x, y = random.randn(3), random.randn(200, 3), random.randint(0, 2, 200)
    expected = [-0.12669153, -0.00341384, 0.02274541]
    assert np.linalg.norm(logistic(w, x, y)[1] - expected) < 1e-6


# --- logits of any size


@either_precision
def test_softmax_of_large_logits(dtype):
    x = leaf([[1e4, -1e4, 0], [-1e4, -1e4, -1e4]], dtype)
    y = o.softmax(x)
    np.testing.assert_allclose(y.data, [[1, 0, 0], [1 / 3, 1 / 3, 1 / 3]], rtol=1e-6)
    (g,) = tn.grad(y, [x], [Tensor(np.array([[1, 2, 3], [1, 2, 3]], dtype))])
    np.testing.assert_allclose(g.data, [[0, 0, 0], [-1 / 3, 0, 1 / 3]], atol=1e-6)


@either_precision
def test_log_softmax_of_large_logits(dtype):
    x = leaf([[1e4, -1e4, 0]], dtype)
    y = o.log_softmax(x)
    np.testing.assert_array_equal(y.data, [[0, -2e4, -1e4]])
    (g,) = tn.grad(y, [x], [Tensor(np.array([[1, 2, 3]], dtype))])
    np.testing.assert_array_equal(g.data, [[-5, 2, 3]])


@either_precision
@pytest.mark.parametrize("through_softmax", [False, True])
def test_cross_entropy_of_large_logits(dtype, through_softmax):
    x = leaf([[1e4, -1e4], [1e4, -1e4]], dtype)
    loss = o.cross_entropy(o.softmax(x) if through_softmax else x, [0, 1])
    assert (loss.item(), loss.dtype) == (1e4, dtype)
    np.testing.assert_array_equal(tn.grad(loss, [x])[0].data, [[0, 0], [0.5, -0.5]])


@either_precision
@pytest.mark.parametrize("through_sigmoid", [False, True])
def test_binary_cross_entropy_of_large_logits(dtype, through_sigmoid):
    x = leaf([1e4, 1e4, -1e4, -1e4], dtype)
    loss = o.binary_cross_entropy(o.sigmoid(x) if through_sigmoid else x, [0, 1, 0, 1])
    assert (loss.item(), loss.dtype) == (5e3, dtype)
    np.testing.assert_array_equal(tn.grad(loss, [x])[0].data, [0.25, 0, 0, -0.25])


@either_precision
def test_sigmoid_of_large_arguments(dtype):
    x = leaf([1e4, -1e4], dtype)
    y = o.sigmoid(x)
    np.testing.assert_array_equal(y.data, [1, 0])
    np.testing.assert_array_equal(tn.grad(y.sum(), [x])[0].data, [0, 0])


@either_precision
def test_a_logit_of_minus_infinity_has_probability_zero(dtype):
    x = leaf([[-INF, 0, 0], [0, -INF, -INF]], dtype)
    np.testing.assert_array_equal(o.softmax(x).data, np.array([[0, 0.5, 0.5], [1, 0, 0]], dtype))
    loss = o.cross_entropy(x, [1, 0])
    np.testing.assert_allclose(loss.item(), np.log(2) / 2, rtol=1e-6)
    np.testing.assert_array_equal(tn.grad(loss, [x])[0].data, [[0, -0.25, 0.25], [0, 0, 0]])


@given(generators, st.integers(1, 4), st.integers(1, 5), st.floats(-1e4, 1e4))
def test_softmax_sums_to_one_and_does_not_mind_a_shift(rng, n, k, shift):
    x = spread(rng, (n, k))
    y = o.softmax(x).data
    np.testing.assert_allclose(y.sum(1), 1, rtol=1e-14)
    np.testing.assert_allclose(o.softmax(x + shift).data, y, rtol=1e-11)


# --- what the losses look through


def test_cross_entropy_goes_to_the_input_of_the_softmax():
    x = Tensor([[800.0, 0.0, -800.0]])
    assert o.softmax(x).data[0, 2] == 0
    assert o.cross_entropy(o.softmax(x), [2]).item() == 1600


def test_cross_entropy_goes_to_the_input_of_the_softmax_without_recording_too():
    with tn.no_grad():
        assert o.cross_entropy(o.softmax(leaf([[800.0, 0.0]])), [1]).item() == 800


@given(generators, st.integers(1, 4), st.integers(2, 5))
def test_cross_entropy_of_a_softmax_is_that_of_its_logits(rng, n, k):
    x, labels = spread(rng, (n, k)), rng.integers(0, k, n)
    assert o.cross_entropy(o.softmax(x), labels).item() == o.cross_entropy(x, labels).item()


def test_a_softmax_over_another_axis_is_no_softmax_of_classes():
    y = o.softmax(Tensor([[0.0, 1.0], [2.0, 3.0]]), axis=0)
    assert o.cross_entropy(y, [0, 1]).item() == o.cross_entropy(y.detach(), [0, 1]).item()


def test_binary_cross_entropy_goes_to_the_input_of_the_sigmoid():
    x = leaf([-800.0])
    assert o.binary_cross_entropy(o.sigmoid(x), [1]).item() == 800
    with tn.no_grad():
        assert o.binary_cross_entropy(o.sigmoid(x), [1]).item() == 800


# --- gradients in closed form


@given(generators, st.integers(1, 4), st.integers(2, 5))
def test_the_gradient_of_cross_entropy_is_probability_minus_label(rng, n, k):
    x, labels = leaf(spread(rng, (n, k))), rng.integers(0, k, n)
    expected = (o.softmax(x.data).data - one_hot(labels, k)) / n
    np.testing.assert_allclose(tn.grad(o.cross_entropy(x, labels), [x])[0].data, expected, rtol=1e-12, atol=1e-15)


@given(generators, st.integers(1, 6))
def test_the_gradient_of_binary_cross_entropy_is_probability_minus_label(rng, n):
    x, labels = leaf(spread(rng, (n,))), rng.integers(0, 2, n)
    expected = (1 / (1 + np.exp(-x.data)) - labels) / n
    np.testing.assert_allclose(tn.grad(o.binary_cross_entropy(x, labels), [x])[0].data, expected, rtol=1e-12)


# --- labels


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int32, np.int64, np.uint64])
def test_class_numbers_of_any_integer_dtype(dtype):
    x = Tensor([[1.0, 2.0, 4.0], [1.0, 0.0, 0.0]])
    labels = [2, 0]
    expected = o.cross_entropy(x, np.array(labels)).item()
    assert o.cross_entropy(x, np.array(labels, dtype)).item() == expected
    assert o.cross_entropy(x, labels).item() == expected
    assert o.cross_entropy(x, Tensor(labels)).item() == expected


@given(generators, st.integers(1, 4), st.integers(2, 5), st.sampled_from([bool, np.uint8, np.float32, np.float64]))
def test_one_hot_rows_are_class_numbers(rng, n, k, dtype):
    x, labels = spread(rng, (n, k)), rng.integers(0, k, n)
    rows = one_hot(labels, k).astype(dtype)
    assert o.cross_entropy(x, rows).item() == pytest.approx(o.cross_entropy(x, labels).item(), rel=1e-14)


@given(generators, st.integers(1, 4), st.integers(2, 5))
def test_rows_of_probabilities_weigh_the_classes(rng, n, k):
    x, rows = spread(rng, (n, k)), positive(rng, (n, k))
    rows /= rows.sum(1, keepdims=True)
    expected = sum(rows[:, c] @ -o.log_softmax(x).data[:, c] for c in range(k)) / n
    assert o.cross_entropy(x, rows).item() == pytest.approx(expected, rel=1e-13)


def test_rows_need_to_sum_to_one_only_as_closely_as_float32_does():
    rows = np.full((1, 7), 1 / 7, np.float32)
    assert o.cross_entropy(np.zeros((1, 7)), rows).item() == pytest.approx(np.log(7))


@pytest.mark.parametrize("output", [(3,), (3, 1)])
@pytest.mark.parametrize("labels", [(3,), (3, 1)])
@pytest.mark.parametrize("dtype", [bool, np.uint8, np.float32])
def test_binary_labels_match_sample_by_sample_whatever_their_axes(output, labels, dtype):
    x, y = np.array([1.0, -2.0, 3.0]), np.array([1, 0, 0])
    expected = np.mean(np.log1p(np.exp(np.where(y, -x, x))))
    found = o.binary_cross_entropy(x.reshape(output), y.reshape(labels).astype(dtype))
    assert found.item() == pytest.approx(expected, rel=1e-14)


def test_labels_that_have_no_values_yet_are_not_looked_at():
    output, labels = Tensor(Spec((4, 3), np.dtype(np.float32))), Tensor(Spec((4,), np.dtype(np.int64)))
    assert o.cross_entropy(output, labels).spec == Spec((), np.dtype(np.float32))
    assert o.binary_cross_entropy(output[:, 0], labels).spec == Spec((), np.dtype(np.float32))


BIG = {np.float32: 3e38, np.float64: 1.7e308}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["numbers", "rows"])
def test_classes_without_probability_that_are_not_the_label_do_no_harm(dtype, kind):
    logits = np.array([[-np.inf, 0, 1], [BIG[dtype], -BIG[dtype], 0], [0, 1, -np.inf]], dtype)
    labels = np.array([1, 0, 1])
    x = Tensor(logits, requires_grad=True)
    loss = o.cross_entropy(x, labels if kind == "numbers" else np.eye(3)[labels])
    p = 1 / (1 + np.exp(1.0))
    assert loss.item() == pytest.approx(-(np.log(p) + np.log(1 - p)) / 3, rel=1e-6)
    expected = np.array([[0, p - 1, 1 - p], [0, 0, 0], [p, -p, 0]]) / 3
    np.testing.assert_allclose(tn.grad(loss, [x])[0].data, expected, atol=1e-7)


def test_a_label_without_probability_costs_infinitely_much():
    assert o.cross_entropy(np.array([[-np.inf, 0.0]]), np.array([[0.5, 0.5]])).item() == np.inf


def test_soft_labels_that_leave_out_a_class_of_no_probability():
    logits, labels = np.array([[-np.inf, 0.0, 0.0]]), np.array([[0.0, 0.25, 0.75]])
    assert o.cross_entropy(logits, labels).item() == pytest.approx(np.log(2))


def test_binary_logits_may_be_infinite():
    x = Tensor(np.array([-np.inf, np.inf]), requires_grad=True)
    loss = o.binary_cross_entropy(x, [0, 1])
    assert loss.item() == 0
    np.testing.assert_array_equal(tn.grad(loss, [x])[0].data, [0, 0])


@pytest.mark.parametrize("values", [[-np.inf, -np.inf, 0.0, 1.0], [0.0, -np.inf, -np.inf, 1.0], [-np.inf] * 3 + [2.0]])
def test_a_chain_of_logaddexp_leaves_out_what_has_no_weight(values):
    x = Tensor(np.array(values), requires_grad=True)
    total = x[0]
    for i in range(1, len(values)):
        total = o.logaddexp(total, x[i])
    weights = np.exp(values) / np.exp(values).sum()
    assert total.item() == pytest.approx(np.log(np.exp(values).sum()))
    (first,) = tn.grad(total, [x], create_graph=True)
    np.testing.assert_allclose(first.data, weights, rtol=1e-12)
    (second,) = tn.grad((first * first).sum(), [x])
    expected = 2 * weights * (weights - (weights**2).sum())
    np.testing.assert_allclose(second.data, expected, atol=1e-12)


def test_a_sum_of_nothing_has_no_gradient():
    x, y = (Tensor(np.array(-np.inf), requires_grad=True) for _ in range(2))
    assert [g.item() for g in tn.grad(o.logaddexp(x, y), [x, y])] == [0, 0]


def test_logaddexp_keeps_nan():
    x, y = (Tensor(np.array(v), requires_grad=True) for v in (-np.inf, np.nan))
    assert np.isnan([g.item() for g in tn.grad(o.logaddexp(x, y), [x, y])]).all()


# --- further axes, smoothed labels, a loss for each label


def smoothed_by_hand(logits, row, share):
    """The cross-entropy of one label, as a row that is smoothed."""
    row = (1 - share) * row + share / len(row)
    return -(row * np.log(np.exp(logits) / np.exp(logits).sum())).sum()


@given(
    generators, st.tuples(*[st.integers(1, 3)] * 2, st.integers(2, 4)), st.sampled_from([0.0, 0.1, 1]), st.booleans()
)
def test_cross_entropy_over_further_axes_is_that_of_each_label(rng, shape, share, rows):
    n, t, k = shape
    x, y = rng.normal(size=(n, t, k)), rng.integers(0, k, (n, t))
    expected = [[smoothed_by_hand(x[i, j], np.eye(k)[y[i, j]], share) for j in range(t)] for i in range(n)]
    labels = np.eye(k)[y] if rows else y
    each = o.cross_entropy(x, labels, label_smoothing=share, reduction="none")
    np.testing.assert_allclose(each.data, expected, rtol=1e-12)
    assert o.cross_entropy(x, labels, label_smoothing=share).item() == pytest.approx(np.mean(expected), rel=1e-12)


@given(generators, st.integers(1, 4), st.integers(1, 3), st.sampled_from([0.0, 0.2]), st.booleans())
def test_binary_cross_entropy_over_further_axes_is_that_of_each_output(rng, n, k, share, soft):
    z, y = rng.normal(size=(n, k)), rng.integers(0, 2, (n, k))
    y = rng.uniform(size=(n, k)) if soft else y
    target = (1 - share) * y + share / 2
    p = 1 / (1 + np.exp(-z))
    expected = -(target * np.log(p) + (1 - target) * np.log(1 - p))
    each = o.binary_cross_entropy(z, y, label_smoothing=share, reduction="none")
    np.testing.assert_allclose(each.data, expected, rtol=1e-12)
    x = leaf(z)
    loss = o.binary_cross_entropy(x, y, label_smoothing=share)
    assert loss.item() == pytest.approx(expected.mean(), rel=1e-12)
    np.testing.assert_allclose(tn.grad(loss, [x])[0].data, (p - target) / p.size, atol=1e-14)


def test_binary_labels_that_are_floats_have_the_bits_of_integers():
    z, y = np.random.default_rng(0).normal(size=(50, 1)).astype(np.float32), np.arange(50) % 2
    x = leaf(z, np.float32)
    found = []
    for labels in (y, y.astype(np.float32)):
        loss = o.binary_cross_entropy(x, labels)
        found.append((loss.item(), tn.grad(loss, [x])[0].data.tolist()))
    assert found[0] == found[1]


def test_binary_logits_may_be_infinite_on_the_side_of_labels_that_are_floats():
    x = leaf([-np.inf, np.inf])
    loss = o.binary_cross_entropy(x, [0.0, 1.0])
    assert loss.item() == 0
    np.testing.assert_array_equal(tn.grad(loss, [x])[0].data, [0, 0])


@pytest.mark.parametrize("loss", [o.mean_squared_error, o.mean_absolute_error, o.huber])
def test_losses_of_regression_for_each_value(loss):
    x, y = np.array([[1.0], [4.0]]), np.array([1.0, 2.0])
    each = loss(x, y, reduction="none")
    assert each.shape == (2, 1)
    assert loss(x, y).item() == each.data.mean()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: o.cross_entropy(np.zeros((2, 3)), [0, 1], reduction="sum"), ArgumentError, 'be "mean" or "none"'),
        (lambda: o.cross_entropy(np.zeros((2, 3)), [0, 1], label_smoothing=1.5), ArgumentError, "most 1, but got"),
        (lambda: o.cross_entropy(np.zeros((2, 3)), [0, 1], label_smoothing=-1), ArgumentError, "smoothing must be"),
        (lambda: o.cross_entropy(np.zeros((2, 1)), [0, 1]), DataError, 'labels from 0 to 1 use "binary_cross_entropy"'),
        (lambda: o.cross_entropy(np.zeros((2, 1)), [[0], [1]]), ShapeError, '0 to 1 use "binary_cross_entropy"'),
        (lambda: o.cross_entropy(np.zeros((2, 3)), [[0], [1]]), ShapeError, r"only column of the labels, y\[..., 0\]"),
        (lambda: o.cross_entropy(np.zeros((2, 3)), np.eye(3)[:2] * [[1], [0]]), DataError, "row 1 has the sum 0 and"),
        (lambda: o.binary_cross_entropy(np.zeros((2, 3)), [0, 1]), ShapeError, "for class numbers use cross_entropy"),
        (lambda: o.binary_cross_entropy(np.zeros((2, 1)), [0, 2]), DataError, "from 0 to 1, but run from 0 to 2"),
        (lambda: o.binary_cross_entropy(np.zeros((2, 1)), [0, np.nan]), DataError, "labels must be from 0 to 1"),
    ],
)  # fmt: skip
def test_labels_and_arguments_that_make_no_sense(call, error, message):
    with pytest.raises(error, match=message):
        call()


BETWEEN = {
    "reshape": lambda p: p.reshape(1, *p.shape),
    "slice": lambda p: p[:, :],
    "part": lambda p: p[:, :2],
    "cast": lambda p: p.astype("float32"),
    "times one": lambda p: p * 1.0,
    "one times": lambda p: 1.0 * p,
    "over one": lambda p: p / 1.0,
    "clip": lambda p: o.clip(p, 1e-7, 1 - 1e-7),
    "maximum": lambda p: o.maximum(p, 1e-7),
    "rows": lambda p: p[np.array([0, 1])],
    "concatenate": lambda p: o.concatenate([p, p]),
    "stack": lambda p: o.stack([p, p]),
    "transpose": lambda p: p.T.T,
    "plus nothing": lambda p: p + 0,
    "plus a little": lambda p: p + 1e-7,
    "where": lambda p: o.where(p > 0.5, p, 1e-7),
    "over its sum": lambda p: p / p.sum(-1, keepdims=True),
    "mean of two": lambda p: (p + p[:, ::-1]) / 2,
    "mean over an axis": lambda p: o.stack([p, p * 0.5]).mean(0),
    "one minus": lambda p: 1 - p,
    "nothing minus": lambda p: 0 - (0 - p),
    "square": lambda p: p**2,
    "root": lambda p: (p * p).sqrt(),
    "smallest": lambda p: o.minimum(p + p, 1.0),
    "under a mask": lambda p: p * (np.arange(p.shape[1]) > 0),
    "product of two": lambda p: p * p[:, ::-1],
}


@pytest.mark.parametrize("between", BETWEEN)
@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_probabilities_are_not_taken_for_logits(between, activation):
    x = leaf([[0.5, 0.25, 0.0], [0.1, 0.2, 0.7]])
    output = BETWEEN[between](getattr(o, activation)(x))
    loss = o.cross_entropy if activation == "softmax" else o.binary_cross_entropy
    labels = np.zeros(output.shape[:-1] if activation == "softmax" else output.shape, int)
    with pytest.raises(ArgumentError, match=f"the output has the values of {activation}, but another op comes between"):
        loss(output, labels)


@pytest.mark.parametrize("between", [lambda p: p, BETWEEN["plus a little"]], ids=["last", "plus a little"])
@pytest.mark.parametrize(
    ("activation", "loss", "other"),
    [("sigmoid", "cross_entropy", "softmax"), ("softmax", "binary_cross_entropy", "sigmoid")],
)
def test_probabilities_of_another_kind_are_not_taken_for_logits(activation, loss, other, between):
    output = between(getattr(o, activation)(leaf([[0.5, 0.25, 0.0], [0.1, 0.2, 0.7]])))
    message = f"has the values of {activation}, which {loss} would take for logits; end the model in {other} or in no"
    with pytest.raises(ArgumentError, match=message):
        getattr(o, loss)(output, np.eye(3)[:2])


def test_what_is_made_of_probabilities_and_of_other_values_may_be_logits():
    x, w = leaf([[0.5, 0.25], [0.1, 0.2]]), leaf([[2.0, 1.0], [0.5, -1.0]])
    for output in (o.sigmoid(x) * w, o.sigmoid(x) * (x - 1), 1 - 2 * o.sigmoid(x), o.sigmoid(x) / 0.5 - 1):
        found, expected = (o.binary_cross_entropy(z, [[0, 1], [1, 1]]).item() for z in (output, Tensor(output.data)))
        assert found == expected


BEYOND = {
    "ten times": lambda p, x: 10 * p,
    "over a temperature": lambda p, x: p / 0.1,
    "by numbers": lambda p, x: p * np.array([5.0, -3.0]),
    "gate of softmax": lambda p, x: p * o.softmax(x + 1) * 2,
    "gate of values": lambda p, x: p * x,
    "gate of tanh": lambda p, x: p * o.tanh(x),
    "gate of samples": lambda p, x: p * Tensor(np.array([[0.5, 1.0], [0.0, 0.25]])),
    "largest of samples": lambda p, x: o.maximum(p, Tensor(x.data)),
    "beside samples": lambda p, x: o.concatenate([p, Tensor(x.data)], -1)[:, 1:3],
}


@pytest.mark.parametrize("made", BEYOND)
@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_values_that_may_reach_beyond_probabilities_are_logits(made, activation):
    x = leaf([[0.5, 0.25], [0.1, 0.2]])
    output = BEYOND[made](getattr(o, activation)(x), x)
    loss, labels = (o.cross_entropy, [0, 1]) if activation == "softmax" else (o.binary_cross_entropy, [[0, 1], [1, 1]])
    assert loss(output, labels).item() == loss(Tensor(output.data), labels).item()


class Gated(tn.Layer):
    """Lets its input through as far as a gate is open."""

    def __init__(self):
        self.gate = tn.Dense(3, "sigmoid")

    def forward(self, x):
        return self.gate(x) * x


def test_a_gate_on_the_samples_is_trained_and_evaluated_alike():
    rng = np.random.default_rng(0)
    x, y = rng.random((8, 3), np.float32), rng.integers(0, 2, (8, 3))
    losses = {}
    for compiled in (True, False):
        model = tn.Sequential([tn.Input((3,)), Gated()], seed=0)
        options = {"loss": "binary_cross_entropy", "compiled": compiled, "verbose": 0, "seed": 0}
        history = model.fit(x, y, epochs=1, validation_data=(x, y), **options).history
        losses[compiled] = history["loss"] + history["val_loss"]
        assert model.evaluate(x, y, loss="binary_cross_entropy")["loss"] == history["val_loss"][0]
    assert losses[True] == losses[False]
