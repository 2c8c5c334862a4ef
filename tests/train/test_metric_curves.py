"""Curves of thresholds and of calibration: those of scikit-learn, and what is refused."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynet.errors import DataError, ShapeError
from tinynet.train.metrics import (
    average_precision,
    calibration,
    classification_scores,
    precision_recall_curve,
    roc_auc,
    roc_curve,
)

calibrating = pytest.importorskip("sklearn.calibration")
theirs = pytest.importorskip("sklearn.metrics")


@given(st.integers(2, 60), st.integers(1, 12), st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_the_curves_are_those_of_scikit_learn(n, values, seed):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, values, n) / values  # with ties
    labels = np.append(rng.integers(0, 2, n - 2), [0, 1])
    x, y, thresholds = roc_curve(scores, labels)
    for ours, other in zip((x, y, thresholds), theirs.roc_curve(labels, scores, drop_intermediate=False), strict=True):
        np.testing.assert_allclose(ours, other, atol=1e-15)
    assert np.trapezoid(y, x) == pytest.approx(roc_auc(scores, labels))
    precision, recall, thresholds = precision_recall_curve(scores, labels)
    expected = theirs.precision_recall_curve(labels, scores)
    for ours, other in zip((precision, recall), expected[:2], strict=True):
        np.testing.assert_allclose(ours[::-1], other, atol=1e-15)
    np.testing.assert_array_equal(thresholds[:0:-1], expected[2])
    assert np.sum(np.diff(recall) * precision[1:]) == pytest.approx(average_precision(scores, labels))


@given(st.integers(1, 60), st.integers(1, 12), st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_the_calibration_is_that_of_scikit_learn(n, bins, seed):
    rng = np.random.default_rng(seed)
    probability = np.round(rng.random(n), 1)  # some on edges
    right = np.append(rng.integers(0, 2, n - 1), 1)
    if n < 2 or right.all():
        return
    found = calibration(probability, right, bins)
    share, mean = calibrating.calibration_curve(right, probability, n_bins=bins)
    np.testing.assert_allclose(found.share[found.count > 0], share)
    np.testing.assert_allclose(found.probability[found.count > 0], mean)
    assert found.count.sum() == n


def test_what_says_the_truth_has_no_error():
    assert calibration([0.5, 0.5, 1.0], [0, 1, 1]).error == 0
    assert calibration([0.9] * 4, [0] * 4).error == pytest.approx(0.9)


def test_by_default_there_are_ten_bins_of_equal_width():
    np.testing.assert_allclose(calibration([0.5], [1]).edges, np.arange(11) / 10)


@pytest.mark.parametrize("make", [lambda: calibration([0.5], [1]), lambda: classification_scores([[1, 1], [0, 2]])])
def test_what_is_found_cannot_be_changed_and_is_compared_by_identity(make):
    found, other = make(), make()
    name = next(iter(vars(found)))
    with pytest.raises(FrozenInstanceError):
        setattr(found, name, None)
    assert len({found, found, other}) == 2  # values that are arrays have no truth


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: roc_curve([0.1, 0.2], [1, 1]), DataError, "both classes, but all labels are 1"),
        (lambda: precision_recall_curve([0.1, 0.2], [0, 0]), DataError, "samples of class 1"),
        (lambda: roc_curve([0.1, float("nan")], [0, 1]), DataError, "sample 1 is NaN"),
        (lambda: roc_curve([0.1, 0.2], [0, 2]), DataError, "0 or 1"),
        (lambda: roc_curve([[0.1, 0.9]] * 2, [0, 1]), ShapeError, r"shape \(2, 2\); take those of one class"),
        (lambda: precision_recall_curve([[[0.1, 0.9]]], [[1]]), ShapeError, "needs one output a sample"),
        (lambda: roc_curve([0.1, 0.2], [0]), ShapeError, "one output for each label"),
        (lambda: calibration([2.0], [1]), DataError, "from 0 to 1; logits"),
    ],
)
def test_what_has_no_curve_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
