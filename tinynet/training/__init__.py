"""Training: the loop over epochs and batches, its checks, its history and its progress."""

from tinynet.training.history import History
from tinynet.training.loop import evaluate, fit, predict

__all__ = ["History", "evaluate", "fit", "predict"]
