"""The task of a model of several outputs, from the arguments of `fit` and `evaluate`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tinynet.checks import check_positive
from tinynet.core.engine import Tensor
from tinynet.core.spec import Array
from tinynet.errors import ArgumentError
from tinynet.train.inputs import in_order
from tinynet.train.joint import Joint, SeveralTask, TrainedOutput, names_of
from tinynet.train.task import Task, find_task


@dataclass(frozen=True)
class Losses:
    """The loss that was passed to `fit` for a model of several outputs, and the weight of each output."""

    loss: Any
    weights: Any


def of_several(given: Any, metrics: Any, made: Any) -> Task:
    """Return the task of a model of several outputs.

    Parameters
    ----------
    given : str, callable, tuple, dict or Losses
        A loss for all outputs, or one for each: by name, or in order. An output whose loss is None is not trained on.
    metrics : tuple, dict or None
        The metrics of each output; by default those of its loss.
    made : tuple, list or dict of Tensor
        The outputs.

    Returns
    -------
    SeveralTask
        Its task.

    Raises
    ------
    ArgumentError
        If an output has no loss or weight, or there is one for no output.
    """
    loss, weights = (given.loss, given.weights) if isinstance(given, Losses) else (given, None)
    names = names_of(made)
    losses = in_order("loss", loss, names) if isinstance(loss, dict | tuple | list) else [loss] * len(names)
    chosen = dict.fromkeys(names) if metrics is None else _metrics(metrics, names)
    factors = [1.0] * len(names) if weights is None else in_order("loss_weights", weights, names)
    keys = list(made) if isinstance(made, dict) else range(len(names))
    outputs = []
    for name, key, one, factor in zip(names, keys, losses, factors, strict=True):
        if one is not None:
            weight = check_positive("fit", f"loss_weights[{name!r}]", factor, zero=True)
            outputs.append(TrainedOutput(name, key, find_task(one, chosen[name]), weight))
    if not outputs:
        raise ArgumentError("the loss of every output is None, so there is nothing to minimise")
    return SeveralTask(Joint(outputs), _unchecked, {f"{one.name}_": one.task for one in outputs})


def _metrics(given: Any, names: list[str]) -> dict[str, Any]:
    """Return the metrics of each output; an output that a dict leaves out has those of its loss."""
    if isinstance(given, dict):
        given = dict.fromkeys(names) | given
    elif not given:
        given = [[]] * len(names)
    elif not all(one is None or isinstance(one, list | tuple) for one in given):
        raise ArgumentError(
            f"metrics must be a list for each of the outputs {', '.join(names)}, in a dict or a tuple, but got "
            f"{given!r}"
        )
    return dict(zip(names, in_order("metrics", given, names), strict=True))


def _unchecked(labels: Array, shape: Any) -> None:
    """Do nothing: each part checks its own labels."""


def weigh_outputs(arguments: dict[str, Any]) -> list[Any]:
    """Weigh the losses of the outputs of a run by the argument ``loss_weights`` of `fit`."""
    weights = arguments["loss_weights"]
    if weights is not None:
        if isinstance(arguments["model"].made, Tensor):
            raise ArgumentError("loss_weights are for models of several outputs, but this one has one; leave them out")
        arguments["loss"] = Losses(arguments["loss"], weights)
        arguments["task"] = find_task(arguments["loss"], arguments["metrics"], arguments["model"].made)
    return []


Task.of_several = of_several
