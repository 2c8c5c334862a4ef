"""The tasks of regression, which `fit` knows as "mse", "mae" and "huber"."""

from __future__ import annotations

from collections.abc import Callable

from tinynet import ops
from tinynet.core.engine import Tensor
from tinynet.core.spec import Array, Shape
from tinynet.ops.regression import check_targets
from tinynet.train.measuring import MeasuredTask
from tinynet.train.metrics.errors import mean_absolute_error
from tinynet.train.task import MetricFunction, Task, tasks


def _checked_by(name: str) -> Callable[[Array, Shape], None]:
    return lambda labels, shape: check_targets(name, labels.shape, shape)


def _distance(made: Tensor | None) -> dict[str, MetricFunction]:
    return {"mae": mean_absolute_error}


tasks["mse"] = MeasuredTask(ops.mean_squared_error, _checked_by("mse"), _distance)
tasks["mae"] = Task(ops.mean_absolute_error, _checked_by("mae"))  # the loss itself is the distance
tasks["huber"] = MeasuredTask(ops.huber, _checked_by("huber"), _distance)
