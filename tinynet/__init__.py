"""tinynet: a deep-learning framework small enough to read in an afternoon, and fast on a CPU."""

from tinynet import datasets, ops, report
from tinynet.core.engine import Op, Tensor, grad
from tinynet.core.higher import hessian, hvp, jacobian
from tinynet.core.mode import no_grad
from tinynet.datasets.labels import one_hot
from tinynet.fast.threads import get_num_threads, set_num_threads
from tinynet.fullbatch import Backtracking, GradientDescent, LineSearchOptimizer, Newton, Objective, StepRecord
from tinynet.inspection.gradcheck import check_gradients
from tinynet.model import Model, Sequential, load
from tinynet.nn import Conv2D, Dense, Flatten, Input, Layer, MaxPool, ReLU, Sigmoid, Softmax
from tinynet.optim import SGD, Adam, Optimizer
from tinynet.train import History, Run, metrics
from tinynet.train.callbacks import Checkpoint, CSVLogger, EarlyStopping, LearningRateSchedule

# fmt: off
__all__ = [
    "SGD",
    "Adam",
    "Backtracking",
    "CSVLogger",
    "Checkpoint",
    "Conv2D",
    "Dense",
    "EarlyStopping",
    "Flatten",
    "GradientDescent",
    "History",
    "Input",
    "Layer",
    "LearningRateSchedule",
    "LineSearchOptimizer",
    "MaxPool",
    "Model",
    "Newton",
    "Objective",
    "Op",
    "Optimizer",
    "ReLU",
    "Run",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "StepRecord",
    "Tensor",
    "check_gradients",
    "datasets",
    "get_num_threads",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "load",
    "metrics",
    "no_grad",
    "one_hot",
    "ops",
    "report",
    "set_num_threads",
]
# fmt: on

__version__ = "0.1.0"
