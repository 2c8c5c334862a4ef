"""The estimators keep the contract of scikit-learn, by its own checks, and work in its tools."""

import copy
import multiprocessing
import pickle
import subprocess
import sys
import warnings
from collections import Counter

import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits, load_iris, make_multilabel_classification, make_regression
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import tinynet as tn
from tinynet.errors import ArgumentError
from tinynet.sklearn import NetClassifier, NetRegressor

X, Y = load_iris(return_X_y=True)
X = StandardScaler().fit_transform(X)
NAMES = np.array(["setosa", "versicolor", "virginica"])


def classifier(**options):
    return NetClassifier(**{"hidden_layers": (8,), "epochs": 40, "random_state": 0} | options)


def regressor(**options):
    return NetRegressor(**{"hidden_layers": (8,), "epochs": 20, "random_state": 0} | options)


def convolutional(input_shape, outputs):
    """Of images; makes logits."""
    layers = [tn.Input(input_shape), tn.Conv2D(4, 3, activation="relu"), tn.MaxPool(2), tn.Flatten()]
    return tn.Sequential([*layers, tn.Dense(outputs)], dtype="float64")


class Normalised(tn.Layer):
    """A layer of the user's, which no file of tinynet knows by itself."""

    def forward(self, x):
        return x - x.mean(1, keepdims=True)


def with_a_layer_of_the_users(input_shape, outputs):
    return tn.Sequential([tn.Input(input_shape), Normalised(), tn.Dropout(0.2), tn.Dense(outputs, "softmax")])


# --- the checks of scikit-learn

SKIPPED = {
    "check_array_api_input",  # needs SCIPY_ARRAY_API in the environment
    "check_classifiers_multilabel_output_format_decision_function",  # of estimators that have a decision_function
}


@pytest.mark.parametrize(("estimator", "least"), [(NetClassifier(), 60), (NetRegressor(), 55)], ids=["class", "number"])
def test_all_checks_of_scikit_learn_pass(estimator, least):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of scikit-learn, about what it tries
        checks = check_estimator(estimator, on_fail=None, on_skip=None)
    others = {
        check["check_name"]: check["exception"] for check in checks if check["status"] not in ("passed", "skipped")
    }
    assert others == {}
    assert {check["check_name"] for check in checks if check["status"] == "skipped"} <= SKIPPED
    assert Counter(check["status"] for check in checks)["passed"] >= least


# --- its tools


@pytest.mark.slow
def test_a_grid_search_over_a_pipeline_in_two_processes():
    pipeline = make_pipeline(StandardScaler(), classifier())
    grid = {
        "netclassifier__hidden_layers": [(4,), (8, 8)],
        "netclassifier__optimizer": [tn.Adam(0.01), tn.SGD(0.1, momentum=0.9)],
    }
    alone, both = (GridSearchCV(pipeline, grid, cv=2, n_jobs=jobs).fit(X, NAMES[Y]) for jobs in (1, 2))
    assert both.best_score_ > 0.9
    np.testing.assert_array_equal(alone.cv_results_["mean_test_score"], both.cv_results_["mean_test_score"])
    np.testing.assert_array_equal(alone.predict_proba(X), both.predict_proba(X))


@pytest.mark.parametrize(
    "make",
    [
        lambda: CalibratedClassifierCV(classifier(optimizer=tn.Adam(0.01)), cv=2),
        lambda: VotingClassifier([("net", classifier()), ("line", LogisticRegression())], voting="soft"),
        lambda: StackingClassifier([("net", classifier())], LogisticRegression(), cv=2),
    ],
    ids=["calibrated", "voting", "stacking"],
)
def test_it_is_part_of_other_estimators(make):
    assert make().fit(X, NAMES[Y]).score(X, NAMES[Y]) > 0.8


def test_cross_validation_and_permutation_importance():
    assert cross_val_score(classifier(optimizer=tn.Adam(0.01)), X, Y, cv=3).mean() > 0.85
    only_the_first = (X[:, 0] > 0).astype(int)
    found = permutation_importance(classifier(optimizer=tn.Adam(0.05)).fit(X, only_the_first), X, only_the_first)
    assert found.importances_mean.argmax() == 0


def fitted_theta(seed):
    return classifier(random_state=seed).fit(X, Y).network_.theta


@pytest.mark.parametrize("backend", [pytest.param("loky", marks=pytest.mark.slow), "threading"])
def test_workers_of_joblib_make_the_same_bits(backend):
    with joblib.parallel_config(backend, n_jobs=2):
        found = joblib.Parallel()(joblib.delayed(fitted_theta)(seed) for seed in range(4))
    for seed, theta in enumerate(found):
        np.testing.assert_array_equal(theta, fitted_theta(seed))


def test_forked_workers_make_the_same_bits():
    here = [fitted_theta(seed) for seed in range(2)]  # so that there are threads to lose by the fork
    context = multiprocessing.get_context("fork")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of Python, about a fork beside threads
        with context.Pool(2) as pool:
            there = pool.map_async(fitted_theta, range(2)).get(timeout=120)
    np.testing.assert_array_equal(here, there)


# --- copies


@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))], ids=["copied", "pickled"]
)
@pytest.mark.parametrize("model", [None, with_a_layer_of_the_users], ids=["dense", "with a layer of the user's"])
def test_a_copy_predicts_and_goes_on_to_the_bit(duplicate, model):
    one = classifier(model=model, warm_start=True).fit(X, NAMES[Y])
    other = duplicate(one)
    assert other.network_ is not one.network_
    np.testing.assert_array_equal(other.predict_proba(X), one.predict_proba(X))
    np.testing.assert_array_equal(other.fit(X, NAMES[Y]).network_.theta, one.fit(X, NAMES[Y]).network_.theta)


def test_a_clone_is_not_fitted_and_keeps_the_parameters():
    fitted = classifier(optimizer=tn.SGD(0.25)).fit(X, Y)
    twin = clone(fitted)
    assert twin.optimizer.learning_rate == 0.25
    with pytest.raises(NotFittedError):
        twin.predict(X)


# --- what it takes


def test_images_go_into_a_network_of_the_users():
    digits, labels = load_digits(return_X_y=True)
    images = FunctionTransformer(lambda x: x.reshape(-1, 8, 8, 1) / 16)
    pipeline = make_pipeline(images, classifier(model=convolutional, optimizer=tn.Adam(0.01), epochs=15))
    pipeline.fit(digits[:1000], labels[:1000])
    assert pipeline.score(digits[1000:], labels[1000:]) > 0.85
    np.testing.assert_allclose(pipeline.predict_proba(digits[:5]).sum(axis=1), 1)  # though the network makes logits


def test_frames_and_sparse_matrices_are_as_good_as_arrays():
    expected = classifier().fit(X, Y).predict_proba(X)
    frame = pd.DataFrame(X, columns=list("abcd"))
    framed = classifier().fit(frame, pd.Series(NAMES[Y], name="kind"))
    assert list(framed.feature_names_in_) == list("abcd")
    assert list(framed.classes_) == list(NAMES)
    np.testing.assert_array_equal(framed.predict_proba(frame), expected)
    sparse = scipy.sparse.csr_matrix(X)
    np.testing.assert_array_equal(classifier().fit(sparse, Y).predict_proba(sparse), expected)
    with pytest.raises(ValueError, match="feature names"):
        framed.predict(frame[list("dcba")])


def test_several_labels_a_sample():
    x, y = make_multilabel_classification(random_state=0)
    network = classifier(hidden_layers=(64,), optimizer=tn.Adam(0.01), epochs=200).fit(x, y)
    assert network.predict(x).shape == y.shape
    assert network.score(x, y) > 0.9  # all five labels of a sample are right
    assert not np.allclose(network.predict_proba(x).sum(axis=1), 1)


def test_several_numbers_a_sample():
    x, y = make_regression(n_targets=2, random_state=0)
    y /= y.std()
    network = regressor(optimizer=tn.Adam(0.01), epochs=200).fit(x, y)
    assert network.predict(x).shape == y.shape
    assert network.score(x, y) > 0.9
    assert regressor().fit(x, y[:, 0]).predict(x).shape == (len(x),)


@pytest.mark.parametrize("make", [classifier, regressor])
def test_a_sample_of_weight_k_is_k_samples_and_one_of_weight_0_is_none(make):
    weights = np.arange(len(X)) % 3
    times = np.repeat(np.arange(len(X)), weights)
    weighted = make(batch_size=None).fit(X, Y, sample_weight=weights)
    repeated = make(batch_size=None).fit(X[times], Y[times])
    np.testing.assert_allclose(weighted.network_.theta, repeated.network_.theta, atol=1e-8)


@pytest.mark.parametrize("weight", ["balanced", {0: 1.5, 1: 1.5, 2: 0.5}])
def test_weights_of_classes_are_weights_of_their_samples(weight):
    some = np.flatnonzero((Y == 2) | (np.arange(len(Y)) % 3 == 0))
    x, y = X[some], Y[some]
    by_class = {label: len(y) / (3 * np.sum(y == label)) for label in range(3)} if weight == "balanced" else weight
    by_sample, by_hand = np.linspace(0.5, 2, len(y)), np.array([by_class[label] for label in y])
    one = classifier(class_weight=weight).fit(x, y, sample_weight=by_sample)
    other = classifier().fit(x, y, sample_weight=by_sample * by_hand)
    np.testing.assert_allclose(one.network_.theta, other.network_.theta, atol=1e-8)
    assert np.abs(one.network_.theta - classifier().fit(x, y).network_.theta).max() > 1e-3


def test_the_parts_of_a_set_one_after_the_other():
    network = classifier(optimizer=tn.Adam(0.01))
    for _ in range(20):
        for part in np.array_split(np.arange(len(X)), 3):  # sorted by class: each part has but one
            network.partial_fit(X[part], NAMES[Y[part]], classes=NAMES)
    assert network.n_iter_ == 60
    assert set(network.predict(X)) == set(NAMES)
    numbers = regressor()
    for _ in range(2):
        numbers.partial_fit(X, Y)
    assert numbers.n_iter_ == 2


def test_it_goes_on_where_it_ended_when_asked_to():
    on = classifier(warm_start=True, epochs=3)
    losses = [on.fit(X, Y).history_.history["loss"][-1] for _ in range(4)]
    assert losses == sorted(losses, reverse=True)
    assert on.n_iter_ == 12
    afresh = classifier(epochs=3)
    assert afresh.fit(X, Y).history_.history["loss"] == afresh.fit(X, Y).history_.history["loss"]


def test_training_stops_where_nothing_improves():
    flat = classifier(optimizer=tn.SGD(1e-12), epochs=50, n_iter_no_change=3)
    assert flat.fit(X, Y).n_iter_ == 4
    aside = classifier(optimizer=tn.Adam(0.05), epochs=500, early_stopping=True, n_iter_no_change=3).fit(X, Y)
    assert aside.n_iter_ < 500
    assert "val_loss" in aside.history_.history
    best = aside.history_.best_epoch
    again = classifier(optimizer=tn.Adam(0.05), epochs=best, early_stopping=True, n_iter_no_change=500).fit(X, Y)
    np.testing.assert_array_equal(aside.network_.theta, again.network_.theta)  # not those of the last epoch


# --- bad input


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: classifier(model=lambda shape, outputs: None).fit(X, Y), "returns a Model, not None"),
        (lambda: classifier(model=3).fit(X, Y), "returns a Model, not 3"),
        (lambda: classifier(model=lambda s, n: convolutional((8, 8, 1), n + 1)).fit(X, Y), "must have 3 outputs"),
        (lambda: classifier().partial_fit(X, Y), "classes must be given"),
        (lambda: classifier().partial_fit(X, Y, classes=[0, 1]), "y has 2, which is not one of the classes"),
        (lambda: classifier().partial_fit(X, Y, [0, 1, 2]).partial_fit(X, Y, [0, 1]), "not those of the first call"),
        (lambda: classifier(warm_start=True).fit(X, Y).fit(X, Y + 1), "not those of before"),
        (lambda: classifier().fit(X, Y, sample_weight=-np.ones(len(X))), "[Nn]egative"),
        (lambda: classifier().fit(X, np.stack([Y, Y], axis=1)), "more than two classes"),
        (lambda: regressor().partial_fit(X, Y).partial_fit(X, np.stack([Y, Y], axis=1)), "2 numbers a sample"),
        (lambda: classifier(hidden_layers=(0,)).fit(X, Y), "units must be an integer of 1 or more"),
        (lambda: classifier(batch_size="many").fit(X, Y), "batch_size"),
    ],
)
def test_what_it_cannot_do_it_says(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_its_own_errors_are_tinynets():
    with pytest.raises(ArgumentError, match="returns a Model"):
        classifier(model=lambda shape, outputs: 1).fit(X, Y)


def test_a_column_of_labels_is_taken_with_a_warning():
    with pytest.warns(DataConversionWarning):
        assert classifier().fit(X, Y[:, None]).predict(X).shape == Y.shape


def test_tinynet_is_imported_without_scikit_learn():
    code = "import tinynet, sys; assert 'sklearn' not in sys.modules; import tinynet.sklearn"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_scikit_learn_it_says_what_to_install():
    code = "import sys; sys.modules['sklearn'] = None; import tinynet.sklearn"
    done = subprocess.run([sys.executable, "-c", code], check=False, stderr=subprocess.PIPE, text=True)
    assert "MissingPackageError: tinynet.sklearn makes" in done.stderr.splitlines()[-1]
    assert "pip install 'tinynet-cpu[sklearn]'" in done.stderr
