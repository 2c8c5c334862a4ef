"""Metrics against naive loops, and against the figures that scikit-learn 1.9 gives for the same labels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet as tn
from tinynet.errors import ArgumentError, DataError, DTypeError, ShapeError
from tinynet.train.metrics import accuracy, binary, binary_accuracy, classification_scores, confusion_matrix, correct

# What sklearn.metrics.classification_report(actual, predicted, zero_division=0) gives.
PREDICTED, ACTUAL = np.array([0, 1, 1, 1, 2, 0, 2, 1, 1, 1]), np.array([0, 0, 1, 1, 2, 2, 2, 3, 3, 1])
PRECISION = [0.5, 0.5, 1.0, 0.0]
RECALL = [0.5, 1.0, 2 / 3, 0.0]
F1 = [0.5, 2 / 3, 0.8, 0.0]
MACRO = (0.5, 0.5416666666666666, 0.49166666666666664)
WEIGHTED = (0.55, 0.6, 0.54)

pairs = st.integers(1, 8).flatmap(
    lambda k: st.tuples(
        st.just(k), st.lists(st.tuples(st.integers(0, k - 1), st.integers(0, k - 1)), min_size=1, max_size=60)
    )
)


def columns(drawn):
    """The predicted and the actual classes of drawn pairs, as arrays."""
    return np.array([p for p, _ in drawn]), np.array([a for _, a in drawn])


@given(pairs)
def test_the_matrix_counts_by_true_and_predicted_class(drawn):
    k, samples = drawn
    expected = [[sum(1 for p, a in samples if (a, p) == (i, j)) for j in range(k)] for i in range(k)]
    np.testing.assert_array_equal(confusion_matrix(*columns(samples), k), expected)


@given(pairs)
def test_scores_are_those_of_naive_counting(drawn):
    k, samples = drawn
    scores = classification_scores(confusion_matrix(*columns(samples), k))
    rows = []
    for c in range(k):
        hits = sum(p == a == c for p, a in samples)
        taken, of_class = sum(p == c for p, _ in samples), sum(a == c for _, a in samples)
        precision, recall = (hits / n if n else 0.0 for n in (taken, of_class))
        f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
        rows.append((precision, recall, f1, of_class))
        found = scores.precision[c], scores.recall[c], scores.f1[c], scores.support[c]
        assert found == pytest.approx(rows[-1], abs=1e-15)
    met = [row[:3] for c, row in enumerate(rows) if any(c in pair for pair in samples)]
    assert scores.macro == pytest.approx([sum(column) / len(met) for column in zip(*met, strict=True)])
    assert scores.weighted == pytest.approx([sum(row[i] * row[3] for row in rows) / len(samples) for i in range(3)])
    assert scores.accuracy == pytest.approx(sum(p == a for p, a in samples) / len(samples))
    assert scores.weighted[1] == pytest.approx(scores.accuracy)  # a law: recalls by samples add up to the accuracy


def test_scores_are_those_of_scikit_learn():
    scores = classification_scores(confusion_matrix(PREDICTED, ACTUAL))
    assert scores.precision == pytest.approx(PRECISION)
    assert scores.recall == pytest.approx(RECALL)
    assert scores.f1 == pytest.approx(F1)
    assert scores.support.tolist() == [2, 3, 3, 2]
    assert (scores.accuracy, scores.macro, scores.weighted) == (0.6, pytest.approx(MACRO), pytest.approx(WEIGHTED))


def test_a_class_that_neither_occurs_nor_was_predicted_is_left_out_of_the_averages():
    """As scikit-learn does, where it is not told the classes."""
    scores = classification_scores(confusion_matrix(PREDICTED, ACTUAL, classes=6))
    assert (scores.macro, scores.weighted) == (pytest.approx(MACRO), pytest.approx(WEIGHTED))
    assert scores.f1[4:].tolist() == [0, 0]


def test_outputs_count_by_their_largest_value_and_tell_the_number_of_classes():
    output = np.array([[0.1, 0.9, 0.0], [0.5, 0.5, 0.0]])
    matrix = confusion_matrix(output, np.array([1, 1], np.uint8))
    np.testing.assert_array_equal(matrix, [[0, 0, 0], [1, 1, 0], [0, 0, 0]])
    assert matrix.dtype == np.int64
    assert accuracy(output, np.array([1, 1])) == classification_scores(matrix).accuracy
    np.testing.assert_array_equal(confusion_matrix(np.array([1, 0]), np.eye(3)[[1, 1]]), matrix)


def test_class_numbers_of_any_integer_type_are_taken():
    """255 * K would not fit into the uint8 of MNIST's labels."""
    labels = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(confusion_matrix(labels, labels), np.eye(256))


def test_the_table_has_a_line_for_each_class_and_average():
    lines = str(classification_scores(confusion_matrix(PREDICTED, ACTUAL), "abcd")).splitlines()
    assert [line.split() for line in lines] == [
        ["precision", "recall", "f1", "support"],
        [],
        ["a", "0.5000", "0.5000", "0.5000", "2"],
        ["b", "0.5000", "1.0000", "0.6667", "3"],
        ["c", "1.0000", "0.6667", "0.8000", "3"],
        ["d", "0.0000", "0.0000", "0.0000", "2"],
        [],
        ["accuracy", "0.6000", "10"],
        ["macro", "avg", "0.5000", "0.5417", "0.4917", "10"],
        ["weighted", "avg", "0.5500", "0.6000", "0.5400", "10"],
    ]
    assert len({len(line) for line in lines if line}) == 1  # the columns are aligned


@pytest.mark.parametrize(
    ("output", "labels", "error", "message"),
    [
        (np.zeros(3, int), np.zeros(2, int), ShapeError, r"shapes \(3,\) and \(2,\)"),
        (np.zeros((2, 2, 2)), np.zeros(2, int), ShapeError, r"\(2, 2, 2\)"),
        (np.zeros(2), np.zeros(2, int), DataError, "integers, but are float64"),
        (np.zeros(2, int), np.array([0, 0.5]), DataError, "integers, but the labels have others: float64"),
        (np.zeros(2, int), np.array([0, np.nan]), DataError, "integers, but the labels have others: float64"),
        (np.array([[0, 1], [np.nan, 0]]), np.zeros(2, int), DataError, "the outputs of sample 1 have a NaN"),
        (np.array([0, 3]), np.array([0, 1]), DataError, "from 0 to 1, but run from 0 to 3"),
        (np.array([0, -1]), np.array([0, 1]), DataError, "from 0 to 1, but run from -1 to 1"),
    ],
)
def test_what_is_no_classes_is_refused(output, labels, error, message):
    with pytest.raises(error, match=message):
        confusion_matrix(output, labels, classes=2)


# --- what users of scikit-learn pass

OUTPUT = np.array([[0.1, 0.9, 0.0], [0.6, 0.4, 0.0], [0.2, 0.3, 0.5], [0.7, 0.2, 0.1]])
LABELS = np.array([1, 0, 2, 1])  # three of four are right
FORMS = {
    "a column": lambda a: a[:, None],
    "rows": lambda a: np.eye(3)[a],
    "a list": lambda a: a.tolist(),
    "a list of columns": lambda a: a[:, None].tolist(),
    "uint8": lambda a: a.astype(np.uint8),
    "whole floats": lambda a: a.astype(float),
    "a Tensor": tn.Tensor,
}


@pytest.mark.parametrize("form", FORMS)
def test_labels_are_taken_in_each_usual_form(form):
    labels = FORMS[form](LABELS)
    assert accuracy(OUTPUT, labels) == accuracy(OUTPUT.argmax(axis=1), labels) == 0.75
    np.testing.assert_array_equal(confusion_matrix(OUTPUT, labels), [[1, 0, 0], [1, 1, 0], [0, 0, 1]])


@pytest.mark.parametrize("form", ["a column", "rows", "a list", "a list of columns", "uint8", "a Tensor"])
def test_outputs_may_be_class_numbers(form):
    output = FORMS[form](OUTPUT.argmax(axis=1))
    assert accuracy(output, LABELS) == 0.75
    np.testing.assert_array_equal(confusion_matrix(output, LABELS), [[1, 0, 0], [1, 1, 0], [0, 0, 1]])


@pytest.mark.parametrize("dtype", [bool, np.int8, np.float32])
@pytest.mark.parametrize("columns", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_binary_outputs_and_labels_may_be_columns_or_lists(dtype, columns):
    output, labels = (
        a.reshape((4,) + (1,) * c)
        for a, c in zip((np.array([0.2, 0.8, 0.9, 0.5]), np.array([0, 1, 0, 0], dtype)), columns, strict=True)
    )
    assert binary_accuracy(output, labels) == 0.75
    assert binary_accuracy(output.tolist(), labels.tolist()) == 0.75
    assert binary_accuracy(output - 0.5, labels, threshold=0.0) == 0.75


@given(
    st.lists(st.tuples(st.lists(st.sampled_from([0.0, 0.5, 1.0, np.nan]), min_size=2, max_size=2), st.integers(0, 1)))
)
def test_an_output_with_a_nan_counts_as_wrong(samples):
    """So does every label that is not a class; a plain loop says what is right."""
    samples = [*samples, ([0.2, 0.8], 2)]
    output, labels = np.array([row for row, _ in samples]), np.array([label for _, label in samples])
    right = sum(row[label] == max(row) and not np.isnan(row).any() for row, label in samples[:-1] if row[0] != row[1])
    right += sum(row[0] == row[1] and label == 0 for row, label in samples[:-1])  # of equal ones the first
    assert accuracy(output, labels) == right / len(samples)
    above = [float(row[0] > 0.5) == label and not np.isnan(row[0]) for row, label in samples]
    assert binary_accuracy(output[:, 0], labels) == sum(above) / len(samples)


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint8, np.float32])
@pytest.mark.parametrize("rows", [False, True])
def test_a_batch_of_training_is_counted_by_the_shortcut(dtype, rows):
    labels = np.array([0, 1, 1, 0], dtype)
    output = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.7, 0.3]], np.float32)
    assert correct._count_right(output, np.eye(2, dtype=dtype)[labels.astype(int)] if rows else labels) == 3
    assert binary._count_right(output[:, 1:] if rows else output[:, 1], labels, 0.5) == 3


@pytest.mark.parametrize(
    ("output", "labels"),
    [
        ([[0.1, 0.9]], np.array([1])),  # no array
        (np.array([[0.1, 0.9]]), [1]),
        (np.array([[1, 2]]), np.array([1])),
        (np.array([[0.1, np.nan]]), np.array([1])),
        (np.array([[0.1, 0.9]]), np.array(["1"])),
        (np.array([[0.1, 0.9]]), np.array([1, 1])),
        (np.zeros((0, 2)), np.zeros(0, int)),
        (np.array([0.1, 0.9]), np.array([1, 1])),
    ],
    ids=str,
)
def test_the_shortcut_leaves_what_must_be_checked_to_the_long_way(output, labels):
    assert correct._count_right(output, labels) == 0


@pytest.mark.parametrize("metric", [accuracy, binary_accuracy, confusion_matrix])
@pytest.mark.parametrize(
    ("output", "labels", "error", "message"),
    [
        (np.zeros((0, 3)), np.zeros(0, int), DataError, r"there are no samples: got shapes \(0, 3\) and \(0,\)"),
        ([], [], DataError, "there are no samples"),
        (np.ones((4, 0)), np.zeros(4, int), DataError, r"there are no samples: got shapes \(4, 0\) and \(4,\)"),
        (np.ones((4, 3)), np.zeros((4, 0)), DataError, r"there are no samples: got shapes \(4, 3\) and \(4, 0\)"),
        (np.ones((4, 3)), np.zeros(1, int), ShapeError, r"one output for each label, but got shapes \(4, 3\) and \(1,"),
        (np.ones(4), np.zeros(1, bool), ShapeError, "one output for each label"),
        (np.ones((4, 3)), np.zeros(5, int), ShapeError, "one output for each label"),
        (np.ones((4, 3)), 1, ShapeError, r"shapes \(4, 3\) and \(\)"),
        (np.ones((4, 3)), np.zeros((4, 2), int), ShapeError, r"shapes \(4, 3\) and \(4, 2\)"),
        (np.ones((4, 2, 2)), np.zeros((4, 2), int), ShapeError, r"shapes \(4, 2, 2\) and \(4, 2\)"),
        (np.ones((4, 3)), ["a", "b", "c", "d"], DTypeError, "labels must be an array of numbers"),
        (np.ones((4, 3)), np.array(["a", "b", "c", "d"]), DTypeError, "labels must be an array of numbers"),
        ([[0.1, 0.9], [0.2]], [0, 1], DTypeError, "output must be an array of numbers"),
    ],
)
def test_what_does_not_fit_is_refused_by_each_metric(metric, output, labels, error, message):
    with pytest.raises(error, match=f"^{metric.__name__}: .*{message}"):
        metric(output, labels)


@pytest.mark.parametrize("metric", [accuracy, binary_accuracy])
def test_labels_that_are_texts_are_refused(metric):
    with pytest.raises(DTypeError, match=f"^{metric.__name__}: labels must be an array of numbers"):
        metric(OUTPUT[:, :2] if metric is accuracy else OUTPUT[:, 0], np.array(["1", "0", "1", "0"]))


def test_what_is_for_the_other_accuracy_is_refused():
    output = np.array([[0.2], [0.8]])
    for one in (output, output[:, 0]):
        with pytest.raises(DataError, match="one probability or logit a sample use binary_accuracy"):
            accuracy(one, np.array([0, 1]))
    with pytest.raises(ShapeError, match="for outputs of several classes use accuracy"):
        binary_accuracy(OUTPUT, LABELS)


def test_rows_of_labels_with_a_nan_are_refused():
    with pytest.raises(DataError, match="labels have a NaN, in sample 1"):
        confusion_matrix(OUTPUT[:2], np.array([[0, 1, 0], [0, np.nan, 1]]))


@pytest.mark.parametrize("classes", [0, -1, 2.0, "2", [2]])
def test_a_number_of_classes_is_an_integer_of_1_or_more(classes):
    with pytest.raises(ArgumentError, match="confusion_matrix: classes must be an integer of 1 or more, but got"):
        confusion_matrix(PREDICTED, ACTUAL, classes)


@pytest.mark.parametrize("matrix", [[[1, -1], [0, 2]], [[1, np.nan], [0, 2]]])
def test_a_matrix_of_what_is_no_number_of_samples_is_refused(matrix):
    with pytest.raises(DataError, match="must hold numbers of samples, but has some below 0, or NaN"):
        classification_scores(matrix)


@pytest.mark.parametrize("threshold", [None, "half", float("nan")])
def test_a_threshold_that_is_no_number_is_refused(threshold):
    with pytest.raises(ArgumentError, match=f"binary_accuracy: threshold must be a number, but got {threshold!r}"):
        binary_accuracy(OUTPUT[:, 0], LABELS > 0, threshold)


def test_a_matrix_may_be_a_list():
    assert classification_scores([[1, 1], [0, 2]]).accuracy == 0.75


def test_what_is_no_matrix_is_refused():
    with pytest.raises(ArgumentError, match=r"must be \(K, K\), but has shape \(\)"):
        classification_scores(4)
    with pytest.raises(ArgumentError, match=r"must be \(K, K\), but has shape \(2, 3\)"):
        classification_scores(np.zeros((2, 3), int))
    with pytest.raises(ArgumentError, match="names must be a sequence of texts, but got 2"):
        classification_scores(np.eye(2, dtype=int), 2)
    with pytest.raises(ArgumentError, match="2 classes, but 1 names: a"):
        classification_scores(np.eye(2, dtype=int), ["a"])


def test_a_class_that_was_met_once_counts_in_the_macro_average():
    scores = classification_scores([[2, 1, 0], [0, 0, 0], [0, 0, 0]])
    assert scores.macro == pytest.approx((1 / 2, 2 / 3 / 2, 4 / 5 / 2))
