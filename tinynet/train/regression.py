"""The tasks of regression, which `fit` knows as "mse", "mae" and "huber"."""

from __future__ import annotations

from collections.abc import Callable

from tinynet import ops
from tinynet.core.engine import Tensor
from tinynet.core.spec import Array, Shape
from tinynet.ops.loss import Loss
from tinynet.ops.regression import check_targets
from tinynet.train.metrics.errors import mean_absolute_error
from tinynet.train.task import Metric, Task, no_metrics, register_task


def _checked_by(name: str) -> Callable[[Array, Shape], None]:
    return lambda labels, shape: check_targets(name, labels.shape, shape)


def _distance(made: Tensor | None) -> dict[str, Metric]:
    return {"mae": mean_absolute_error}


_LOSSES: dict[str, tuple[Loss, Callable[[Tensor | None], dict[str, Metric]]]] = {
    "mse": (ops.mean_squared_error, _distance),
    "mae": (ops.mean_absolute_error, no_metrics),  # the loss itself is the distance
    "huber": (ops.huber, _distance),
}
for _name, (_loss, _metrics) in _LOSSES.items():
    register_task(_name, Task(_loss, _checked_by(_name), _metrics))
