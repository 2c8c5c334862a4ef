"""The part of one process in a run of several: its micro-batches, what it exchanges, and how all end together."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any

from tinynet.distributed.blocks import added, block_in, check_division, message_of, numbers_of
from tinynet.distributed.errors import WorldError
from tinynet.distributed.facts import compare, run_facts
from tinynet.distributed.message import Message
from tinynet.distributed.processes import World
from tinynet.errors import ArgumentError
from tinynet.optim.optimizer import hyperparameters
from tinynet.train.block import Block, slices
from tinynet.train.interrupts import interruptible
from tinynet.train.run import Run
from tinynet.train.window import Window


class Member:
    """The callback of a run of several processes; its step has it as its partners."""

    def __init__(self, world: World, arguments: dict[str, Any]) -> None:
        self.world = world
        self.count = arguments["micro_batches"]
        self.asked = False  # whether somebody has pressed Ctrl-C, as far as this process knows
        self.ends = False  # whether all know
        self.at_end = ExitStack()

    # --- the step

    def numbers(self, count: int) -> range:
        """Return which of so many micro-batches are computed here: an aligned block of the tree."""
        return numbers_of(self.world, count)

    def total(self, block: Block) -> Block:
        """Return what the micro-batches of all processes add up to."""
        return block_in(self._gather("step", message_of(block), _both))

    def _gather(self, kind: str, message: Message, both: Any, failed: BaseException | None = None) -> Message:
        """Exchange with the other processes, Ctrl-C included."""
        place = {"epoch": self.run.epoch + 1, "batch": self.run.batch + 1, **hyperparameters(self.run.optimizer)}
        facts = {"place": place, "asked": self.asked, **message.facts}
        whole = self.world.gather(kind, facts, message.arrays, both, failed)
        self.ends = bool(whole.facts.get("asked"))
        return whole

    # --- the run

    def on_train_begin(self, run: Run) -> None:
        """Begin together, with runs that are alike, of which one writes, warns and shows itself."""
        self.run = run
        compare(self.world, run_facts(run))
        run.step.join(self)  # type: ignore[attr-defined]
        for callback in run.callbacks:
            if isinstance(callback, Window):
                callback.own = self.own
        if self.world.rank:
            run.save = _unsaved  # type: ignore[misc, method-assign]
            self.at_end.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")
        notice = "stopping after this batch" if run.arguments["verbose"] else ""
        self.at_end.enter_context(interruptible(self._ask, notice))

    def own(self, n: int) -> slice:
        """Return which samples of a batch of n are read here."""
        numbers, parts = self.numbers(self.count), slices(n, self.count)
        return slice(parts[numbers.start].start, parts[numbers[-1]].stop)

    def _ask(self) -> None:
        self.asked = True

    def on_batch_end(self, run: Run) -> None:
        """End where any process was asked to: all after the same batch."""
        if self.ends:
            run.ending = True

    def on_train_end(self, run: Run) -> None:
        """End together: with what all have, or with the error of one."""
        with self.at_end:
            if run.error is None:
                self._save_last(run)
            if not (self.world.broken or isinstance(run.error, WorldError)):  # which all know
                self._gather("end", Message({}, []), _asked, run.error)
        if self.ends and run.error is None:
            raise KeyboardInterrupt

    def _save_last(self, run: Run) -> None:
        """Save what callbacks have left to be saved, as long as an error ends the others."""
        try:
            run._catch_up()
        except BaseException as error:
            self._gather("end", Message({}, []), _asked, error)
            raise


def _unsaved(*arguments: Any, **options: Any) -> None:
    """Save nothing: another process does."""


def _both(left: Message, right: Message) -> Message:
    """Add the blocks of neighbours."""
    whole = added(left, right)
    return Message(_asked(left, right).facts | whole.facts, whole.arrays)


def _asked(left: Message, right: Message) -> Message:
    """Note whether any process was asked to stop."""
    return Message({**left.facts, "asked": left.facts["asked"] or right.facts["asked"]}, [])


def join_world(arguments: dict[str, Any]) -> Iterable[Member]:
    """Let a run be one of several processes, if there is a world.

    Raises
    ------
    ArgumentError
        If the micro-batches cannot be divided among the processes, or there is no seed.
    """
    world = arguments["world"]
    if world is None:
        return []
    if not isinstance(world, World):
        raise ArgumentError(f"world must be what tn.distributed.world() returns, but got {world!r}")
    if world.size == 1:
        return []
    check_division(world.size, arguments["micro_batches"])
    if arguments["seed"] is None:
        raise ArgumentError("with several processes, all must draw the same numbers; pass fit a seed, such as seed=0")
    if world.rank:
        arguments["verbose"] = 0
        given = arguments["callbacks"]
        if isinstance(given, list | tuple):
            arguments["callbacks"] = [c for c in given if not getattr(c, "only_writes", False)]
    return [Member(world, arguments)]
