"""Full-batch work: a loss over a whole set as a function of all parameters, and optimizers that search along it."""

from tinynet.fullbatch import divided  # noqa: F401 - which registers objectives in parts
from tinynet.fullbatch.backtracking import Backtracking
from tinynet.fullbatch.gradient_descent import GradientDescent
from tinynet.fullbatch.line_search import LineSearchOptimizer, StepRecord
from tinynet.fullbatch.newton import Newton
from tinynet.fullbatch.objective import Objective
from tinynet.fullbatch.step import FullBatchStep

__all__ = [
    "Backtracking",
    "FullBatchStep",
    "GradientDescent",
    "LineSearchOptimizer",
    "Newton",
    "Objective",
    "StepRecord",
]
