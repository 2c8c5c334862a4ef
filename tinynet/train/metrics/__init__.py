"""Metrics: functions of the outputs of a model and the labels, as arrays or array_like."""

from tinynet.train.metrics.binary import binary_accuracy
from tinynet.train.metrics.calibration import Calibration, calibration
from tinynet.train.metrics.classes import balanced_accuracy, f1, precision, recall
from tinynet.train.metrics.confusion import confusion_matrix
from tinynet.train.metrics.correct import accuracy
from tinynet.train.metrics.errors import mean_absolute_error, mean_squared_error, r2, root_mean_squared_error
from tinynet.train.metrics.metric import Metric
from tinynet.train.metrics.ranking import average_precision, roc_auc
from tinynet.train.metrics.scores import Scores, classification_scores
from tinynet.train.metrics.thresholds import precision_recall_curve, roc_curve
from tinynet.train.metrics.top_k import top_k_accuracy

__all__ = [
    "Calibration",
    "Metric",
    "Scores",
    "accuracy",
    "average_precision",
    "balanced_accuracy",
    "binary_accuracy",
    "calibration",
    "classification_scores",
    "confusion_matrix",
    "f1",
    "mean_absolute_error",
    "mean_squared_error",
    "precision",
    "precision_recall_curve",
    "r2",
    "recall",
    "roc_auc",
    "roc_curve",
    "root_mean_squared_error",
    "top_k_accuracy",
]
