"""Training: the loop over epochs and batches, its checks, its history, its progress, and whom it tells of a run."""

from tinynet.train.history import History
from tinynet.train.loop import evaluate, fit, predict
from tinynet.train.run import Run

__all__ = ["History", "Run", "evaluate", "fit", "predict"]
