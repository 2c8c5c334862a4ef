"""Figures that are asked for of something else say what they are drawn of."""

import pytest

import tinynet as tn
from tinynet.errors import ArgumentError, WriteError
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
