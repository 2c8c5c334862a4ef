"""Figures that are asked for of something else say what they are drawn of."""

import numpy as np
import pytest

import tinynet as tn
from tinynet.errors import ArgumentError, DTypeError, ShapeError, WriteError
from tinynet.train import History

DENSE, HISTORY = tn.Dense(3), History({"loss": [0.5]}, [1.0])


@pytest.mark.parametrize(
    ("function", "given", "expected"),
    [
        ("learning_curve", HISTORY.history, "the History that fit returned, but got a dict"),
        ("loss_by_step", HISTORY.history, "the History that fit returned, but got a dict"),
        ("model_diagram", DENSE, "a model, but got a Dense"),
        ("first_layer_filters", DENSE, "a model, but got a Dense"),
        ("profile_figure", DENSE, r"the rows that plan\.profile\(\) returned, but got a Dense"),
        ("comparison_figure", [HISTORY], "a dictionary of histories by the names of their runs, but got a list"),
        ("comparison_figure", {"a": HISTORY.history}, "a History for each run, as fit returned it, but got a dict"),
        ("comparison_table", [{}], "a dictionary of the records of runs, by their names, but got a list"),
        ("comparison_table", {"a": HISTORY}, r"a record for each run, as in its metrics\.json, but got a History"),
        ("step_curves", HISTORY, r"the dictionary of numbers by step, as in history\.history, but got a History"),
    ],
)
def test_what_a_figure_cannot_be_drawn_of_is_told(function, given, expected):
    with pytest.raises(ArgumentError, match=f"expected {expected}"):
        getattr(tn.report, function)(given)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda r: r.spectrum_figure(None), DTypeError, "spectrum_figure: eigenvalues must be an array of num"),
        (lambda r: r.spectrum_figure([]), ShapeError, r"eigenvalues must have shape \(n,\), with at least one"),
        (lambda r: r.gap_figure(3.0, [1.0]), ShapeError, r"gaps must have shape \(n,\), .* but has shape \(\)"),
        (lambda r: r.gap_figure([1.0, 0.5], [1.0]), ShapeError, r"bounds must have shape \(2,\), but has"),
        (lambda r: r.linear_rate_figure([[1.0]], 0.5, 0.9), ShapeError, r"gaps must have .* shape \(1, 1\)"),
        (lambda r: r.linear_rate_figure([1.0], "half", 0.9), ArgumentError, "fitted must be a finite number"),
        (lambda r: r.confusion_heat_map(3), ArgumentError, r"the matrix must be \(K, K\), but has shape \(\)"),
        (lambda r: r.confused_pairs("ab"), DTypeError, "confused_pairs: the matrix must be an array of numbers"),
        (
            lambda r: r.decision_boundary(tn.Sequential([tn.Input((2,)), DENSE]), [["a", "b"]], [0]),
            DTypeError,
            "decision_boundary: x must be an array of numbers",
        ),
    ],
)
def test_what_is_no_row_or_matrix_of_numbers_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call(tn.report)


@pytest.mark.parametrize("make", [lambda k: k.tolist(), lambda k: k])
def test_lists_are_drawn_as_arrays_are(make):
    k = np.arange(1.0, 9.0)
    figures = [
        tn.report.spectrum_figure(make(k)),
        tn.report.gap_figure(make(1 / k**2), make(2 / k)),
        tn.report.linear_rate_figure(make(0.5**k), 0.5, 0.9),
    ]
    assert [len(figure.axes[0].lines) for figure in figures] == [1, 2, 3]


def test_pages_and_tables_of_no_runs_are_refused():
    for make in (tn.report.comparison_table, lambda records: tn.report.comparison_page(records, "None")):
        with pytest.raises(ArgumentError, match="needs at least one run"):
            make({})
    with pytest.raises(ArgumentError, match="takes the rows of a plan with their times"):
        tn.report.profile_figure([1, 2])


def test_the_directory_of_a_report_may_be_a_text(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match=r"the directory .*file cannot be made or written to"):
        tn.report.write_report(str(tmp_path / "file"), {}, None, None)
