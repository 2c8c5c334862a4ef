"""tinynet: a deep-learning framework small enough to read in an afternoon, and fast on a CPU."""

from tinynet import data as datasets
from tinynet import metrics, ops, report
from tinynet.autograd import Op, Tensor, grad, no_grad
from tinynet.callbacks import Checkpoint, CSVLogger, EarlyStopping, LearningRateSchedule
from tinynet.data.labels import one_hot
from tinynet.derivatives import hessian, hvp, jacobian
from tinynet.gradcheck import check_gradients
from tinynet.layers import Conv2D, Dense, Flatten, Input, Layer, MaxPool, ReLU, Sigmoid, Softmax
from tinynet.model import Model, Sequential, load
from tinynet.objective import Objective
from tinynet.optim import (
    SGD,
    Adam,
    Backtracking,
    GradientDescent,
    LineSearchOptimizer,
    Newton,
    Optimizer,
    StepRecord,
)
from tinynet.threads import get_num_threads, set_num_threads
from tinynet.training import History, Run

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
