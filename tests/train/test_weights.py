"""Weights of samples and classes, and smoothed labels, in `fit`, `evaluate` and `Objective`."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet as tn
from tinynet.errors import ArgumentError, CheckpointError, DataError, DTypeError, ShapeError, TinynetError

RNG = np.random.default_rng(0)
N = 24
X = RNG.normal(size=(N, 5))
Y = np.argsort(RNG.normal(size=N)) % 3
W = RNG.integers(0, 4, N)
both_ways = pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "eager"])


def each_squared(output, labels):
    """A loss of the user's: a number for each sample."""
    return ((output - labels) ** 2).sum(axis=1)


LOSSES = {
    "classes": ("cross_entropy", 3, Y),
    "rows": ("cross_entropy", 3, RNG.dirichlet(np.ones(3), N)),
    "binary": ("binary_cross_entropy", 1, Y > 0),
    "several labels": ("binary_cross_entropy", 3, RNG.integers(0, 2, (N, 3))),
    "soft": ("binary_cross_entropy", 1, RNG.uniform(size=N)),
    "mse": ("mse", 2, RNG.normal(size=(N, 2))),
    "mae": ("mae", 1, RNG.normal(size=N)),
    "huber": ("huber", 1, RNG.normal(size=(N, 1))),
    "user's": (each_squared, 3, np.eye(3)[Y]),
    "partial": (partial(tn.ops.huber, delta=0.5), 1, RNG.normal(size=N)),
}
each_loss = pytest.mark.parametrize("name", LOSSES)


def network(outputs=3, dtype="float64"):
    return tn.Sequential([tn.Input((5,)), tn.Dense(4, "tanh"), tn.Dense(outputs)], seed=0, dtype=dtype)


def fit(model, x, y, **options):
    usual = {"epochs": 2, "batch_size": 8, "optimizer": tn.Adam(0.05), "seed": 3, "verbose": 0}
    return model.fit(x, y, **usual | options)


def copies(*arrays):
    return [np.repeat(a, W, axis=0) for a in arrays]


# --- the law: a weight of k is k copies, and one of 0 none


@both_ways
@each_loss
def test_a_weight_of_k_is_k_copies_and_one_of_0_none(name, compiled):
    loss, outputs, y = LOSSES[name]
    one, other = network(outputs), network(outputs)
    options = {"batch_size": None, "loss": loss, "compiled": compiled, "metrics": []}
    weighted = fit(one, X, y, sample_weight=W, validation_data=(X, y, W), **options).history
    copied = fit(other, *copies(X, y), validation_data=copies(X, y), **options).history
    np.testing.assert_allclose(one.theta, other.theta, rtol=1e-10)
    assert weighted.keys() == {"loss", "val_loss"}
    for measure, values in weighted.items():
        assert values == pytest.approx(copied[measure], rel=1e-10)


@both_ways
@each_loss
def test_evaluate_weighs_whatever_the_batches(name, compiled):
    loss, outputs, y = LOSSES[name]
    model = network(outputs)
    options = {"loss": loss, "metrics": [], "compiled": compiled}
    expected = model.evaluate(*copies(X, y), **options)["loss"]
    weights = np.array([*W[:-3], 0, 0, 0])
    x, y = np.append(X[:-3], 100 * X[-3:], axis=0), y
    repeated = [np.repeat(a, weights, axis=0) for a in (x, y)]
    assert model.evaluate(X, y, sample_weight=W, batch_size=7, **options)["loss"] == pytest.approx(expected, rel=1e-12)
    for size in (3, 24):  # the last three together have no weight
        found = model.evaluate(x, y, sample_weight=weights, batch_size=size, **options)["loss"]
        assert found == pytest.approx(model.evaluate(*repeated, **options)["loss"], rel=1e-12)


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("batch_size", [None, 3])
@each_loss
def test_an_objective_weighs_as_copies_do(name, batch_size, compiled):
    loss, outputs, y = LOSSES[name]
    options = {"l2": 0.1, "compiled": compiled, "batch_size": batch_size}
    model = network(outputs)
    weighted = tn.Objective(model, X, y, loss, sample_weight=W, **options)
    copied = tn.Objective(model, *copies(X, y), loss, **options)
    theta, v = model.theta + 0.1, np.ones(model.theta.size)
    (a, g), (b, h) = (objective.value_and_gradient(theta) for objective in (weighted, copied))
    assert a == pytest.approx(b, rel=1e-12)
    assert weighted.value(theta) == pytest.approx(b, rel=1e-12)
    np.testing.assert_allclose(g, h, atol=1e-13)
    np.testing.assert_allclose(weighted.hvp(theta, v), copied.hvp(theta, v), atol=1e-12)
    assert weighted.along(theta, v)(0.3) == pytest.approx(copied.along(theta, v)(0.3), rel=1e-12)


@pytest.mark.parametrize("optimizer", [tn.GradientDescent(), tn.Newton()], ids=["descent", "newton"])
def test_line_searches_weigh_in_fit(optimizer):
    models = [tn.Sequential([tn.Input((5,)), tn.Dense(1, "sigmoid")], seed=0, dtype="float64") for _ in range(2)]
    y = Y > 0
    options = {"loss": "binary_cross_entropy", "batch_size": None, "optimizer": optimizer, "epochs": 3}
    fit(models[0], X, y, sample_weight=W, **options)
    fit(models[1], *copies(X, y), **options)
    np.testing.assert_allclose(models[0].theta, models[1].theta, rtol=1e-9)


@both_ways
@pytest.mark.parametrize("micro_batches", [2, 3, 8])
@pytest.mark.parametrize("name", ["classes", "user's"])
def test_micro_batches_weigh_as_whole_batches_do(name, micro_batches, compiled):
    loss, outputs, y = LOSSES[name]
    models = [network(outputs) for _ in range(2)]
    weights = W * (np.arange(N) != 2) + (np.arange(N) % 8 == 0)  # so that some parts have no weight
    options = {"loss": loss, "sample_weight": weights, "shuffle": False, "compiled": compiled}
    whole = fit(models[0], X, y, **options).history
    parts = fit(models[1], X, y, micro_batches=micro_batches, **options).history
    np.testing.assert_allclose(models[1].theta, models[0].theta, rtol=1e-9)
    assert parts["loss"] == pytest.approx(whole["loss"], rel=1e-12)


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 100))
def test_only_the_ratio_of_weights_counts(seed, factor):
    weights = np.random.default_rng(seed).uniform(size=N)
    model = network()
    losses = [model.evaluate(X, Y, sample_weight=w)["loss"] for w in (weights, factor * weights)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-12)


@both_ways
def test_the_loss_of_an_epoch_is_the_weighted_mean_over_it_and_metrics_count_alike(compiled):
    model = network()
    weights = RNG.uniform(size=N)
    rate = tn.SGD(1e-12)  # so that the model is the same in all batches
    found = fit(model, X, Y, optimizer=rate, batch_size=7, epochs=1, sample_weight=weights, compiled=compiled).history
    output = model.predict(X)
    losses = np.log(np.exp(output).sum(axis=1)) - output[np.arange(N), Y]
    assert found["loss"][0] == pytest.approx((weights * losses).sum() / weights.sum(), rel=1e-9)
    assert found["accuracy"][0] == pytest.approx(np.mean(output.argmax(axis=1) == Y))


def test_a_sample_without_weight_may_have_an_infinite_loss():
    model = tn.Sequential([tn.Input((1,)), tn.Dense(1, kernel_init="zeros")], dtype="float64")
    found = model.evaluate([[1.0], [2.0]], [1.0, 1e200], loss="mse", sample_weight=[1, 0])
    assert found["loss"] == 1


@both_ways
def test_steps_of_sequences_are_masked(compiled):
    """Weights may have further axes of the labels, as where sequences are shorter than others."""
    x, y = RNG.normal(size=(6, 4, 5)), RNG.integers(0, 3, (6, 4))
    mask = np.arange(4) < RNG.integers(1, 5, (6, 1))
    model = tn.Sequential([tn.Input((4, 5)), tn.LSTM(4, return_sequences=True), tn.Dense(3)], seed=0, dtype="float64")
    found = model.evaluate(x, y, sample_weight=mask, compiled=compiled)["loss"]
    logs = tn.ops.log_softmax(model(x)).data
    expected = [-logs[i, t, y[i, t]] for i in range(6) for t in range(4) if mask[i, t]]
    assert found == pytest.approx(np.mean(expected), rel=1e-12)
    history = fit(model, x, y, sample_weight=mask, loss="cross_entropy", compiled=compiled).history
    assert history["loss"][-1] < found
    assert 0 <= history["accuracy"][-1] <= 1


# --- classes


def test_balanced_classes_count_alike():
    y = np.array([0] * 20 + [2] * 4)
    expected = np.where(y == 0, 24 / 40, 24 / 8)
    found = [
        network().evaluate(X, y, **given_)["loss"]
        for given_ in (
            {"sample_weight": expected},
            {"class_weight": "balanced"},
            {"class_weight": {0: 24 / 40, 2: 24 / 8}},
            {"class_weight": [24 / 40, 5.0, 24 / 8]},
        )
    ]
    assert found == [found[0]] * 4


@pytest.mark.parametrize("name", ["classes", "binary"])
@pytest.mark.parametrize("form", [lambda y: y, lambda y: y[:, None], lambda y: y.astype(int)])
def test_weights_of_classes_multiply_those_of_samples(name, form):
    loss, outputs, y = LOSSES[name]
    if form(y).ndim > 1 and name == "classes":
        y, form = np.eye(3)[y], lambda rows: rows
    by_class = {0: 2.0, 1: 0.5, 2: 3.0}
    numbers = y.argmax(axis=1) if y.ndim > 1 else y
    weights = W * [by_class[int(c)] for c in numbers]
    models = [network(outputs) for _ in range(2)]
    fit(models[0], X, form(y), loss=loss, sample_weight=W, class_weight=by_class)
    fit(models[1], X, form(y), loss=loss, sample_weight=weights)
    np.testing.assert_array_equal(models[0].theta, models[1].theta)


def test_validation_has_weights_of_its_own():
    model = network()
    history = fit(model, X, Y, class_weight="balanced", validation_data=(X, Y), epochs=1).history
    assert history["val_loss"] == [model.evaluate(X, Y)["loss"]]
    history = fit(model, X, Y, validation_data=(X, Y, W), epochs=1).history
    assert history["val_loss"] == [model.evaluate(X, Y, sample_weight=W)["loss"]]


# --- smoothed labels


@both_ways
@pytest.mark.parametrize("name", ["classes", "rows", "binary", "soft"])
def test_labels_are_smoothed_in_fit_validation_and_evaluate(name, compiled):
    loss, outputs, y = LOSSES[name]
    rows = np.eye(3)[y] if name == "classes" else np.asarray(y, float)
    smoothed = 0.8 * rows + 0.2 / max(2, outputs)
    models = [network(outputs) for _ in range(2)]
    options = {"loss": loss, "compiled": compiled, "sample_weight": W + 1}
    found = fit(models[0], X, y, label_smoothing=0.2, validation_data=(X, y), **options).history
    expected = fit(models[1], X, smoothed, validation_data=(X, smoothed), **options).history
    np.testing.assert_allclose(models[0].theta, models[1].theta, rtol=1e-9)
    for measure, values in found.items():
        assert values == pytest.approx(expected[measure], rel=1e-10)
    assert models[0].evaluate(X, y)["loss"] == pytest.approx(models[1].evaluate(X, smoothed)["loss"], rel=1e-10)
    assert models[0].evaluate(X, y, loss=loss) == pytest.approx(models[1].evaluate(X, y, loss=loss), rel=1e-10)


def test_a_function_of_tinynet_has_the_metrics_that_it_has_by_name():
    named = fit(network(), X, Y, label_smoothing=0.1).history
    for loss in (partial(tn.ops.cross_entropy, label_smoothing=0.1),):
        assert fit(network(), X, Y, loss=loss).history == named
    assert fit(network(), X, Y, loss=tn.ops.cross_entropy).history == fit(network(), X, Y).history


def test_evaluate_keeps_its_plan():
    model = network()
    fit(model, X, Y, sample_weight=W, label_smoothing=0.1)
    for _ in range(3):
        model.evaluate(X, Y, sample_weight=W)
    assert [made.traces for made, _ in model.plans.values()] == [1]


# --- bits


def test_the_bits_are_the_same_for_any_number_of_threads():
    found = set()
    options = {"sample_weight": W + 0.5, "class_weight": "balanced", "label_smoothing": 0.1, "micro_batches": 2}
    for threads in (1, 2):
        tn.set_num_threads(threads)
        try:
            model = network(dtype="float32")
            history = fit(model, X, Y, **options)
            found.add((model.theta.tobytes(), str(history.history)))
        finally:
            tn.set_num_threads(1)
    assert len(found) == 1


@pytest.mark.parametrize("micro_batches", [1, 2])
def test_a_resumed_run_has_the_same_bits(micro_batches, tmp_path):
    options = {"sample_weight": W + 0.5, "class_weight": {0: 1, 1: 2, 2: 3}, "micro_batches": micro_batches}
    options |= {"label_smoothing": 0.1, "validation_data": (X, Y, W)}
    whole, halted, resumed = network(), network(), network()

    def halt(run):
        if (run.epoch, run.batch) == (1, 2):
            run.save(tmp_path / "last")

    class Halt:
        def on_batch_end(self, run):
            halt(run)

    expected = fit(whole, X, Y, **options).history
    fit(halted, X, Y, callbacks=[Halt()], **options)
    found = fit(resumed, X, Y, resume=tmp_path / "last", **options).history
    assert resumed.theta.tobytes() == whole.theta.tobytes()
    assert found == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sample_weight": W + 2}, r"checksums of the data .*; sample_weight \d+, now \d+"),
        ({"sample_weight": None}, r"sample_weight \d+, now None"),
        ({"class_weight": {0: 1, 1: 1, 2: 2}}, r"class_weight None, now {'0': 1\.0, '1': 1\.0, '2': 2\.0}"),
        ({"class_weight": "balanced"}, "class_weight None, now 'balanced'"),
        ({"label_smoothing": 0.1}, r"loss 'cross_entropy', now 'cross_entropy with label_smoothing=0\.1'"),
        ({"validation_data": (X, Y, W)}, "checksums of the data"),
    ],
)
def test_a_resumed_run_has_the_same_weights(options, message, tmp_path):
    usual = {"sample_weight": W + 1, "validation_data": (X, Y)}
    fit(network(), X, Y, callbacks=[tn.Checkpoint(tmp_path / "last")], **usual)
    model = network()
    before = model.theta.copy()
    with pytest.raises(CheckpointError, match=message):
        fit(model, X, Y, resume=tmp_path / "last", **usual | options)
    np.testing.assert_array_equal(model.theta, before)


# --- what makes no sense

BAD = np.array([*np.ones(N - 1), np.nan])
REFUSED = {
    "negative": (DataError, {"sample_weight": -np.ones(N)}, "finite numbers of 0 or more, but has -1.0 at 0"),
    "NaN": (DataError, {"sample_weight": BAD}, "finite numbers of 0 or more, but has nan at 23"),
    "infinite": (DataError, {"sample_weight": np.full(N, np.inf)}, "but has inf at 0"),
    "too few": (ShapeError, {"sample_weight": np.ones(N - 1)}, r"one number for each sample, so shape \(24,\)"),
    "one": (ShapeError, {"sample_weight": 1.0}, r"shape \(24,\), but has shape \(\)"),
    "a column": (ShapeError, {"sample_weight": np.ones((N, 1))}, r"\(24, 1\); take its only column, w\[:, 0\]"),
    "texts": (DTypeError, {"sample_weight": ["a"] * N}, "sample_weight must be an array of numbers"),
    "all zero": (DataError, {"sample_weight": np.zeros(N)}, "all weights are 0, so there is no mean"),
    "all classes zero": (DataError, {"class_weight": [0, 0, 0]}, "all weights are 0, so there is no mean"),
    "a class without": (DataError, {"class_weight": {0: 1.0, 2: 1.0}}, "no weight for class 1, which is among"),
    "too few classes": (DataError, {"class_weight": [1.0, 2.0]}, "no weight for class 2, .* classes 0, 1, 2"),
    "a negative class": (ArgumentError, {"class_weight": [1, -1, 1]}, "of class 1 must be a finite number"),
    "a name": (ArgumentError, {"class_weight": {"cat": 1.0}}, "by class numbers, .* but got 'cat'"),
    "an unknown word": (ArgumentError, {"class_weight": "equal"}, "\"balanced\", but got 'equal'"),
    "one for all": (ArgumentError, {"class_weight": 2.0}, '"balanced", but got 2.0'),
    "ragged classes": (DTypeError, {"class_weight": [[1], [2, 3]]}, "class_weight must be an array of num"),
    "rows of classes": (ArgumentError, {"class_weight": [[1.0, 2.0]]}, '"balanced", but got \\[\\[1.0, 2.0\\]\\]'),
    "smoothing": (ArgumentError, {"label_smoothing": 1.5}, "label_smoothing must be .* at most 1, but got 1.5"),
    "validation": (DataError, {"validation_data": (X, Y, -W - 1)}, "^validation_data: sample_weight must have finite"),
    "no mean": (
        ArgumentError,
        {"loss": lambda o, y: o.mean(), "sample_weight": W + 1},
        r"with weights, the loss must return a number for each of them, .* \(8,\), .*; but it returned shape \(\)",
    ),
}


@both_ways
@pytest.mark.parametrize("case", REFUSED)
def test_weights_that_make_no_sense_are_refused_before_anything_is_changed(case, compiled):
    error, options, message = REFUSED[case]
    model = network()
    before = model.theta.copy()
    with pytest.raises(error, match=message) as caught:
        fit(model, X, Y, compiled=compiled, **options)
    assert isinstance(caught.value, TinynetError)
    np.testing.assert_array_equal(model.theta, before)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("rows", r"whole numbers \(n,\) or one-hot rows \(n, K\), but the labels have shape \(24, 3\)"),
        ("several labels", r"whole numbers \(n,\), but the labels have shape \(24, 3\)"),
        ("mse", "give sample_weight instead"),
        ("mae", "give sample_weight instead"),
    ],
)
def test_labels_that_are_no_classes_have_no_weights_by_class(name, message):
    loss, outputs, y = LOSSES[name]
    with pytest.raises(DataError, match=message):
        network(outputs).evaluate(X, y, loss=loss, class_weight="balanced")


@pytest.mark.parametrize("loss", ["mse", lambda o, y: o.sum()])
def test_only_entropies_smooth_labels(loss):
    with pytest.raises(ArgumentError, match="is for the losses cross_entropy and binary_cross_entropy, but the"):
        fit(network(1), X, Y, loss=loss, label_smoothing=0.1)


@both_ways
@pytest.mark.parametrize("micro_batches", [1, 2])
def test_a_batch_of_no_weight_is_an_error_that_changes_nothing(micro_batches, compiled):
    model = network()
    weights = np.array([1] * 8 + [0] * 8 + [1] * 8)
    with pytest.raises(DataError, match=r"all 8 samples of a batch have the weight 0, .* leave out the samples"):
        fit(model, X, Y, sample_weight=weights, shuffle=False, compiled=compiled, micro_batches=micro_batches)
    expected = network()
    fit(expected, X[:8], Y[:8], epochs=1, shuffle=False, compiled=compiled, micro_batches=micro_batches)
    np.testing.assert_allclose(model.theta, expected.theta, rtol=1e-12)


# --- labels (n,) and outputs (n, 1), for losses of the user's

PAIRS = {
    "sum of squares": lambda o, y: ((o - y) ** 2).mean(),
    "for each sample": lambda o, y: abs(o - y),
    "reversed": lambda o, y: ((y - o) * (y - o)).mean(),
    "product": lambda o, y: -(o * y).mean(),
}


@pytest.mark.parametrize("loss", PAIRS)
@pytest.mark.parametrize("way", ["fit", "fit eager", "evaluate", "Objective", "validation"])
@pytest.mark.parametrize("reverse", [False, True])
def test_all_pairs_are_refused_everywhere(loss, way, reverse):
    layers = [tn.Dense(1), *([tn.Reshape(())] if reverse else [])]
    model = tn.Sequential([tn.Input((5,)), *layers], seed=0)
    y = Y[:, None] if reverse else Y
    right = Y if reverse else Y[:, None]
    call = {
        "fit": lambda: fit(model, X, y, loss=PAIRS[loss]),
        "fit eager": lambda: fit(model, X, y, loss=PAIRS[loss], compiled=False),
        "evaluate": lambda: model.evaluate(X, y, loss=PAIRS[loss]),
        "Objective": lambda: tn.Objective(model, X, y, PAIRS[loss]),
        "validation": lambda: fit(model, X, right, loss=PAIRS[loss], validation_data=(X, y)),
    }[way]
    shapes = ("(n,)", "(n, 1)") if reverse else ("(n, 1)", "(n,)")
    with pytest.raises(ShapeError) as caught:
        call()
    assert f"outputs of shape {shapes[0]} and labels of shape {shapes[1]} to (n, n)" in str(caught.value)
    assert np.isfinite(model.evaluate(X, right, loss=PAIRS[loss])["loss"])


@both_ways
def test_metrics_of_a_set_count_all_samples_alike(compiled):
    options = {"metrics": ["accuracy", "f1"], "compiled": compiled}
    model = network()
    found = fit(model, X, Y, sample_weight=W + 1, validation_data=(X, Y, W), **options).history
    assert found.keys() == {"loss", "accuracy", "f1", "val_loss", "val_accuracy", "val_f1"}
    plain = model.evaluate(X, Y, **options)
    weighted = model.evaluate(X, Y, sample_weight=W, **options)
    assert {**weighted, "loss": 0} == {**plain, "loss": 0}
    assert found["val_f1"][-1] == plain["f1"]
    assert found["val_loss"][-1] == weighted["loss"]
