"""Objectives whose parts are computed by several processes."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from tinynet.core.spec import Array
from tinynet.distributed.blocks import added, block_in, check_division, facts_of, numbers_of
from tinynet.distributed.facts import compare, digest_of
from tinynet.distributed.message import Facts, Message
from tinynet.distributed.processes import World, check_world
from tinynet.fullbatch.divided import DividedObjective
from tinynet.saving.settings import brief_checksum
from tinynet.train.block import Block, Whole
from tinynet.train.nests import leaves


class Partners:
    """The processes that compute an objective together."""

    def __init__(self, world: World) -> None:
        self.world = world

    def numbers(self, count: int) -> range:
        """Return the numbers of the parts that are computed here."""
        return numbers_of(self.world.size, self.world.rank, count)

    def total(self, block: Block, what: str, at: Array) -> Block:
        """Return the sums of the parts of all processes, which must make the same call at the same point."""
        place = {"asked for": what, "at": zlib.crc32(np.ascontiguousarray(at).data)}
        return block_in(self._gather({"place": place, **facts_of(block)}, block.sums))

    def fail(self, error: BaseException) -> None:
        """Tell the other processes of an error."""
        if not self.world.broken:
            self._gather({}, failed=error)

    def _gather(self, facts: Facts, sums: list[Array] | None = None, failed: BaseException | None = None) -> Message:
        return self.world.gather("objective", facts, added, sums, failed)


def partners_in(world: Any, objective: DividedObjective) -> Partners | Whole:
    """Return the partners of an objective, after a check that all processes have the same objective.

    Raises
    ------
    ArgumentError
        If there is no such world, or the parts cannot be divided among its processes.
    WorldError
        If the objectives differ.
    """
    check_world(world)
    if world.size == 1:
        return Whole()
    count = len(objective._parts)
    check_division(world.size, count)
    model = objective.model
    compare(
        world,
        {
            "micro_batches": count,
            "l2": objective.l2,
            "samples at a time": objective.size,
            "checksum of the samples": [brief_checksum(data) for data in objective.samples],
            "checksum of the labels and weights": [brief_checksum(data) for data in leaves(objective.labels)],
            "the model's parameters": [[name, list(p.shape)] for name, p in model.parameters.items()],
            "the model's states": digest_of({name: state.data for name, state in model.states.items()}),
        },
    )
    return Partners(world)


DividedObjective.partners_in = staticmethod(partners_in)
