"""The part of one process in a run of several: its micro-batches, its messages, and the common end."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any

import numpy as np

from tinynet.core.spec import Array
from tinynet.distributed.blocks import added, block_in, check_division, facts_of, numbers_of
from tinynet.distributed.combining import Both
from tinynet.distributed.errors import WorldError
from tinynet.distributed.facts import compare, run_facts
from tinynet.distributed.message import Facts, Message
from tinynet.distributed.processes import World, check_world
from tinynet.errors import ArgumentError
from tinynet.optim.optimizer import hyperparameters
from tinynet.train.block import Block, Whole, slices
from tinynet.train.compound import chosen_within
from tinynet.train.interrupts import interruptible
from tinynet.train.run import Run
from tinynet.train.task import Task
from tinynet.train.window import Window


class Member:
    """The callback of a run of several processes; its step has it as its partners."""

    def __init__(self, world: World, arguments: dict[str, Any]) -> None:
        self.world = world
        self.count = arguments["micro_batches"]
        self.asked = False  # whether somebody has pressed Ctrl-C, as far as this process knows
        self.ends = False  # whether all know
        self.at_end = ExitStack()
        self.is_first = world.rank == 0

    # --- the step

    def numbers(self, count: int) -> range:
        """Return the numbers of the micro-batches that are computed here: an aligned block of the tree."""
        return numbers_of(self.world.size, self.world.rank, count)

    def total(self, block: Block, *of_objective: Any) -> Block:
        """Return the sums of the micro-batches of all processes."""
        return block_in(self._gather("step", facts_of(block), _both, block.sums))

    def fail(self, error: BaseException) -> None:
        """Do nothing: the run will end with the error, and tell the other processes."""

    def _gather(
        self,
        kind: str,
        facts: Facts,
        both: Both,
        sums: list[Array] | None = None,
        failed: BaseException | None = None,
    ) -> Message:
        """Exchange with the other processes, Ctrl-C included."""
        place = {"epoch": self.run.epoch + 1, "batch": self.run.batch + 1, **hyperparameters(self.run.optimizer)}
        whole = self.world.gather(kind, {"place": place, "asked": self.asked, **facts}, both, sums, failed)
        self.ends = bool(whole.facts.get("asked"))
        return whole

    # --- measures

    def share(self, count: int) -> range:
        """Return the numbers of the batches of a validation that are computed here; process 0 computes the first."""
        starts = [-(-count * rank // self.world.size) for rank in (self.world.rank, self.world.rank + 1)]
        return range(*starts)

    def in_order(self, found: list[Any]) -> list[Any]:
        """Return the results of all processes, numbers and dicts of them, in the order of the processes."""
        whole: list[Any] = self._gather("measures", {"found": found}, _joined).facts["found"]
        return whole

    def in_one(self, act: Callable[[], Any]) -> Any:
        """Return the result of process 0."""
        found = act() if self.world.rank == 0 else None
        return self._gather("measures of a set", {"found": found}, _asked).facts["found"]

    def collect(self, task: Task) -> None:
        """Send the outputs and labels that are kept for metrics of a set to process 0.

        Only that process computes these metrics, and writes checkpoints, which hold the outputs of the epoch under way.
        """
        for _, chosen in chosen_within(task):
            if chosen.of_sets:
                kept = chosen.kept
                own = [np.concatenate(kept.outputs), np.concatenate(kept.labels)] if kept.outputs else []
                for outputs, labels in filter(None, self.world.collect(own if self.world.rank else [])):
                    kept.add(outputs, labels, kept.are_logits)
                if self.world.rank:
                    kept.outputs, kept.labels = [], []

    # --- the run

    def on_train_begin(self, run: Run) -> None:
        """Compare the runs of all processes; then only process 0 writes, warns and shows progress."""
        self.run = run
        compare(self.world, run_facts(run))
        run.step.join(self)  # type: ignore[attr-defined]
        for callback in run.callbacks:
            if isinstance(callback, Window):
                callback.own = self.own
            if isinstance(getattr(callback, "partners", None), Whole):
                callback.partners = self
        if self.world.rank:
            run.save = _unsaved  # type: ignore[misc, method-assign]
            self.at_end.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")
        notice = "stopping after this batch" if run.arguments["verbose"] else ""
        self.at_end.enter_context(interruptible(self._ask, notice))

    def own(self, n: int) -> slice:
        """Return the slice of a batch of n samples that is read here."""
        numbers, parts = self.numbers(self.count), slices(n, self.count)
        return slice(parts[numbers.start].start, parts[numbers[-1]].stop)

    def _ask(self) -> None:
        self.asked = True

    def on_batch_end(self, run: Run) -> None:
        """Collect the outputs that are kept; if any process was asked to stop, end all after the same batch."""
        self.collect(run.step.task)
        if self.ends:
            run.ending = True

    def on_train_end(self, run: Run) -> None:
        """End all processes together: with their results, or with the error of one."""
        with self.at_end:
            if run.error is None:
                self._save_last(run)
            if not (self.world.broken or isinstance(run.error, WorldError)):  # which all know
                self._gather("end", {}, _asked, failed=run.error)
        if self.ends and run.error is None:
            raise KeyboardInterrupt

    def _save_last(self, run: Run) -> None:
        """Save the files that callbacks have put off, while an error ends the other processes."""
        try:
            run._catch_up()
        except BaseException as error:
            self._gather("end", {}, _asked, failed=error)
            raise


def _unsaved(*arguments: Any, **options: Any) -> None:
    """Save nothing: another process does."""


def _both(left: Facts, right: Facts) -> Facts:
    """Combine the facts about the blocks of neighbours."""
    return {**_asked(left, right), **added(left, right)}


def _joined(left: Facts, right: Facts) -> Facts:
    """Join the results of neighbours."""
    return {**_asked(left, right), "found": left["found"] + right["found"]}


def _asked(left: Facts, right: Facts) -> Facts:
    """Note whether any process was asked to stop."""
    return {"asked": left["asked"] or right["asked"]}


def join_world(arguments: dict[str, Any]) -> Iterable[Member]:
    """Make a run one of several processes, if ``fit`` has a world.

    Raises
    ------
    ArgumentError
        If the micro-batches cannot be divided among the processes, or there is no seed.
    """
    world = arguments["world"]
    if world is None:
        return []
    check_world(world)
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
