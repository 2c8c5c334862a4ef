"""What made a loss or a gradient not finite: the batch is computed once more, op by op, and each value looked at."""

from __future__ import annotations

import traceback
from typing import Any

import numpy as np

from tinynet.core.engine import Op, Tensor, _pull, current_backend, use_backend
from tinynet.core.mode import _transaction
from tinynet.core.spec import Array
from tinynet.errors import NonFiniteError, TinynetError
from tinynet.train.loop import explain_by
from tinynet.train.run import Run
from tinynet.train.step import BatchStep, TrainingStep


class _Found(Exception):  # noqa: N818 - it is not an error, but what was looked for
    """An op made values that are not finite from values that are."""

    def __init__(self, op: Op) -> None:
        super().__init__(op.name)
        self.op = op


def _finite(arrays: tuple[Array, ...]) -> bool:
    return all(np.isfinite(a).all() for a in arrays if a.dtype.kind == "f")


def find_origin(step: TrainingStep, indices: Array) -> str:
    """Say which op made the first value that is not finite in a step, and in which layer.

    Parameters
    ----------
    step : TrainingStep
        Whose last batch had a loss or a gradient that is not finite. It is made once more and dropped.
    indices : ndarray
        Of the samples of that batch.

    Returns
    -------
    str
        One sentence; empty if each op by itself computes finite values, which rounding may explain.
    """
    if not isinstance(step, BatchStep):
        return ""
    before = current_backend()
    layers: dict[int, tuple[Array, str]] = {}  # by the identity of the first array that an op made

    def evaluate(op: Op, arrays: tuple[Array, ...], attrs: dict[str, Any]) -> tuple[Array, ...]:
        made = before.evaluate(op, arrays, attrs)
        if (transaction := _transaction.get()) and transaction.path:
            layers[id(made[0])] = made[0], transaction.path[-1]
        if not _finite(made) and _finite(arrays):
            layers[0] = made[0], transaction.path[-1] if transaction and transaction.path else ""
            raise _Found(op)
        return made

    try:
        use_backend(before._replace(evaluate=evaluate))
        with step.mode:
            step.descend(Tensor(indices))
    except _Found as found:
        frames = [frame for frame, _ in traceback.walk_tb(found.__traceback__) if frame.f_code is _pull.__code__]
        if not frames:
            return _sentence(f"op {found.op.name!r}", layers[0][1])
        node = frames[-1].f_locals["node"]
        return _sentence(f"the gradient of op {node.op.name!r}", layers.get(id(node.values[0]), (None, ""))[1])
    except TinynetError:
        return ""
    finally:
        use_backend(before)
    return ""


def _sentence(what: str, layer: str) -> str:
    place = f"in layer {layer!r}" if layer else "in the loss"
    return f"The first value that is not finite comes from {what} {place}."


def explain(error: NonFiniteError, run: Run, indices: Array) -> NonFiniteError:
    """Say where in the run a loss or a gradient was not finite, and what made it so."""
    if run.step.full_batch:
        return error
    so_far = f"; the mean loss over the epoch so far was {run.means()['loss']:.4g}" if run.means.total else ""
    largest = float(np.abs(run.model.theta).max())
    origin = find_origin(run.step, indices)
    return NonFiniteError(
        f"{error.what} in epoch {run.epoch + 1}, batch {run.batch + 1}{so_far}. {origin} The largest parameter is "
        f"{largest:.3g} in size. Try a smaller learning rate (now {run.optimizer.learning_rate:g}), inputs of a size "
        "around 1 (tn.Input(shape, scale=1/255) for images), or a loss computed from logits",
        error.what,
    )


explain_by(explain)
