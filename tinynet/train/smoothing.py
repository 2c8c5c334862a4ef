"""Label smoothing as an argument of `fit`: the loss, whose metrics stay, is given it as an argument of its own."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from tinynet.checks import check_positive
from tinynet.core.engine import Tensor
from tinynet.errors import ArgumentError
from tinynet.train.task import find_task, tasks

SMOOTHED = ("cross_entropy", "binary_cross_entropy")


def smooth_labels(arguments: dict[str, Any]) -> list[Any]:
    """Let a run smooth its labels, if `fit` was told to."""
    share = check_positive("fit", "label_smoothing", arguments["label_smoothing"], zero=True, most=1)
    loss = arguments["loss"]
    if not share:
        return []
    if loss not in SMOOTHED:
        raise ArgumentError(
            f"label_smoothing is for the losses {' and '.join(SMOOTHED)}, but the loss is {loss!r}; leave it out, or "
            "smooth the labels in the loss"
        )
    function: Callable[..., Tensor] = tasks[loss].loss
    arguments["loss"] = partial(function, label_smoothing=share)
    arguments["task"] = find_task(arguments["loss"], arguments["metrics"])
    return []
