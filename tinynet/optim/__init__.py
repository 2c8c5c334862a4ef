"""Optimizers that see a batch at a time: updates of arrays, written in ops."""

from tinynet.optim import clipping  # noqa: F401 - which adds to optimizers what they do before an update
from tinynet.optim.adam import Adam
from tinynet.optim.adamw import AdamW
from tinynet.optim.optimizer import Optimizer
from tinynet.optim.rmsprop import RMSprop
from tinynet.optim.sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "RMSprop"]
