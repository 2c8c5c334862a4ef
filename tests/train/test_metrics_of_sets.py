"""Metrics that are not means over samples: against plain loops, and against what scikit-learn 1.9 returns."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet as tn
from tinynet.errors import ArgumentError, DataError, ShapeError

m = tn.metrics
SCORES = np.array([0.1, 0.4, 0.35, 0.8, 0.4, 0.9, 0.35, 0.2, 0.4, 0.6])
YES = np.array([0, 0, 1, 1, 1, 1, 0, 0, 0, 1])
P = np.array(
    [[.7, .2, .1], [.3, .4, .3], [.3, .3, .4], [.1, .6, .3], [.5, .25, .25], [.2, .2, .6], [.4, .4, .2], [.25, .5, .25]]
)  # fmt: skip
CLASSES = np.array([0, 1, 2, 1, 2, 2, 1, 0])
SEVERAL = np.array([[1, 0, 1], [0, 1, 0], [1, 1, 0], [0, 0, 0], [1, 0, 1], [0, 1, 1], [1, 1, 1], [0, 0, 1]])

# precision_score, recall_score, f1_score, roc_auc_score (ovr) and average_precision_score of CLASSES, then of SEVERAL
# with P > 0.35 as predictions.
FROZEN = {
    "macro": [2 / 3, 0.611111111111111, 0.6222222222222222, 0.7888888888888889, 0.7777777777777777,
              2 / 3, 0.48333333333333334, 0.5476190476190476, 0.525, 0.7047619047619048],
    "weighted": [0.7083333333333333, 0.625, 0.65, 0.8041666666666667, 0.7916666666666666,
                 0.6538461538461539, 0.46153846153846156, 0.5274725274725275, 0.5, 0.6997252747252747],
    "micro": [0.625, 0.625, 0.625, 0.80078125, 0.7361111111111112,
              2 / 3, 0.46153846153846156, 0.5454545454545454, 0.5734265734265735, 0.6271700521700521],
}  # fmt: skip


@pytest.mark.parametrize("average", FROZEN)
def test_averages_over_classes_are_those_of_scikit_learn(average):
    decisions, rankings = (m.precision, m.recall, m.f1), (m.roc_auc, m.average_precision)
    found = [metric(P, CLASSES, average=average) for metric in (*decisions, *rankings)]
    found += [metric(P, SEVERAL, average=average, threshold=0.35) for metric in decisions]
    found += [metric(P, SEVERAL, average=average) for metric in rankings]
    assert found == pytest.approx(FROZEN[average], rel=1e-12)


def test_two_classes_are_those_of_scikit_learn():
    found = [f(SCORES, YES) for f in (m.precision, m.recall, m.f1, m.balanced_accuracy)]
    assert found == pytest.approx([1.0, 0.6, 0.75, 0.8], rel=1e-12)
    assert m.roc_auc(SCORES, YES) == 0.86
    assert m.average_precision(SCORES, YES) == pytest.approx(0.8583333333333332, rel=1e-12)
    assert m.balanced_accuracy(P, CLASSES) == pytest.approx(0.611111111111111, rel=1e-12)
    assert m.top_k_accuracy(P, CLASSES, k=2) == 0.875
    assert m.f1(SCORES, YES, threshold=0.35) == pytest.approx(2 * 4 / (6 + 5))


def test_numbers_are_those_of_scikit_learn():
    actual, output = np.array([3, -0.5, 2, 7]), np.array([2.5, 0, 2, 8])
    assert m.r2(output, actual) == pytest.approx(0.9486081370449679, rel=1e-12)
    assert m.root_mean_squared_error(output[:, None], actual) == pytest.approx(0.6123724356957945, rel=1e-12)
    actual, output = np.array([[0.5, 1], [-1, 1], [7, -6]]), np.array([[0, 2], [-1, 2], [8, -5]])
    assert m.r2(output, actual) == pytest.approx(0.9368005266622779, rel=1e-12)  # the mean of both columns
    assert m.r2([2, 2, 2], [2, 2, 2]) == 1
    assert m.r2([0.1, 0.1, 0.2], [0.1, 0.1, 0.1]) == 0


# --- plain loops

scores = st.sampled_from([-1.0, 0.0, 0.25, 0.5, 0.75, 2.0])  # few, so that there are ties
ranked = st.lists(st.tuples(scores, st.integers(0, 1)), min_size=1, max_size=25)


@given(ranked)
def test_the_area_is_how_often_a_yes_is_above_a_no(samples):
    pairs = [(p, n) for p, y in samples for n, z in samples if y > z]
    area = m.roc_auc([s for s, _ in samples], [y for _, y in samples])
    if pairs:
        assert area == sum((p > n) + (p == n) / 2 for p, n in pairs) / len(pairs)
    else:
        assert math.isnan(area)


@given(ranked)
def test_average_precision_adds_up_precisions_where_recall_grows(samples):
    positives, expected, before = sum(y for _, y in samples), 0.0, 0.0
    for threshold in sorted({s for s, _ in samples}, reverse=True):
        above = [y for s, y in samples if s >= threshold]
        expected += sum(above) / len(above) * (sum(above) - before)
        before = sum(above)
    found = m.average_precision([s for s, _ in samples], [y for _, y in samples])
    assert math.isnan(found) if not positives else found == pytest.approx(expected / positives, rel=1e-12)


@given(st.lists(st.tuples(st.lists(scores, min_size=4, max_size=4), st.integers(0, 4)), min_size=1), st.integers(1, 4))
def test_the_k_largest_are_those_of_a_stable_sort(samples, k):
    best = [sorted(range(4), key=lambda c, row=row: -row[c])[:k] for row, _ in samples]
    right = [label in chosen for (_, label), chosen in zip(samples, best, strict=True)]
    output, labels = np.array([row for row, _ in samples]), np.array([label for _, label in samples])
    assert m.top_k_accuracy(output, labels, k=k) == np.mean(right)
    assert m.top_k_accuracy(output, labels, k=1) == m.accuracy(output, labels)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40))
def test_scores_of_classes_are_those_of_the_table(samples):
    predicted, actual = np.array(samples).T
    scores = m.classification_scores(m.confusion_matrix(predicted, actual))
    for i, metric in enumerate((m.precision, m.recall, m.f1)):
        assert metric(predicted, actual) == pytest.approx(scores.macro[i])
        assert metric(predicted, actual, average="weighted") == pytest.approx(scores.weighted[i])
        assert metric(predicted, actual, average="micro") == pytest.approx(scores.accuracy)
        each = [metric(predicted, actual, class_id=c) for c in range(len(scores.names))]
        assert each == pytest.approx((scores.precision, scores.recall, scores.f1)[i])
    assert m.balanced_accuracy(predicted, actual) == pytest.approx(scores.recall[scores.support > 0].mean())


# --- at the edges


def test_an_output_at_the_threshold_is_a_no():
    assert m.recall([0.5, 0.9], [1, 1]) == 0.5
    assert m.recall([0.5, 0.9], [0, 1], class_id=0) == 1
    assert m.recall([[0.3, 0.9]], [[1, 1]], threshold=0.3, average="micro") == 0.5


def test_a_class_that_was_met_once_counts_in_an_average():
    taken = np.eye(3)[[0, 0, 1]]
    assert m.precision(taken, [0, 0, 0]) == (1 + 0) / 2


def test_where_no_class_occurs_the_balanced_accuracy_is_0():
    assert m.balanced_accuracy([[0.9, 0.1]], [[0, 0]], threshold=0.5) == 0


def test_the_first_five_count_by_default():
    assert m.top_k_accuracy([np.arange(6)] * 6, np.arange(6)) == 5 / 6


def test_equal_outputs_are_a_guess():
    assert m.roc_auc([0.5] * 4, [0, 1, 0, 1]) == 0.5
    assert m.average_precision([0.5] * 5, [0, 1, 0, 1, 0]) == 0.4
    assert m.top_k_accuracy(np.ones((3, 3)), [0, 1, 2], k=2) == 2 / 3


@pytest.mark.parametrize("metric", [m.roc_auc, m.average_precision, m.r2, m.root_mean_squared_error])
def test_a_nan_among_the_outputs_stays_one(metric):
    assert math.isnan(metric([0.1, math.nan, 0.3], [0, 1, 1]))


def test_a_nan_is_taken_for_no_class():
    output = np.array([[0.2, 0.8], [math.nan, 0.9], [0.7, 0.3]])
    assert m.precision(output, [1, 1, 0], class_id=1) == 1
    assert m.recall(output, [1, 1, 0], class_id=1) == 0.5
    assert m.top_k_accuracy(output, [1, 1, 0], k=2) == 2 / 3
    assert m.balanced_accuracy([0.9, math.nan, math.nan], [1, 1, 0]) == 0.25


def test_one_class_alone_has_no_area_and_a_share_of_nothing_is_0():
    assert math.isnan(m.roc_auc([0.2, 0.8], [1, 1]))
    assert math.isnan(m.average_precision([0.2, 0.8], [0, 0]))
    assert m.average_precision([0.2, 0.8], [1, 1]) == 1
    assert [f([0.2, 0.8], [0, 0]) for f in (m.precision, m.recall, m.f1)] == [0, 0, 0]
    assert m.balanced_accuracy([0.2, 0.8], [0, 0]) == 0.5
    assert math.isnan(m.r2([1.0], [1.0]))


def test_a_class_that_does_not_occur_is_left_out_of_the_mean_of_areas():
    two = CLASSES != 2
    expected = [m.roc_auc(P[two, c], (CLASSES[two] == c).astype(int)) for c in (0, 1)]
    assert m.roc_auc(P[two], CLASSES[two]) == pytest.approx(np.mean(expected))


def test_labels_come_as_numbers_rows_or_columns():
    for metric in (m.precision, m.roc_auc, m.balanced_accuracy):
        assert metric(P, CLASSES) == metric(P, np.eye(3)[CLASSES]) == metric(P.tolist(), CLASSES[:, None])
        assert metric(SCORES, YES) == metric(SCORES[:, None], YES.astype(bool)) == metric(SCORES, YES[:, None])
    assert m.recall(SCORES > 0.5, YES) == m.recall(SCORES, YES)


def test_each_step_of_sequences_is_a_sample():
    output, labels = P.reshape(2, 4, 3), CLASSES.reshape(2, 4)
    for metric in (m.f1, m.recall, m.balanced_accuracy, m.roc_auc, m.average_precision):
        assert metric(output, labels) == metric(P, CLASSES) == metric(output, np.eye(3)[labels])
    assert m.top_k_accuracy(output, labels, k=2) == m.top_k_accuracy(P, CLASSES, k=2)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: m.f1(P, CLASSES, average="binary"), ArgumentError, 'average must be "macro", "weighted" or "micro"'),
        (lambda: m.roc_auc(P, CLASSES, average="ovr"), ArgumentError, "roc_auc: average must be"),
        (lambda: m.recall(P, CLASSES, class_id=3), ArgumentError, "class_id must be from 0 to 2, but got 3"),
        (lambda: m.recall(P, CLASSES, class_id=-1), ArgumentError, "class_id must be from 0 to 2, but got -1"),
        (lambda: m.recall(P, CLASSES, class_id="1"), ArgumentError, "class_id must be from 0 to 2, but got '1'"),
        (lambda: m.recall(P, CLASSES, class_id=1.0), ArgumentError, "class_id must be from 0 to 2, but got 1.0"),
        (lambda: m.recall(P, CLASSES, class_id=True), ArgumentError, "class_id must be from 0 to 2, but got True"),
        (lambda: m.f1(SCORES, YES, threshold="0.5x"), ArgumentError, "f1: threshold must be a number, but got '0.5x'"),
        (lambda: m.f1(SCORES, YES, threshold=[0.1, 0.2]), ArgumentError, "threshold must be a number, but got .0.1"),
        (lambda: m.f1(SCORES, YES, threshold=np.nan), ArgumentError, "threshold must be a number, but got nan"),
        (lambda: m.top_k_accuracy(P, CLASSES, k=4), ArgumentError, "there are 3 classes, fewer than k=4"),
        (lambda: m.top_k_accuracy(SCORES, YES, k=1), ShapeError, r"shape \(n, K\), but have \(10,\)"),
        (lambda: m.roc_auc(np.ones((2, 2, 2)), [0, 1]), ShapeError, r"\(2, 2, 2\) need labels \(2, 2\), but got"),
        (lambda: m.precision(SCORES, YES[:3]), ShapeError, "one output for each label"),
        (lambda: m.precision(P, CLASSES, threshold=0.5), ShapeError, r"\(8, 3\) need as many labels, but got shape"),
        (lambda: m.roc_auc(SCORES, YES - 1), DataError, "labels must be 0 or 1, but sample 0 has -1"),
        (lambda: m.roc_auc([0.1, 0.2, 0.3], [1, 0, 2]), DataError, "labels must be 0 or 1, but sample 2 has 2"),
        (lambda: m.f1(np.ones((3, 2)), [[0, 1], [1, 0], [0, 2]], threshold=0.5), DataError, r"sample 2 has \[0 2\]"),
        (lambda: m.f1(P, CLASSES + 1), DataError, "class numbers must be from 0 to 2, but run from 0 to 3"),
        (lambda: m.roc_auc([], []), DataError, "there are no samples"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
