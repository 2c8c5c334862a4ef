"""Blocks of the tree of a step: which ones a process computes, and how they travel and add up."""

from __future__ import annotations

from tinynet.core.spec import Array
from tinynet.distributed.message import Message
from tinynet.distributed.processes import World
from tinynet.errors import ArgumentError
from tinynet.train.block import Block

_PARTS = ("sums", "others", "seen")


def numbers_of(world: World, count: int) -> range:
    """Return which of so many micro-batches a process computes: an aligned block of the tree."""
    size = count // world.size
    return range(world.rank * size, (world.rank + 1) * size)


def message_of(block: Block) -> Message:
    """Return a block as a message."""
    found = [getattr(block, name) for name in _PARTS]
    lengths = {name: None if part is None else len(part) for name, part in zip(_PARTS, found, strict=True)}
    return Message({"lengths": lengths}, [array for part in found for array in part or []])


def block_in(message: Message) -> Block:
    """Return the block that a message is of."""
    arrays = iter(message.arrays)

    def part(length: int | None) -> list[Array] | None:
        return None if length is None else [next(arrays) for _ in range(length)]

    return Block(*(part(message.facts["lengths"][name]) for name in _PARTS))


def added(left: Message, right: Message) -> Message:
    """Add the blocks of neighbours; all facts are those of the first but for their lengths."""
    whole = message_of(block_in(left).with_next(block_in(right)))
    return Message(left.facts | whole.facts, whole.arrays)


def check_division(workers: int, micro_batches: int) -> None:
    """Refuse micro-batches of which the workers cannot have a block of the tree each.

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
