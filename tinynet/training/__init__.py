"""Training: the loop over epochs and batches, its checks, its history, its progress, and whom it tells of a run."""

from tinynet.training.history import History
from tinynet.training.loop import evaluate, fit, predict
from tinynet.training.run import Run

__all__ = ["History", "Run", "evaluate", "fit", "predict"]
