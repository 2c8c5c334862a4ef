"""tinynet: a deep-learning framework small enough to read in an afternoon, and fast on a CPU."""

from tinynet import data as datasets
from tinynet import metrics, ops, report
from tinynet.autograd import Op, Tensor, grad, no_grad
from tinynet.callbacks import Checkpoint, CSVLogger, EarlyStopping, LearningRateSchedule
from tinynet.data.labels import one_hot
from tinynet.gradcheck import check_gradients
from tinynet.layers import Conv2D, Dense, Flatten, Input, Layer, MaxPool, ReLU, Sigmoid, Softmax
from tinynet.model import Model, Sequential, load
from tinynet.optim import SGD, Adam, Optimizer
from tinynet.threads import get_num_threads, set_num_threads
from tinynet.training import History, Run

# fmt: off
__all__ = [
    "SGD",
    "Adam",
    "CSVLogger",
    "Checkpoint",
    "Conv2D",
    "Dense",
    "EarlyStopping",
    "Flatten",
    "History",
    "Input",
    "Layer",
    "LearningRateSchedule",
    "MaxPool",
    "Model",
    "Op",
    "Optimizer",
    "ReLU",
    "Run",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Tensor",
    "check_gradients",
    "datasets",
    "get_num_threads",
    "grad",
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
