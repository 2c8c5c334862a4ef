"""tinynet: a deep-learning framework small enough to read in an afternoon, and fast on a CPU."""

import os
from importlib import import_module as _import_module
from typing import Any as _Any

from tinynet import datasets, distributed, ops
from tinynet.compiled import CompiledFunction, compile
from tinynet.core.engine import Op, Tensor, grad
from tinynet.core.higher import hessian, hvp, jacobian
from tinynet.core.mode import no_grad, reference
from tinynet.core.transaction import State, TrainMode, train_mode, training
from tinynet.datasets.labels import one_hot
from tinynet.fullbatch import Backtracking, GradientDescent, LineSearchOptimizer, Newton, Objective, StepRecord
from tinynet.inspection import finite as _finite  # noqa: F401 - which tells what made a step not finite
from tinynet.inspection import in_html as _in_html  # noqa: F401 - which adds to models how notebooks show them
from tinynet.inspection import summary as _summary  # noqa: F401 - which adds to models how they are printed
from tinynet.inspection.gradcheck import check_gradients
from tinynet.model import Model, Sequential
from tinynet.nn import (
    GRU,
    LSTM,
    Activation,
    AvgPool,
    BatchNorm,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GaussianNoise,
    GlobalAvgPool,
    GlobalMaxPool,
    Input,
    Layer,
    LayerNorm,
    MaxPool,
    MultiHeadAttention,
    RandomFlip,
    RandomRotation,
    RandomShift,
    ReLU,
    Reshape,
    Residual,
    Sigmoid,
    Softmax,
    UpSampling,
)
from tinynet.nn.inner import inner_values
from tinynet.ops import random
from tinynet.optim import SGD, Adam, AdamW, Optimizer, RMSprop
from tinynet.reuse import submodel
from tinynet.saving import copies as _copies  # noqa: F401 - which adds to models how they are copied
from tinynet.saving import load
from tinynet.train import History, LearningRateFinder, Run, metrics
from tinynet.train import inference as _inference  # noqa: F401 - which adds to models how they predict
from tinynet.train.callbacks import (
    Checkpoint,
    CSVLogger,
    EarlyStopping,
    GradientNorm,
    LearningRateSchedule,
    StepLosses,
    StepSchedule,
)
from tinynet.train.stream import Stream

if os.environ.get("TINYNET_REFERENCE", "0") == "0":  # otherwise each op is computed by its meaning, without Numba
    from tinynet.fast.threads import get_num_threads, set_num_threads  # and with these, the kernels of all ops
    from tinynet.inspection import plan_in_html as _plan_in_html  # noqa: F401
    from tinynet.inspection import table as _table  # noqa: F401 - which adds to plans how they are read

# fmt: off
__all__ = [
    "GRU",
    "LSTM",
    "SGD",
    "Activation",
    "Adam",
    "AdamW",
    "AvgPool",
    "Backtracking",
    "BatchNorm",
    "CSVLogger",
    "Checkpoint",
    "CompiledFunction",
    "Conv2D",
    "Conv2DTranspose",
    "Dense",
    "Dropout",
    "EarlyStopping",
    "Embedding",
    "Flatten",
    "GaussianNoise",
    "GlobalAvgPool",
    "GlobalMaxPool",
    "GradientDescent",
    "GradientNorm",
    "History",
    "Input",
    "Layer",
    "LayerNorm",
    "LearningRateFinder",
    "LearningRateSchedule",
    "LineSearchOptimizer",
    "MaxPool",
    "Model",
    "MultiHeadAttention",
    "Newton",
    "Objective",
    "Op",
    "Optimizer",
    "RMSprop",
    "RandomFlip",
    "RandomRotation",
    "RandomShift",
    "ReLU",
    "Reshape",
    "Residual",
    "Run",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "State",
    "StepLosses",
    "StepRecord",
    "StepSchedule",
    "Stream",
    "Tensor",
    "TrainMode",
    "UpSampling",
    "check_gradients",
    "compile",
    "datasets",
    "distributed",
    "get_num_threads",
    "grad",
    "hessian",
    "hvp",
    "inner_values",
    "jacobian",
    "load",
    "metrics",
    "no_grad",
    "one_hot",
    "ops",
    "random",
    "reference",
    "report",
    "set_num_threads",
    "submodel",
    "train_mode",
    "training",
]
# fmt: on

__version__ = "0.2.0"

_LATER = ("onnx", "report")  # parts of the package that are imported when they are asked for


def __getattr__(name: str) -> _Any:
    """Import a part of the package that nothing else imports."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _import_module(f"{__name__}.{name}")
