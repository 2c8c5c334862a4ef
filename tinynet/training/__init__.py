"""Training: the loop over epochs and batches, its checks, its history, its progress and its callbacks."""

from tinynet.training.callbacks import Checkpoint, CSVLogger, EarlyStopping, LearningRateSchedule
from tinynet.training.history import History
from tinynet.training.loop import evaluate, fit, predict
from tinynet.training.run import Run

__all__ = [
    "CSVLogger",
    "Checkpoint",
    "EarlyStopping",
    "History",
    "LearningRateSchedule",
    "Run",
    "evaluate",
    "fit",
    "predict",
]
