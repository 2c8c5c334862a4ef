"""Figures of full-batch optimization: what they show, and that it is labelled."""

import io

import numpy as np
import pytest

from tinynet.errors import ArgumentError
from tinynet.report import gap_figure, linear_rate_figure, spectrum_figure, step_curves

HISTORY = {
    "loss": [0.6, 0.5, 0.45, 0.45],
    "val_loss": [0.61, 0.52, 0.5, 0.5],
    "val_error": [0.3, 0.25, 0.2, 0.2],
    "step_size": [1.0, 0.25, 0.5, 0.0],
}
K = np.arange(1, 30)


def figures():
    yield from step_curves(HISTORY).values()
    yield spectrum_figure(np.array([3.0, 1e-5, -1e-17]))
    yield gap_figure(1 / K**2, 2 / K)
    yield linear_rate_figure(0.9**K, 0.9, 0.99)


def test_every_figure_has_a_title_and_labelled_axes_and_can_be_written():
    for figure in figures():
        assert figure.get_suptitle()
        (axes,) = figure.axes
        assert axes.get_xlabel()
        assert axes.get_ylabel()
        for kind in ("pdf", "png"):
            figure.savefig(io.BytesIO(), format=kind)


def test_the_curves_show_the_history_by_step():
    found = step_curves(HISTORY)
    line = found["training_loss"].axes[0].lines[0]
    np.testing.assert_array_equal(line.get_xydata(), np.column_stack([[1, 2, 3, 4], HISTORY["loss"]]))
    np.testing.assert_allclose(found["test_error"].axes[0].lines[0].get_ydata(), [30, 25, 20, 20])
    assert "%" in found["test_error"].axes[0].get_ylabel()


def test_a_last_step_of_0_is_no_accepted_one():
    line = step_curves(HISTORY)["step_size"].axes[0].lines[0]
    np.testing.assert_array_equal(line.get_ydata(), [1.0, 0.25, 0.5])


def test_a_history_without_a_curve_is_refused():
    with pytest.raises(ArgumentError, match="val_error"):
        step_curves({name: values for name, values in HISTORY.items() if name != "val_error"})


def test_eigenvalues_that_rounding_makes_are_counted():
    labels = [t.get_text() for t in spectrum_figure(np.array([2.0, 1e-20, -1e-17])).axes[0].get_legend().get_texts()]
    assert labels == ["eigenvalues", "2 within rounding of 0"]
