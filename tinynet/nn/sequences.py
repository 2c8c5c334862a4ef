"""The steps of sequences, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from tinynet.core.engine import Tensor, filled
from tinynet.core.spec import Shape, Spec
from tinynet.errors import ShapeError
from tinynet.ops.arrange import stack
from tinynet.ops.compare import not_equal, where
from tinynet.ops.pieces import unstack

Step = Callable[[Tensor, tuple[Tensor, ...]], tuple[Tensor, ...]]


def check_sequences(owner: str, input_shape: Shape) -> None:
    """Check that samples are sequences, (T, D), of at least one step."""
    if len(input_shape) != 2 or not input_shape[0]:
        raise ShapeError(
            f"{owner} takes sequences with the axes (n, T, D), of at least one step, but samples have {input_shape}"
        )


def projected(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return x W + b for all steps, by one product."""
    n, steps, width = x.shape
    rows = x.reshape(n * steps, width) @ weight + bias
    return rows.reshape(n, steps, weight.shape[1])


def run_over(x: Tensor, states: int, units: int, step: Step, return_sequences: bool, mask: Any = None) -> Tensor:
    """Run over the steps of (n, T, ...), from states of zeros; returns the first state, of all steps or of the last.

    Where a mask (n, T) is 0, a step changes no state.
    """
    found, made = tuple(filled(Spec((x.shape[0], units), x.dtype), 0) for _ in range(states)), []
    counts = None if mask is None else not_equal(mask, 0)
    if counts is not None and counts.shape != x.shape[:2]:
        raise ShapeError(f"a mask of the steps has shape {x.shape[:2]} here, but has {counts.shape}")
    for t, one in enumerate(unstack(x, axis=1)):
        new = step(one, found)
        found = new if counts is None else tuple(map(partial(where, counts[:, t : t + 1]), new, found))
        made.append(found[0])
    return stack(made, axis=1) if return_sequences else made[-1]
