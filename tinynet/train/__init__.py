"""Training: the loop over epochs and batches, its checks, its history, its progress, and whom it notifies of a run."""

from tinynet.train import binary, building, interrupts, live, pairing, regression  # noqa: F401 - which register what fit finds by name
from tinynet.train.history import History
from tinynet.train.inference import evaluate, predict
from tinynet.train.loop import fit
from tinynet.train.run import Run

__all__ = ["History", "Run", "evaluate", "fit", "predict"]
