"""Losses that are functions: those with a name, partials of them, and the user's own."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from tinynet.core.engine import Tensor, ancestors
from tinynet.core.mode import tracing
from tinynet.core.spec import Array, Shape, Spec
from tinynet.errors import ShapeError
from tinynet.ops.loss import Loss
from tinynet.ops.pointwise import Elementwise
from tinynet.train.task import Task, tasks

_N = 7  # samples of the trial


def named_task(loss: Loss) -> Task | None:
    """Return the task whose loss is a function of tinynet, or a partial of it; None for a function of the user's."""
    function = loss.func if isinstance(loss, partial) else loss
    return next((task for task in tasks.values() if task.loss is function), None)


def of_users(loss: Loss) -> Task:
    """Return the task of a loss that is a function; a function of tinynet has the same metrics as by its name."""
    known = named_task(loss)
    return replace(known, loss=loss) if known else Task(loss, partial(refuse_all_pairs, loss))


def refuse_all_pairs(loss: Loss, labels: Array, shape: Shape) -> None:
    """Refuse a loss that broadcasts outputs (n, 1) and labels (n,), or the reverse, to (n, n), by a trial on shapes."""
    widths = shape[1:], labels.shape[1:]
    if set(widths) != {(), (1,)}:
        return
    output, target = ((_N, *width) for width in widths)
    try:
        with tracing():
            value = loss(Tensor(Spec(output, np.dtype(np.float32))), Tensor(Spec(target, labels.dtype)))
        nodes = ancestors([value])
    except Exception:  # it reads values, or fails; it will say so itself when it is used
        return
    for node in nodes:
        if isinstance(node.op, Elementwise) and {x.shape for x in node.inputs} == {(_N, 1), (_N,)}:
            shapes = [f"(n{', 1' if width else ','})" for width in widths]
            advice = "y[:, None]" if widths[0] else "y[:, 0]"
            raise ShapeError(
                f"the loss broadcasts outputs of shape {shapes[0]} and labels of shape {shapes[1]} to (n, n), in op "
                f"{node.op.name!r}, and so compares each output with each label; give labels of shape {shapes[0]}, as "
                f"in {advice}, or reshape one of the two in the loss"
            )


Task.of_users = of_users
