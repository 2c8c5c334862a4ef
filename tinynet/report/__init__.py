"""Figures and the report of a run. Only this package imports matplotlib, and only where a figure is drawn."""

from tinynet.report.boundary import decision_boundary
from tinynet.report.calibration import calibration_figure
from tinynet.report.comparison import comparison_figure, comparison_page, comparison_table
from tinynet.report.confusion import ConfusedPair, confused_pairs, confusion_heat_map
from tinynet.report.convergence import gap_figure, linear_rate_figure, spectrum_figure, step_curves
from tinynet.report.curves import learning_curve
from tinynet.report.data import class_distribution, data_grid
from tinynet.report.expression import graph
from tinynet.report.model import first_layer_filters, model_diagram
from tinynet.report.playing import playground
from tinynet.report.predictions import confused_pairs_grid, prediction_grid
from tinynet.report.profile import profile_figure
from tinynet.report.rates import learning_rate_curve
from tinynet.report.regression import regression_figure
from tinynet.report.run import write_model_report, write_report
from tinynet.report.steps import loss_by_step
from tinynet.report.thresholds import threshold_figure

__all__ = [
    "ConfusedPair",
    "calibration_figure",
    "class_distribution",
    "comparison_figure",
    "comparison_page",
    "comparison_table",
    "confused_pairs",
    "confused_pairs_grid",
    "confusion_heat_map",
    "data_grid",
    "decision_boundary",
    "first_layer_filters",
    "gap_figure",
    "graph",
    "learning_curve",
    "learning_rate_curve",
    "linear_rate_figure",
    "loss_by_step",
    "model_diagram",
    "playground",
    "prediction_grid",
    "profile_figure",
    "regression_figure",
    "spectrum_figure",
    "step_curves",
    "threshold_figure",
    "write_model_report",
    "write_report",
]
