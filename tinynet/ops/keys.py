"""The keys of random numbers: the step, the layer and the draw that they are for. No state is stored."""

from __future__ import annotations

from functools import cache
from hashlib import blake2b

import numpy as np

from tinynet.core.engine import Tensor
from tinynet.core.mode import _tracing
from tinynet.core.transaction import Transaction, train_transaction
from tinynet.errors import ArgumentError

_MOST_DRAWS = 2**16  # of one layer in a step: the counter of Philox has 16 bits for them


def next_key(step: Transaction) -> Tensor:
    """Return the key of the next random numbers (5,): seed, step, micro-batch, stream of the layer, draw in it.

    A plan reads it anew at each replay, so that compiled and eager steps draw the same numbers.
    """
    place = tuple(step.path) if _tracing.get() else ()
    return step.read(lambda: _count(train_transaction("a random number"), place), (5,), np.uint64)


def _count(step: Transaction, place: tuple[str, ...]) -> list[int]:
    """Count a draw in a layer, at a place within the layer under way, and return its key."""
    layer, mode = "/".join((*step.path, *place)), step.mode
    assert mode is not None
    count = layer, mode.micro_batch
    step.draws[count] = step.draws.get(count, -1) + 1
    if step.draws[count] >= _MOST_DRAWS:
        raise ArgumentError(f"a step draws at most {_MOST_DRAWS:,} times in one layer; draw larger arrays in {layer!r}")
    return [mode.seed, mode.steps, mode.micro_batch, _stream(layer), step.draws[count]]


@cache
def _stream(layer: str) -> int:
    """Return the number of the stream of a layer, from its path."""
    return int.from_bytes(blake2b(layer.encode(), digest_size=8).digest(), "little")
