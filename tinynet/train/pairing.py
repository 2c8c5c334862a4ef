"""A loss of a user's own is refused where it would compare each output with each label, by broadcasting."""

from __future__ import annotations

import numpy as np

from tinynet.core.engine import Tensor, ancestors
from tinynet.core.mode import tracing
from tinynet.core.spec import Array, Shape, Spec
from tinynet.errors import ShapeError
from tinynet.ops.loss import Loss
from tinynet.ops.pointwise import Elementwise
from tinynet.train.task import check_user_losses

_N = 7  # samples of the trial


def refuse_all_pairs(loss: Loss, labels: Array, shape: Shape) -> None:
    """Try a loss on shapes alone, where outputs are (n, 1) and labels (n,), and look for an op that makes (n, n)."""
    if shape[1:] != (1,) or labels.ndim != 1:
        return
    try:
        with tracing():
            value = loss(Tensor(Spec((_N, 1), np.dtype(np.float32))), Tensor(Spec((_N,), labels.dtype)))
        nodes = ancestors([value])
    except Exception:  # it reads values, or fails: when it is used, it says so itself
        return
    for node in nodes:
        if isinstance(node.op, Elementwise) and {x.shape for x in node.inputs} == {(_N, 1), (_N,)}:
            raise ShapeError(
                f"the loss broadcasts outputs of shape (n, 1) and labels of shape (n,) to (n, n), in op "
                f"{node.op.name!r}, and so compares each output with each label; give labels of shape (n, 1), as in "
                "y[:, None], or reshape one of the two in the loss"
            )


check_user_losses(refuse_all_pairs)
