"""Optimizers that see a batch at a time: updates of arrays, written in ops."""

from tinynet.nn.near_misses import warn_of_near_misses
from tinynet.optim import clipping, step  # noqa: F401 - which add to optimizers: clips, and the step after backward
from tinynet.optim.adam import Adam
from tinynet.optim.adamw import AdamW
from tinynet.optim.optimizer import Optimizer
from tinynet.optim.rmsprop import RMSprop
from tinynet.optim.sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "RMSprop"]

warn_of_near_misses(Optimizer)
