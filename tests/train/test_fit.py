"""fit, evaluate and predict: batches, means, orders, validation, optimizers, progress, and what is refused."""

import io
import math
import re
import sys

import numpy as np
import pytest

import tinynet as tn
from tests.small_network import SMALL_X, losses_of, small_network
from tinynet.errors import ArgumentError, DataError, DTypeError, NonFiniteError, ShapeError
from tinynet.train.metrics import Metric

both_ways = pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "eager"])
STANDSTILL = 1e-30  # a learning rate at which float32 parameters stay as they are, to the bit


def samples(n=22, features=6, classes=3, seed=0):
    """Random samples, labelled by the largest of their first features."""
    x = np.random.default_rng(seed).normal(size=(n, features)).astype(np.float32)
    return x, x[:, :classes].argmax(axis=1)


def linear(seed=0, activation="softmax", **options):
    return tn.Sequential([tn.Input((6,)), tn.Dense(3, activation)], seed=seed, **options)


def probabilities(model, x):
    """The outputs of `linear`, computed by hand in float64."""
    logits = x.astype(np.float64) @ model.parameters["dense.weight"].data + model.parameters["dense.bias"].data
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def run(model=None, n=22, **options):
    """Train a linear model and give its parameters and its history."""
    model = model or linear()
    x, y = samples(n)
    history = model.fit(x, y, **{"epochs": 2, "batch_size": 8, "seed": 0, "verbose": 0, **options})
    return model.theta.copy(), history


# --- batches


@both_ways
def test_the_last_batch_of_an_epoch_may_be_smaller(compiled):
    sizes = []

    def size(output, labels):
        sizes.append(len(output))
        assert len(labels) == len(output)
        return 0.0

    run(metrics=[Metric(size, mean=True)], compiled=compiled)
    assert sizes == [8, 8, 6] * 2


@both_ways
def test_a_batch_larger_than_the_data_is_the_data(compiled):
    thetas = [run(batch_size=size, shuffle=False, compiled=compiled)[0] for size in (22, 1000, None)]
    np.testing.assert_array_equal(thetas[0], thetas[1])
    np.testing.assert_array_equal(thetas[0], thetas[2])


def test_batch_size_none_makes_one_step_an_epoch():
    model = linear(dtype="float64")
    x, y = samples()
    expected = model.theta.copy()
    for _ in range(3):
        expected -= 0.5 * gradient(expected, x, y)
    model.fit(x, y, epochs=3, batch_size=None, optimizer=tn.SGD(0.5), verbose=0)
    np.testing.assert_allclose(model.theta, expected, rtol=1e-12)


@both_ways
def test_every_sample_comes_once_an_epoch_with_its_own_label(compiled):
    x = np.arange(22.0).reshape(22, 1)
    seen = []

    def note(output, labels):
        np.testing.assert_array_equal(output[:, 0], labels)  # the layer gives its input
        seen.extend(labels.tolist())
        return 0.0

    model = tn.Sequential([tn.Input((1,)), tn.Dense(1, kernel_init=lambda shape, rng: np.ones(shape))])
    zero = lambda output, labels: (output * 0).mean()  # noqa: E731
    model.fit(x, x[:, 0], epochs=2, batch_size=5, loss=zero, metrics=[note], seed=3, verbose=0, compiled=compiled)
    assert sorted(seen[:22]) == sorted(seen[22:]) == list(range(22))
    assert seen[:22] != seen[22:]
    assert seen[:22] != list(range(22))


# --- the order of the samples


@both_ways
def test_the_seed_of_the_order_decides_every_bit(compiled):
    theta, history = run(compiled=compiled)
    again, same = run(compiled=compiled)
    other, _ = run(seed=1, compiled=compiled)
    np.testing.assert_array_equal(theta, again)
    assert history.history == same.history
    assert (theta != other).any()


def test_the_seed_of_the_order_has_nothing_to_do_with_that_of_the_parameters():
    orders = []
    for init in (0, 1):
        seen = []
        run(linear(init), metrics=[lambda output, labels, seen=seen: seen.extend(labels) or 0.0])
        orders.append(seen)
    assert orders[0] == orders[1]


def test_numpys_global_generator_is_neither_used_nor_moved():
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    run(seed=None)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_without_shuffling_the_order_is_that_of_the_data():
    seen = []
    run(metrics=[lambda output, labels: seen.extend(labels) or 0.0], shuffle=False)
    assert seen == [*samples()[1].tolist()] * 2


# --- what is measured


@both_ways
def test_training_figures_are_means_over_the_samples(compiled):
    model = linear()
    x, y = samples()
    _, history = run(model, optimizer=tn.SGD(STANDSTILL), compiled=compiled)
    p = probabilities(model, x)
    for epoch in range(2):
        assert history.history["loss"][epoch] == pytest.approx(-np.log(p[np.arange(22), y]).mean(), rel=1e-6)
        assert history.history["accuracy"][epoch] == pytest.approx((p.argmax(axis=1) == y).mean(), rel=1e-12)


def test_training_figures_are_from_before_each_step():
    """In an epoch of one batch the loss is that of the parameters that it began with."""
    x, y = samples()
    model = linear()
    before = model.evaluate(x, y)
    after = model.fit(x, y, epochs=1, batch_size=None, optimizer=tn.SGD(1.0), verbose=0).history
    assert after["loss"][0] == pytest.approx(before["loss"], rel=1e-6)
    assert model.evaluate(x, y)["loss"] < 0.95 * before["loss"]


@both_ways
def test_validation_figures_are_those_of_evaluate_at_the_end_of_the_epoch(compiled):
    model = linear()
    x, y = samples(300, seed=1)  # more than one batch of evaluate
    _, history = run(model, validation_data=(x, y), compiled=compiled)
    assert list(history.history) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    figures = model.evaluate(x, y, compiled=compiled)
    assert {f"val_{name}": value for name, value in figures.items()} == {
        name: values[-1] for name, values in history.history.items() if name.startswith("val_")
    }


@both_ways
def test_evaluate_is_a_mean_over_samples_whatever_the_batch_size(compiled):
    model = linear()
    x, y = samples()
    p = probabilities(model, x)
    for size in (1, 7, 22, 500):
        figures = model.evaluate(x, y, batch_size=size, compiled=compiled)
        assert figures["loss"] == pytest.approx(-np.log(p[np.arange(22), y]).mean(), rel=1e-6)
        assert figures["accuracy"] == pytest.approx((p.argmax(axis=1) == y).mean(), rel=1e-12)


def test_validation_changes_nothing_in_training():
    np.testing.assert_array_equal(run()[0], run(validation_data=samples(50, seed=1))[0])


@both_ways
def test_metrics_are_functions_of_output_and_labels_as_arrays(compiled):
    def mean_output(output, labels):
        assert isinstance(output, np.ndarray)
        assert isinstance(labels, np.ndarray)
        return output.mean()

    _, history = run(metrics=[mean_output], validation_data=samples(), compiled=compiled)
    assert list(history.history) == ["loss", "mean_output", "val_loss", "val_mean_output"]
    assert history.history["mean_output"] == pytest.approx([1 / 3] * 2)
    assert type(history.history["mean_output"][0]) is float


def test_no_metrics_may_be_asked_for():
    assert list(run(metrics=[])[1].history) == ["loss"]


def test_the_history_knows_its_epochs_seconds_and_best_epoch():
    _, history = run(epochs=3, validation_data=samples(50, seed=1))
    losses = history.history["val_loss"]
    assert history.epochs == len(history.seconds) == len(losses) == 3
    assert min(history.seconds) > 0
    assert losses[history.best_epoch - 1] == min(losses)


# --- losses


@both_ways
def test_one_hot_labels_give_the_same_as_class_numbers(compiled):
    x, y = samples()
    thetas, histories = [], []
    for labels in (y, tn.one_hot(y, 3), y.astype(np.uint8), tn.one_hot(y, 3).astype(int)):
        model = linear()
        history = model.fit(x, labels, epochs=2, batch_size=8, seed=0, verbose=0, compiled=compiled)
        thetas.append(model.theta)
        histories.append(history.history)
    for theta, history in zip(thetas[1:], histories[1:], strict=True):
        np.testing.assert_allclose(theta, thetas[0], rtol=1e-5)
        assert history["loss"] == pytest.approx(histories[0]["loss"], rel=1e-6)
        assert history["accuracy"] == histories[0]["accuracy"]


@both_ways
def test_a_model_without_softmax_is_taken_as_giving_logits(compiled):
    with_softmax, _ = run(linear(), compiled=compiled)
    logits, _ = run(linear(activation=None), compiled=compiled)
    np.testing.assert_allclose(logits, with_softmax, rtol=1e-5)


@both_ways
def test_a_loss_may_be_a_function_of_ops(compiled):
    def squares(output, labels):
        return ((output - labels) ** 2).mean()

    rng = np.random.default_rng(0)
    x, slope = rng.normal(size=(64, 6)), rng.normal(size=(6, 2))
    model = tn.Sequential([tn.Input((6,)), tn.Dense(2)], seed=0)
    options = {"loss": squares, "compiled": compiled}
    targets = x @ slope
    history = model.fit(x, targets.astype(np.float32), epochs=60, optimizer=tn.SGD(0.1), seed=0, verbose=0, **options)
    assert list(history.history) == ["loss"]
    assert history.history["loss"][-1] < 1e-3 * history.history["loss"][0]
    np.testing.assert_allclose(model.parameters["dense.weight"].data, slope, atol=0.02)
    assert model.evaluate(x, targets.astype(np.float32), **options) == {
        "loss": pytest.approx(history.history["loss"][-1], abs=1e-3)
    }


@both_ways
def test_binary_labels_may_be_numbers_or_bools_in_a_row_or_a_column(compiled):
    x, _ = samples()
    y = x[:, 0] > 0
    thetas = []
    for labels in (y, y.astype(int), y.astype(np.float32), y[:, None]):
        model = tn.Sequential([tn.Input((6,)), tn.Dense(1, "sigmoid")], seed=0)
        options = {"loss": "binary_cross_entropy", "epochs": 20, "batch_size": 8, "seed": 0, "verbose": 0}
        history = model.fit(x, labels, optimizer=tn.SGD(0.5), compiled=compiled, **options)
        assert history.history["accuracy"][-1] > 0.9
        thetas.append(model.theta)
    for theta in thetas[1:]:
        np.testing.assert_array_equal(theta, thetas[0])


# --- optimizers


def gradient(theta, x, y, classes=3):
    """The gradient of mean cross-entropy for a linear softmax model, by hand."""
    x = x.astype(np.float64)
    weight, bias = theta[:-classes].reshape(-1, classes), theta[-classes:]
    logits = x @ weight + bias
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    error = (powers / powers.sum(axis=1, keepdims=True) - np.eye(classes)[y]) / len(x)
    return np.concatenate([(x.T @ error).reshape(-1), error.sum(axis=0)])


@both_ways
@pytest.mark.parametrize(("momentum", "decay"), [(0.0, 0.0), (0.9, 0.0), (0.0, 0.1), (0.8, 0.05)])
def test_momentum_and_weight_decay_follow_their_formula(momentum, decay, compiled):
    x, y = samples()
    model = linear(dtype="float64")
    theta = model.theta.copy()
    velocity = np.zeros_like(theta)
    for _ in range(3):
        for start in range(0, 22, 8):
            part = slice(start, start + 8)
            velocity = momentum * velocity + gradient(theta, x[part], y[part]) + decay * theta
            theta -= 0.1 * velocity
    optimizer = tn.SGD(0.1, momentum=momentum, weight_decay=decay)
    run(model, epochs=3, optimizer=optimizer, shuffle=False, compiled=compiled)
    np.testing.assert_allclose(model.theta, theta, rtol=1e-10, atol=1e-14)


def test_the_learning_rate_may_change_between_fits():
    optimizer = tn.SGD(0.1)
    model = linear()
    run(model, optimizer=optimizer)
    optimizer.learning_rate = STANDSTILL
    before = model.theta.copy()
    run(model, optimizer=optimizer)
    np.testing.assert_array_equal(model.theta, before)


def test_sgd_with_rate_001_is_the_default():
    np.testing.assert_array_equal(run()[0], run(optimizer=tn.SGD(0.01))[0])


def test_compiled_and_eager_training_agree():
    compiled, history = run(epochs=5, optimizer=tn.SGD(0.1))
    eager, reference = run(epochs=5, optimizer=tn.SGD(0.1), compiled=False)
    np.testing.assert_allclose(compiled, eager, rtol=1e-4, atol=1e-6)
    assert history.history["loss"] == pytest.approx(reference.history["loss"], rel=1e-5)


# --- progress


@pytest.mark.parametrize("verbose", [0, 1, 2])
def test_progress_is_silent_or_one_line_an_epoch_where_there_is_no_terminal(verbose, capsys):
    run(model := linear(), validation_data=samples())  # so that no kernel is left to be compiled, and told of
    capsys.readouterr()
    run(model, epochs=10, verbose=verbose, validation_data=samples())
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert len(lines) == (10 if verbose else 0)
    figures = r"loss \d\.\d{4}, accuracy \d\.\d{4}, val_loss \d\.\d{4}, val_accuracy \d\.\d{4}"
    for epoch, line in enumerate(lines, 1):
        assert re.fullmatch(rf"Epoch {epoch:>2}/10  3 batches  \d+\.\d s  \d+\.\d\d ms/step  {figures}", line), line


class Terminal(io.StringIO):
    """An output that says that it is a terminal."""

    def isatty(self):
        return True


def test_a_terminal_shows_a_live_line_and_keeps_one_line_an_epoch(monkeypatch):
    run(model := linear())
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    run(model, epochs=2, verbose=1)
    text = terminal.getvalue()
    assert re.search(r"Epoch 1/2  3 batches  .* ms/step  loss .*\n", text)
    assert re.search(r"Epoch 2/2  3 batches  .* ms/step  loss .*\n", text)
    assert re.search(r"Epoch 1/2 .*[0-3]/3", text)


def test_huge_figures_do_not_flood_the_line(capsys):
    run(loss=lambda output, labels: output.mean() * 1e30, optimizer=tn.SGD(STANDSTILL), verbose=2)
    assert re.search(r"loss 3\.333e\+29$", capsys.readouterr().out)


# --- training that goes wrong


@both_ways
def test_a_loss_that_is_not_finite_names_its_epoch_and_batch_and_leaves_theta_as_before(compiled):
    x, y = samples()
    x[10] = 3e38  # finite, but not its weighted sums
    model, reference = linear(), linear()
    options = {"batch_size": 8, "shuffle": False, "verbose": 0, "compiled": compiled}
    with pytest.raises(NonFiniteError) as caught:
        model.fit(x, y, epochs=4, **options)
    assert re.match(
        r"the loss became (nan|inf) in epoch 1, batch 2; the mean loss over the epoch so f", str(caught.value)
    )
    assert "Try a smaller learning rate (now 0.01)" in str(caught.value)
    reference.fit(x[:8], y[:8], epochs=1, **options)  # the first batch alone
    np.testing.assert_array_equal(model.theta, reference.theta)


def test_a_learning_rate_that_is_too_large_is_told_as_such():
    x, y = samples()
    model = tn.Sequential([tn.Input((6,)), tn.Dense(8), tn.Dense(8), tn.Dense(3)], seed=0)
    with pytest.raises(NonFiniteError) as caught:
        model.fit(1e4 * x, y, epochs=50, optimizer=tn.SGD(100.0), seed=0, verbose=0)
    assert re.search(r"the loss became (nan|inf) in epoch \d+, batch \d+", str(caught.value))
    assert "Try a smaller learning rate (now 100)" in str(caught.value)
    assert "The largest parameter is" in str(caught.value)


@both_ways
def test_an_interrupted_fit_leaves_theta_as_before_that_batch(compiled):
    before = []

    def interrupt(output, labels):
        before.append(model.theta.copy())
        if len(before) == 5:
            raise KeyboardInterrupt
        return 0.0

    model = linear()
    with pytest.raises(KeyboardInterrupt):
        run(model, metrics=[Metric(interrupt, mean=True)], compiled=compiled)
    np.testing.assert_array_equal(model.theta, before[4])
    assert (before[4] != before[3]).any()
    assert math.isfinite(run(model, compiled=compiled)[1].history["loss"][0])  # and training can go on


# --- what is refused: the error of the package, before anything is computed

X, Y = samples()
IMAGES = np.zeros((4, 28, 28), np.uint8)


def holed(value):
    x = X.copy()
    x[3, 1] = value
    return x


REFUSED = {
    "wrong rank": (ShapeError, {"x": X[:, None]}, r"layer 'input' .* must have shape \(n, 6\), but has \(22, 1, 6\)"),
    "wrong length": (ShapeError, {"x": X[:, :5]}, r"samples of shape \(6,\), so x must have shape \(n, 6\), but"),
    "a number": (ShapeError, {"x": 3.0}, r"must have shape \(n, 6\), but has \(\)"),
    "text": (DTypeError, {"x": "abc"}, "x must be an array of numbers, but has dtype <U3"),
    "ragged": (DTypeError, {"x": [[1, 2], [3]]}, "x must be an array of numbers, but cannot be made into an array"),
    "nan": (DataError, {"x": holed(np.nan)}, "x has NaN or infinite values, the first in sample 3; clean the data"),
    "infinity": (DataError, {"x": holed(-np.inf)}, "x has NaN or infinite values, the first in sample 3"),
    "empty": (DataError, {"x": X[:0], "y": Y[:0]}, r"x is empty: it has shape \(0, 6\); give at least one sample"),
    "label too large": (DataError, {"y": Y + 1}, "labels must be from 0 to 2 for 3 classes, but run from 1 to 3"),
    "label below 0": (DataError, {"y": Y - 1}, "labels must be from 0 to 2 for 3 classes, but run from -1 to 1"),
    "too few labels": (ShapeError, {"y": Y[:5]}, r"x has 22 samples, but y has shape \(5,\); each sample needs one"),
    "float labels": (DTypeError, {"y": Y * 1.0}, r"class numbers, so integers, but got dtype float64 .*astype\(int\)"),
    "column of labels": (
        ShapeError,
        {"y": Y[:, None]},
        r"have shape \(22,\) \(class numbers\) or \(22, 3\)",
    ),
    "rows that do not sum to 1": (
        DataError,
        {"y": np.full((22, 3), 0.5)},
        r"each >= 0 and with sum 1, .* 1\.5",
    ),
    "nan in labels": (DataError, {"y": np.full((22, 3), np.nan)}, "y has NaN or infinite values; clean the data"),
    "no labels": (DTypeError, {"y": None}, "y must be an array of numbers, but has dtype object"),
    "batch size 0": (ArgumentError, {"batch_size": 0}, "batch_size must be an integer of 1 or more, but got 0"),
    "half a sample": (ArgumentError, {"batch_size": 2.5}, r"batch_size must be an integer .* but got 2\.5"),
    "no epochs": (ArgumentError, {"epochs": 0}, "epochs must be an integer of 1 or more, but got 0"),
    "unknown loss": (ArgumentError, {"loss": "squares"}, 'loss must be "cross_entropy", .*"huber" or a function of'),
    "a loss of many numbers": (
        ArgumentError,
        {"loss": lambda o, y: o.sum(axis=0)},
        r"the loss must be a Tensor of one number, .* or of numbers for each sample, but is shape \(3,\)",
    ),
    "a loss that is not a tensor": (
        ArgumentError,
        {"loss": lambda o, y: 1.0},
        "must be a Tensor of one number, .*a float",
    ),
    "binary loss": (
        ShapeError,
        {"loss": "binary_cross_entropy"},
        r"output has shape \(22, 3\) and the labels have \(22,\); .* for class numbers use cross_entropy",
    ),
    "optimizer by name": (ArgumentError, {"optimizer": "sgd"}, r"must be an Optimizer, such as tn\.SGD\(0\.01\), but"),
    "optimizer class": (ArgumentError, {"optimizer": tn.SGD}, r"such as tn\.SGD\(0\.01\), but got <class"),
    "metric by name": (
        ArgumentError,
        {"metrics": ["acuracy"]},
        "this loss has no metric 'acuracy', only accuracy, bal",
    ),
    "metric of rows": (ArgumentError, {"metrics": [Metric(lambda o, y: o, mean=True)]}, "must return one number, but "),
    "verbose": (ArgumentError, {"verbose": 7}, r"verbose must be 0 \(silent\), 1 \(progress\) or 2 \(a line an epoch"),
    "seed": (ArgumentError, {"seed": -1}, "fit: seed must be None or an integer of 0 or more, but got -1"),
    "validation without labels": (
        ArgumentError,
        {"validation_data": X},
        r"validation_data must be a pair of samples and labels, \(x, y\), or .*, \(x, y, w\), but got a ndarray",
    ),
    "validation in fours": (
        ArgumentError,
        {"validation_data": (X, Y, Y, Y)},
        r"a pair .*\(x, y\), .*, but got 4 of them",
    ),
    "validation samples": (ShapeError, {"validation_data": (X[:, 1:], Y)}, r"^validation_data: layer 'input' .*22, 5"),
    "validation labels": (
        DataError,
        {"validation_data": (X, Y + 1)},
        "^validation_data: .* labels must be from 0 to 2",
    ),
    "empty validation": (DataError, {"validation_data": (X[:0], Y[:0])}, "^validation_data: x is empty"),
}


@both_ways
@pytest.mark.parametrize("case", REFUSED)
def test_fit_refuses_what_it_cannot_use_and_says_why(case, compiled):
    error, options, message = REFUSED[case]
    model = linear()
    before = model.theta.copy()
    with pytest.raises(error, match=message):
        model.fit(**{"x": X, "y": Y, "epochs": 1, "verbose": 0, "compiled": compiled, **options})
    np.testing.assert_array_equal(model.theta, before)


@pytest.mark.parametrize(
    "case", ["wrong rank", "text", "nan", "empty", "label too large", "unknown loss", "batch size 0"]
)
def test_evaluate_and_predict_refuse_the_same(case):
    error, options, message = REFUSED[case]
    model = linear()
    with pytest.raises(error, match=message):
        model.evaluate(**{"x": X, "y": Y, **options})
    if "y" not in options and "loss" not in options:
        with pytest.raises(error, match=message):
            model.predict(**{"x": X, **options})


def test_a_missing_flatten_is_suggested():
    model = tn.Sequential([tn.Input((28, 28, 1)), tn.Conv2D(10, 3)], seed=0)
    with pytest.raises(
        ShapeError,
        match=r"output has shape \(4, 26, 26, 10\), so labels must .* have \(4,\); is a Flatten layer missing",
    ):
        model.fit(IMAGES, np.zeros(4, int), verbose=0)


def test_a_model_without_parameters_is_not_trained():
    model = tn.Sequential([tn.Input((6,)), tn.Softmax()])
    with pytest.raises(ArgumentError, match="has no parameters, so there is nothing to train"):
        model.fit(X, np.arange(22) % 6, verbose=0)


def test_an_unknown_source_of_data_is_refused():
    with pytest.raises(
        ArgumentError, match="source='nowhere' is neither 'auto', 'full' or 'sample' nor a path that ex"
    ):
        tn.datasets.mnist("nowhere")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tn.SGD(0), "SGD: learning_rate must be a finite number above 0, but got 0"),
        (lambda: tn.SGD(math.nan), "learning_rate must be a finite number above 0, but got nan"),
        (lambda: tn.SGD("fast"), "learning_rate must be a finite number above 0, but got 'fast'"),
        (lambda: tn.SGD(0.1, momentum=1.0), r"momentum must be below 1, but got 1\.0"),
        (lambda: tn.SGD(0.1, weight_decay=-1), "weight_decay must be a finite number of 0 or more, but got -1"),
    ],
)
def test_sgd_checks_its_arguments(make, message):
    with pytest.raises(ArgumentError, match=message):
        make()


class Scaled(tn.Model):
    """Two layers with a factor between them, through which no gradient flows."""

    def __init__(self, factor):
        super().__init__(input_shape=(3,), seed=0)
        self.first, self.last, self.factor = tn.Dense(3), tn.Dense(4), factor

    def forward(self, x):
        h = self.first(x)
        with tn.no_grad():
            h = h * self.factor
        return self.last(h)


@both_ways
@pytest.mark.parametrize("factor", [1.0, 2.0])
def test_a_gradient_stops_where_nothing_is_recorded_whatever_the_factor(factor, compiled):
    model = Scaled(factor)
    model.predict(SMALL_X)
    before = model.parameters["dense.weight"].data.copy()
    losses_of(model, compiled=compiled)
    np.testing.assert_array_equal(model.parameters["dense.weight"].data, before)
    assert np.any(model.parameters["dense_1.bias"].data)


class Hidden:
    """Layers where no model looks for them."""

    def __init__(self, *layers):
        self.layers = layers


class OfHidden(tn.Layer):
    def __init__(self, hidden):
        self.hidden = hidden

    def forward(self, x):
        return self.hidden.layers[0](x)


def test_layers_that_a_model_cannot_see_are_refused():
    model = tn.Sequential([tn.Input((3,)), OfHidden(Hidden(tn.Dense(4)))], seed=0)
    with pytest.raises(ArgumentError, match=r"not parameters of the model, of the shapes \[\(3, 4\), \(4,\)\]"):
        losses_of(tn.Sequential([tn.Input((3,)), OfHidden(Hidden(tn.Dense(4))), tn.Dense(4)], seed=0))
    with pytest.raises(ArgumentError, match="no parameters"):
        losses_of(model)


def test_a_parameter_that_was_put_in_place_of_the_models_is_refused():
    model = small_network()
    model.predict(SMALL_X)
    model.layers[1].weight = tn.Tensor(np.ones((3, 5), np.float32), requires_grad=True)
    with pytest.raises(ArgumentError, match=r"\(3, 5\)"):
        losses_of(model)


def test_evaluate_measures_by_the_loss_of_the_last_fit():
    model = tn.Sequential([tn.Input((3,)), tn.Dense(1)], seed=0)
    x, y = np.arange(12.0).reshape(4, 3), np.array([1, 0, 1, 1])
    model.fit(x, y, epochs=1, loss="mse", optimizer=tn.SGD(1e-3), verbose=0)
    expected = np.mean((model.predict(x)[:, 0] - y) ** 2)
    assert model.evaluate(x, y)["loss"] == pytest.approx(expected, rel=1e-5)
    assert model.evaluate(x, y, loss="binary_cross_entropy")["loss"] != pytest.approx(expected)


def test_a_fit_that_is_refused_does_not_change_by_which_loss_evaluate_measures():
    model = tn.Sequential([tn.Input((3,)), tn.Dense(2)], seed=0)
    x, y = np.arange(12.0).reshape(4, 3), np.array([1, 0, 1, 1])
    before = model.evaluate(x, y)
    for bad in ({"epochs": 0}, {"batch_size": 0}, {"micro_batches": 0}, {"optimizer": "sgd"}):
        with pytest.raises(ArgumentError):
            model.fit(x, np.ones((4, 2)), loss="mse", verbose=0, **bad)
    assert model.evaluate(x, y) == before
