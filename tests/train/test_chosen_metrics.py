"""Metrics of one's choice in `fit` and `evaluate`: their names, how they combine, what they may do, exact resume."""

from functools import partial

import numpy as np
import pytest

import tinynet as tn
from tinynet.errors import ArgumentError, CheckpointError
from tinynet.train.metrics import Metric, f1, roc_auc

X = np.random.default_rng(0).normal(size=(90, 4)).astype(np.float32)
Y = (X[:, 0] + 0.3 * X[:, 1] > 0.4).astype(int)


def model(outputs=2, activation=None):
    return tn.Sequential([tn.Input((4,)), tn.Dense(outputs, activation)], seed=0)


def fit(made=None, metrics=(), **options):
    made = made or model()
    usual = {"epochs": 2, "batch_size": 16, "seed": 0, "verbose": 0}
    return made.fit(X, Y, metrics=list(metrics), **usual | options).history


def share_of_ones(output, labels):
    return float(np.mean(labels))


def spread(output, labels):
    return output.max() - output.min()


@pytest.mark.parametrize("compiled", [True, False])
def test_what_is_no_mean_is_computed_once_on_all_samples(compiled):
    seen = []

    def noted(output, labels):
        seen.append((output.copy(), labels.copy()))
        return spread(output, labels)

    made = model()
    found = made.evaluate(X, Y, batch_size=7, metrics=[noted, "f1"], compiled=compiled)
    ((output, labels),) = seen
    np.testing.assert_allclose(output, made.predict(X), rtol=1e-6)
    np.testing.assert_array_equal(labels, Y)
    assert found["noted"] == pytest.approx(np.ptp(made.predict(X)))
    assert found["f1"] == f1(made.predict(X), Y)
    assert list(found) == ["loss", "noted", "f1"]


@pytest.mark.parametrize("compiled", [True, False])
def test_the_batch_size_does_not_matter(compiled):
    made = model()
    names = ["f1", "roc_auc", "average_precision", "recall", spread]
    wanted = made.evaluate(X, Y, batch_size=len(X), metrics=names, compiled=compiled)
    for size in (1, 16, 89):
        assert made.evaluate(X, Y, batch_size=size, metrics=names, compiled=compiled) == pytest.approx(wanted, rel=1e-6)


def test_on_training_batches_they_are_of_the_outputs_of_an_epoch():
    batches, sizes = [], []

    def note(output, labels):
        batches.append((output.copy(), labels.copy()))
        return 0.0

    def size(output, labels):
        sizes.append(len(output))
        return spread(output, labels)

    history = fit(metrics=[Metric(note, mean=True), size])
    assert sizes == [90, 90]
    for epoch in range(2):
        outputs = np.concatenate([output for output, _ in batches[6 * epoch : 6 * epoch + 6]])
        assert history["size"][epoch] == pytest.approx(np.ptp(outputs))


def ops_of_step(run):
    return [call.name for plan in run.step.compiled.plans for call in plan.calls]


@pytest.mark.parametrize("weights", [None, np.linspace(0.5, 2, len(X))])
def test_a_step_computes_no_outputs_that_nobody_measures(weights):
    ops, thetas = [], []
    for metrics in ([], ["accuracy"]):
        made = model(activation="softmax")
        callbacks = [lambda run: ops.append(ops_of_step(run))]
        assert list(fit(made, metrics, epochs=1, sample_weight=weights, callbacks=callbacks)) == ["loss", *metrics]
        thetas.append(made.theta)
    assert "softmax" in ops[1]
    assert "softmax" not in ops[0]
    np.testing.assert_array_equal(*thetas)


def test_a_mean_is_taken_over_the_samples_batch_by_batch():
    sizes = []

    def first(output, labels):
        sizes.append(len(output))
        return labels[0]

    fit(metrics=[Metric(first, "mine", mean=True)], epochs=1)
    assert sizes == [16] * 5 + [10]
    found = model().evaluate(X, Y, batch_size=40, metrics=[Metric(first, mean=True)])
    assert found["first"] == pytest.approx((40 * Y[0] + 40 * Y[40] + 10 * Y[80]) / 90)


def test_what_is_measured_on_training_batches_is_chosen():
    metrics = ["accuracy", Metric("f1", training=False), Metric(spread, training=False), Metric("accuracy", "right")]
    history = fit(metrics=metrics, validation_data=(X, Y))
    assert list(history) == [
        "loss",
        "accuracy",
        "right",
        "val_loss",
        "val_accuracy",
        "val_right",
        "val_f1",
        "val_spread",
    ]
    assert history["right"] == history["accuracy"]


LOSSES = {  # a model that ends with logits, one that ends with probabilities, and the labels
    "cross_entropy": (model, partial(model, activation="softmax")),
    "binary_cross_entropy": (partial(model, 1), partial(model, 1, "sigmoid")),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_logits_are_made_into_probabilities_where_a_metric_needs_them(loss):
    names = ["accuracy", "f1", "roc_auc", Metric(roc_auc, "area"), Metric(f1, "f", training=False), spread]
    logits, probabilities = (make().evaluate(X, Y, loss=loss, metrics=names) for make in LOSSES[loss])
    assert logits["spread"] > 1 > probabilities["spread"]
    logits, probabilities = ({k: v for k, v in d.items() if k != "spread"} for d in (logits, probabilities))
    assert logits == pytest.approx(probabilities, rel=1e-5)
    assert logits["area"] == logits["roc_auc"]


def test_with_several_labels_each_output_answers_a_question_of_its_own():
    labels = (X[:, :3] > 0.2).astype(int)
    names = ["f1", "roc_auc", "recall", Metric(partial(f1, threshold=0.7), "strict")]
    for activation in (None, "sigmoid"):
        made = model(3, activation)
        output = made.predict(X)
        probabilities = output if activation else 1 / (1 + np.exp(-output))
        found = made.evaluate(X, labels, loss="binary_cross_entropy", metrics=names)
        assert found["f1"] == f1(probabilities, labels, threshold=0.5)
        assert found["strict"] == f1(probabilities, labels, threshold=0.7)
        assert found["roc_auc"] == pytest.approx(roc_auc(output, labels), rel=1e-6)


def test_sequences_and_weights_are_measured_too():
    x = np.random.default_rng(1).normal(size=(12, 5, 4))
    labels = x[..., :3].argmax(axis=-1)
    made = tn.Sequential([tn.Input((5, 4)), tn.Dense(3)], seed=0)
    found = made.fit(x, labels, epochs=2, verbose=0, seed=0, metrics=["accuracy", "f1"], validation_data=(x, labels),
                     sample_weight=np.linspace(0.5, 1, 12)).history  # fmt: skip
    assert found["val_f1"][-1] == f1(made.predict(x), labels)
    assert len(found["f1"]) == 2


def test_a_metric_may_not_write_into_its_arguments():
    def rude(output, labels):
        labels[...] = 0
        return 0.0

    labels = Y.copy()
    for mean in (True, False):
        with pytest.raises(ValueError, match="read-only"):
            model().evaluate(X, labels, metrics=[Metric(rude, mean=mean)])
    np.testing.assert_array_equal(labels, Y)


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        (["f2"], "no metric 'f2', only accuracy, balanced_accuracy, .*; give a function, such as those of tn.metrics"),
        ("f1", "metrics must be a list of functions, Metrics and names, but got 'f1'"),
        (spread, "metrics must be a list"),
        ([3], r"a metric must be a function of \(output, labels\) as arrays, or the name of one, but got 3"),
        ([spread, spread], "2 metrics are called 'spread'; name them, as in tn.metrics.Metric"),
        ([lambda o, y: 0.0, lambda o, y: 1.0], "2 metrics are called '<lambda>'"),
        ([partial(f1, average="micro"), "f1"], "2 metrics are called 'f1'"),
    ],
)
def test_what_is_no_list_of_metrics_is_refused_before_anything_is_computed(metrics, message):
    made = model()
    before = made.theta.copy()
    for use in (made.fit, made.evaluate):
        with pytest.raises(ArgumentError, match=message):
            use(X, Y, metrics=metrics)
    np.testing.assert_array_equal(made.theta, before)


@pytest.mark.parametrize("name", ["loss", "val_loss", "seconds", "epoch", "learning_rate", "", 3])
def test_names_of_other_things_are_refused(name):
    with pytest.raises(ArgumentError, match=f"a metric cannot be called {name!r}"):
        Metric(spread, name)


def loss(output, labels):
    return 0.0


def test_a_function_called_loss_does_not_replace_the_loss():
    with pytest.raises(ArgumentError, match="a metric cannot be called 'loss'"):
        model().fit(X, Y, metrics=[loss])


def test_a_loss_of_ones_own_has_no_accuracy_by_name():
    own = lambda output, labels: output.mean()  # noqa: E731
    with pytest.raises(ArgumentError, match="this loss has no metric 'accuracy', only balanced_accuracy"):
        model().evaluate(X, Y, loss=own, metrics=["accuracy"])
    assert model().evaluate(X, Y, loss=own, metrics=[tn.metrics.accuracy])["accuracy"] > 0


def test_a_metric_returns_one_number():
    for given in (lambda o, y: o, lambda o, y: None):
        with pytest.raises(ArgumentError, match="metric <lambda> must return one number, but returned"):
            model().evaluate(X, Y, metrics=[given])


def test_a_metric_of_a_loss_is_not_called_by_itself():
    with pytest.raises(ArgumentError, match="'accuracy' is one of a loss; only fit and evaluate"):
        Metric("accuracy")([[0.1, 0.9]], [1])


def test_a_metric_says_what_it_is():
    assert repr(Metric("accuracy")) == "<Metric accuracy: mean>"
    assert repr(Metric(spread, training=False)) == "<Metric spread: of a set, not in training>"
    assert Metric(f1, "macro F1")([0.2, 0.8], [0, 1]) == 1


def test_a_run_that_is_resumed_within_an_epoch_measures_all_of_it(tmp_path):
    metrics = ["f1", share_of_ones, spread]
    options = {"validation_data": (X, Y)}
    for stop_at in (2, 6):  # after 2 of 6 batches, and after the last
        path = tmp_path / f"{stop_at}.safetensors"

        class Stop:
            def on_batch_end(self, run, stop_at=stop_at):
                if run.epoch == 1 and run.batch == stop_at:
                    run.ending = True

        fit(metrics=metrics, callbacks=[tn.Checkpoint(path), Stop()], epochs=3, **options)
        resumed = fit(metrics=metrics, callbacks=[tn.Checkpoint(path)], resume=path, epochs=3, **options)
        assert resumed == fit(metrics=metrics, epochs=3, **options)


def test_a_run_is_not_resumed_with_metrics_that_combine_in_another_way(tmp_path):
    path = tmp_path / "last.safetensors"
    fit(metrics=[spread], callbacks=[tn.Checkpoint(path)], epochs=1)
    with pytest.raises(CheckpointError, match=r"metrics \['spread of a set'\], now \['spread'\]"):
        fit(metrics=[Metric(spread, mean=True)], callbacks=[tn.Checkpoint(path)], resume=path)


def test_optimizers_with_a_line_search_measure_in_validation_alone():
    made = tn.Sequential([tn.Input((4,)), tn.Dense(2)], seed=0, dtype="float64")
    history = made.fit(
        X,
        Y,
        batch_size=None,
        optimizer=tn.GradientDescent(),
        metrics=["f1"],
        epochs=2,
        verbose=0,
        validation_data=(X, Y),
    ).history
    assert "f1" not in history
    assert history["val_f1"][-1] == f1(made.predict(X), Y)


def test_micro_batches_are_measured_as_one():
    names = ["f1", spread]
    whole, cut = fit(metrics=names), fit(metrics=names, micro_batches=3)
    assert cut["f1"] == pytest.approx(whole["f1"], abs=1e-6)
    assert cut["spread"] == pytest.approx(whole["spread"], rel=1e-5)
