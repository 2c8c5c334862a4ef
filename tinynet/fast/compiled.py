"""Compiled forwards: plans of prediction and evaluation, which a model keeps; and the plan of a training step."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from tinynet.core.engine import Tensor
from tinynet.core.spec import Array, Spec
from tinynet.fast.configuration import configuration
from tinynet.fast.trace import evaluation_plan, inference_plan, training_plan
from tinynet.nn.network import Network
from tinynet.ops.loss import Loss

__all__ = ["evaluator", "predictor", "training_plan"]

_MOST_PLANS = 8  # that a model keeps


def predictor(model: Network) -> Callable[[Array], Array]:
    """Return a function that computes the outputs of a batch, a new array."""
    settings = configuration(model)

    def predict(x: Array) -> Array:
        spec = Spec(x.shape, x.dtype)
        plan = _kept(model, ("predict", spec, settings), lambda: inference_plan(model, spec))
        output: Array = plan.run(x=x)["output"]
        return output

    return predict


def evaluator(model: Network, loss: Loss) -> Callable[[Array, Array], tuple[Tensor, float, Array]]:
    """Return a function that computes the traced output, the loss and the outputs of a batch and its labels."""
    settings = configuration(model)

    def evaluate(x: Array, y: Array) -> tuple[Tensor, float, Array]:
        specs = (Spec(x.shape, x.dtype), Spec(y.shape, y.dtype))
        # The loss is kept beside the plan, so that no other function gets its identity, which is part of the key.
        key = ("evaluate", id(loss), *specs, settings)
        (plan, made), _ = _kept(model, key, lambda: (evaluation_plan(model, loss, *specs), loss))
        values = plan.run(x=x, y=y)
        return made, values["loss"].item(), values["output"]

    return evaluate


def _kept(model: Network, key: tuple[Hashable, ...], make: Callable[[], Any]) -> Any:
    """Return what a model keeps under a key, or make it; the oldest is dropped when there are too many."""
    plan = model.plans.pop(key, None) or make()
    model.plans[key] = plan
    while len(model.plans) > _MOST_PLANS:
        model.plans.pop(next(iter(model.plans)), None)
    return plan
