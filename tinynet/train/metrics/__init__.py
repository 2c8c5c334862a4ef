"""Metrics: functions of the outputs of a model and the labels, as arrays or what can be made into them."""

from tinynet.train.metrics.binary import binary_accuracy
from tinynet.train.metrics.confusion import confusion_matrix
from tinynet.train.metrics.correct import accuracy
from tinynet.train.metrics.errors import mean_absolute_error, mean_squared_error
from tinynet.train.metrics.scores import Scores, classification_scores

__all__ = [
    "Scores",
    "accuracy",
    "binary_accuracy",
    "classification_scores",
    "confusion_matrix",
    "mean_absolute_error",
    "mean_squared_error",
]
