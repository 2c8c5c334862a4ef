"""Optimizers: they see arrays and objectives, never layers."""

from tinynet.optim.adam import Adam
from tinynet.optim.line_search import Backtracking, GradientDescent, LineSearchOptimizer, Newton, StepRecord
from tinynet.optim.optimizer import Optimizer
from tinynet.optim.sgd import SGD

__all__ = [
    "SGD",
    "Adam",
    "Backtracking",
    "GradientDescent",
    "LineSearchOptimizer",
    "Newton",
    "Optimizer",
    "StepRecord",
]
