"""Combining the messages of neighbours: their facts, or the reason why the processes cannot continue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from tinynet.distributed.message import Facts, Message, differences
from tinynet.errors import TinynetError
from tinynet.train.tree import both as sum_of_both

T = TypeVar("T")
Both = Callable[[Facts, Facts], Facts]

LEAVING = "leaving"  # the work of a process whose program ends


def combined(left: Message, right: Message, both: Both, at: int, above: int) -> Message:
    """Combine the messages of two neighbours, which may be combined from several processes themselves."""
    facts = combined_facts(left.facts, right.facts, both, at, above)
    return Message(facts, None if "error" in facts else sum_of_both(left.sums, right.sums))


def combined_facts(left: Facts, right: Facts, both: Both, at: int, above: int) -> Facts:
    """Return the combined facts, or the facts of a neighbour that has an error."""
    for facts in (left, right):
        if "error" in facts:
            return {**facts, "forms": None}
    kinds = {at: left["kind"], above: right["kind"]}
    found = differences(_doing(left, right), _doing(right, left))
    gone = [rank for rank, kind in kinds.items() if kind == LEAVING]
    if len(gone) == 1:
        text = f"process {gone[0]} has left the work: its program has ended, while others go on"
        return {**left, "error": (-1, text), "left": True, "forms": None}
    if found:
        text = (
            f"processes {at} and {above} do not do the same: {'; '.join(found)}. What decides how a run goes on must "
            "be the same in all, as callbacks that depend on the time or on random numbers are not; "
            "tn.distributed.world().share(value) makes it so"
        )
    else:
        try:
            return {**left, **both(left, right), "forms": left["forms"] or right["forms"]}
        except TinynetError as error:
            text = str(error)
    return {**left, "error": (-1, text), "forms": None}


def _doing(facts: Facts, other: Facts) -> dict[str, Any]:
    """Return the facts that must be equal in both; those of arrays only if both have some."""
    forms = {"arrays": facts["forms"]} if facts["forms"] and other["forms"] else {}
    return {"doing": facts["kind"], **facts.get("place", {}), **forms}


def along_tree(values: list[T], both: Callable[[T, T, int, int], T]) -> T:
    """Combine values along a binary tree over their numbers.

    Examples
    --------
    >>> along_tree(list("abcde"), lambda left, right, i, j: f"({left}{right})")
    '(((ab)(cd))e)'
    """
    step = 1
    while step < len(values):
        for i in range(0, len(values) - step, 2 * step):
            values[i] = both(values[i], values[i + step], i, i + step)
        step *= 2
    return values[0]
