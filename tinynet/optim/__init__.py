"""Optimizers that see a batch at a time: updates of arrays, written in ops."""

from tinynet.optim.adam import Adam
from tinynet.optim.optimizer import Optimizer
from tinynet.optim.sgd import SGD

__all__ = ["SGD", "Adam", "Optimizer"]
