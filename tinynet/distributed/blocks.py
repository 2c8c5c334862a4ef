"""Blocks of the tree of a step: those of each process, their messages, and their sums."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.core.spec import Array
from tinynet.distributed.message import Facts, Message
from tinynet.errors import ArgumentError
from tinynet.train.block import Block, agreeing


def numbers_of(size: int, rank: int, count: int) -> range:
    """Return the numbers of the micro-batches that one of some processes computes: an aligned block of the tree.

    Examples
    --------
    >>> numbers_of(4, 1, 8)
    range(2, 4)
    """
    each = count // size
    return range(rank * each, (rank + 1) * each)


def facts_of(block: Block) -> Facts:
    """Return the facts about a block that are sent with its sums.

    Examples
    --------
    >>> facts_of(Block(None, [np.array([1, 2])], {"accuracy": 3.0}))
    {'others': [['<i8', [1, 2]]], 'measured': {'accuracy': 3.0}}
    """
    others = None if block.others is None else [[a.dtype.str, a.tolist()] for a in block.others]
    return {"others": others, "measured": block.measured}


def block_in(message: Message) -> Block:
    """Return the block in a message."""
    return Block(message.sums, _states(message.facts), message.facts["measured"])


def added(left: Facts, right: Facts) -> Facts:
    """Return the combined facts about the blocks of neighbours."""
    agreeing(_states(left), _states(right))
    others = right["others"] if left["others"] is None else left["others"]
    return {"others": others, "measured": _added(left["measured"], right["measured"])}


def _states(facts: Facts) -> list[Array] | None:
    given: list[Any] | None = facts["others"]
    return None if given is None else [np.array(values, dtype) for dtype, values in given]


def _added(left: dict[str, float], right: dict[str, float]) -> dict[str, float]:
    if not (left and right):
        return left or right
    return {name: value + right[name] for name, value in left.items()}


def check_division(workers: int, micro_batches: int) -> None:
    """Refuse micro-batches of which the workers cannot each have a block of the tree.

    Examples
    --------
    >>> check_division(4, 8)
    """
    if not (is_power_of_two(workers) and is_power_of_two(micro_batches)) or micro_batches < workers:
        least = 1 << (workers - 1).bit_length()
        few = f"; start {least} or {least // 2} processes" if least != workers else ""
        raise ArgumentError(
            f"micro_batches={micro_batches} cannot be divided among {workers} processes: the sums go along a binary "
            f"tree, of which each has a block, so both must be powers of two (1, 2, 4, 8, ...), and micro_batches at "
            f"least {least}{few}"
        )


def is_power_of_two(n: int) -> bool:
    """Return whether a number of 1 or more is 1, 2, 4, 8 and so on."""
    return n & (n - 1) == 0
