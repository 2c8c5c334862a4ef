"""Label smoothing as an argument of `fit`, which passes it on to the loss; the metrics do not change."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from tinynet.checks import check_positive
from tinynet.core.engine import Tensor
from tinynet.errors import ArgumentError
from tinynet.train.inputs import in_order
from tinynet.train.joint import names_of
from tinynet.train.several import Losses
from tinynet.train.task import find_task, tasks

SMOOTHED = ("cross_entropy", "binary_cross_entropy")


def smooth_labels(arguments: dict[str, Any]) -> list[Any]:
    """Smooth the labels of a run by the argument ``label_smoothing`` of `fit`."""
    given, made = arguments["label_smoothing"], arguments["model"].made
    if isinstance(made, Tensor):
        smoothed = _smoothed(arguments["loss"], given)
    else:
        smoothed = _smoothed_by_output(arguments["loss"], given, names_of(made))
    if smoothed is not arguments["loss"]:
        arguments["loss"] = smoothed
        arguments["task"] = find_task(smoothed, arguments["metrics"], made)
    return []


def _smoothed_by_output(loss: Any, given: Any, names: list[str]) -> Any:
    """Return the losses of several outputs with smoothed labels: all by one share, or each by its own."""
    if isinstance(loss, Losses):
        return Losses(_smoothed_by_output(loss.loss, given, names), loss.weights)
    if isinstance(given, dict) and given.keys() <= set(names):
        given = dict.fromkeys(names, 0.0) | given
    shares = in_order("label_smoothing", given, names) if isinstance(given, dict | tuple) else [given] * len(names)
    if not any(shares):
        return loss
    losses = in_order("loss", loss, names) if isinstance(loss, dict | tuple | list) else [loss] * len(names)
    of_each = zip(names, losses, shares, strict=True)
    return {name: None if one is None else _smoothed(one, share, name) for name, one, share in of_each}


def _smoothed(loss: Any, share: Any, name: str = "") -> Any:
    """Return a loss that smooths its labels, or the loss itself if the share is 0."""
    most = check_positive("fit", f"label_smoothing[{name!r}]" if name else "label_smoothing", share, zero=True, most=1)
    if not most:
        return loss
    if loss not in SMOOTHED:
        where = f" of {name!r}; give it by output" if name else "; leave it out"
        raise ArgumentError(
            f"label_smoothing is for the losses {' and '.join(SMOOTHED)}, but the loss is {loss!r}{where}, or smooth "
            "the labels in the loss"
        )
    function: Callable[..., Tensor] = tasks[loss].loss
    return partial(function, label_smoothing=most)
