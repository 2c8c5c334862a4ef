"""Training: the loop over epochs and batches, its checks, its history, its progress, and whom it notifies of a run."""

from tinynet.train import (  # noqa: F401 - which register what fit finds by name, or what every run has
    binary,
    chosen,
    fixed,
    frame,
    inputs,
    live,
    measuring,
    micro,
    notebook,
    pairing,
    regression,
    several,
    showing,
    sources,
    strays,
)
from tinynet.train.finder import LearningRateFinder
from tinynet.train.history import History
from tinynet.train.loop import fit
from tinynet.train.run import Run

__all__ = ["History", "LearningRateFinder", "Run", "fit"]
