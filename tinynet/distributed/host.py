"""The processes of one host: they exchange data through shared memory, and each adds its part of the sums."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinynet.core.spec import Array
from tinynet.distributed.combining import Both, along_tree, combined_facts
from tinynet.distributed.message import Facts, Message
from tinynet.train.tree import both

Wait = Callable[[Callable[[], Any], Callable[[], int]], Any]

_LINE = 64  # bytes, within which only one process writes at a time
_HEAD = 2**15  # bytes of a slot for facts; the rest is for arrays
_SHORT = 2**14  # bytes of a vector
_MOST = 2**20  # bytes of a slot, which stay in the cache
_ALL = 2**25  # bytes of all slots, about


def bytes_for(count: int) -> int:
    """Return the number of bytes that some processes share.

    Examples
    --------
    >>> bytes_for(8) / 2**20 < 18
    True
    """
    return count * _LINE + (2 * count + 1) * _slot(count)


def _slot(count: int) -> int:
    return max(2 * _HEAD, min(_MOST, _ALL // (2 * count + 1) // _LINE * _LINE))


class Host:
    """The processes of one host: an aligned block of those of a world.

    Each has a counter, and two slots to which it writes in turns. It writes to one slot, raises its counter, and waits
    until all counters are as high; this is a meeting. So no process overwrites a slot that another one still reads:
    before the same slot is used again, all have counted once more. A last slot is for sums, of which each process
    writes its range. An exchange of facts takes one meeting, and so does one of short sums, which are in the same slot.
    Longer sums take two meetings for each megabyte.

    Parameters
    ----------
    memory : ndarray
        `bytes_for` bytes of shared memory, 0 at first.
    number, count : int
        The number of this process among those of the host, and how many there are.
    first : int
        The number in the world of the first of them.
    wait : callable
        Waits; takes a function that returns whether the wait is over, and one that names the process waited for.
    fence : callable
        A memory fence: after it, this process sees what others wrote before they counted, and the reverse.
    """

    def __init__(
        self, memory: Array, number: int, count: int, first: int, wait: Wait, fence: Callable[[], None]
    ) -> None:
        self.number, self.count, self.first = number, count, first
        self.sent = 0  # bytes that this process has written for others
        self._wait, self._fence = wait, fence
        end, size = count * _LINE, _slot(count)
        self._counters = memory[:end].view(np.int64)[:: _LINE // 8].data  # which is read faster than an array
        self._slots = memory[end : end + 2 * count * size].reshape(2, count, size)
        self._totals = memory[end + 2 * count * size :][: size - _HEAD]
        self._at = 0

    def total(self, message: Message, of_both: Both) -> Message:
        """Combine the messages of all processes along the tree; each process returns the same."""
        begun = self._begin(message.sums)
        heads: list[Facts] = [json.loads(text) for text in self._tell(json.dumps(message.facts).encode())]
        given = [facts["forms"] is not None for facts in heads]
        facts = along_tree(
            heads, lambda left, right, i, j: combined_facts(left, right, of_both, self.first + i, self.first + j)
        )
        return Message(facts, self._sums(message.sums, facts["forms"], given, begun))

    def told(self, message: Message) -> Message:
        """Return the message of the first process of the host, in all processes."""
        own = None if self.number else message.sums
        begun = self._begin(own)
        facts = json.loads(self._tell(b"" if self.number else json.dumps(message.facts).encode())[0])
        return Message(facts, self._sums(own, facts["forms"], [i == 0 for i in range(self.count)], begun))

    # --- in memory

    def _meet(self) -> None:
        """Wait until all counters are as high as that of this process."""
        self._at = at = self._at + 1
        counters = self._counters
        self._fence()
        counters[self.number] = at
        self._wait(lambda: min(counters) >= at, lambda: self.first + min(range(self.count), key=counters.__getitem__))
        self._fence()

    def _tell(self, text: bytes) -> list[bytes]:
        """Exchange bytes: each process gets those of all, in pieces if there are many."""
        found, start, longest, room = [bytearray() for _ in range(self.count)], 0, 1, _HEAD - 8
        while start < longest:
            heads = self._slots[self._at % 2, :, :_HEAD]
            piece = text[start : start + room]
            heads[self.number, :8].view(np.int64)[0] = len(text)
            heads[self.number, 8 : 8 + len(piece)] = np.frombuffer(piece, np.uint8)
            self._meet()
            lengths = [int(head[:8].view(np.int64)[0]) for head in heads]
            for its, head, length in zip(found, heads, lengths, strict=True):
                its += head[8 : 8 + max(0, min(room, length - start))].tobytes()
            start, longest = start + room, max(lengths)
        self.sent += 8 + len(text)
        return [bytes(its) for its in found]

    def _begin(self, arrays: list[Array] | None) -> Array:
        """Write the first piece of the arrays to be added, beside the facts; returns the pieces of all."""
        slots: Array = self._slots[self._at % 2, :, _HEAD:]
        for _, same in by_dtype(arrays or [])[:1]:
            self._write(slots, same, 0)
        return slots

    def _write(self, slots: Array, arrays: list[Array], start: int) -> None:
        for part, place in parts_within(arrays, start, start + self._room(arrays)):
            slots[self.number].view(part.dtype)[place] = part
            self.sent += part.nbytes

    def _room(self, arrays: list[Array]) -> int:
        """Return the number of values that are added at a time."""
        return self._totals.size // arrays[0].itemsize

    def _sums(
        self, own: list[Array] | None, forms: list[Any] | None, given: list[bool], begun: Array
    ) -> list[Array] | None:
        """Add up arrays of some dtypes and shapes, from some of the processes; in place if this one has arrays."""
        if forms is None:
            return None
        whole = own or [np.empty(shape, dtype) for dtype, shape in forms]
        for number, (dtype, same) in enumerate(by_dtype(whole)):
            size, room = sum(array.size for array in same), self._room(same)
            for start in range(0, size, room):
                first = not (number or start)
                slots = begun if first else self._slots[self._at % 2, :, _HEAD:]
                if not first:
                    if own is not None:
                        self._write(slots, same, start)
                    self._meet()
                totals = self._added(slots.view(dtype)[:, : min(room, size - start)], given)
                for part, place in parts_within(same, start, start + room):
                    part[...] = totals[place]
        return whole

    def _added(self, slots: Array, given: list[bool]) -> Array:
        """Add up the slots of the processes that have arrays: each process adds its range along the tree.

        Each process adds up short vectors as a whole, which takes less time than another meeting.
        """

        def add(parts: list[list[Array] | None]) -> list[Array]:
            return along_tree(parts, lambda left, right, i, j: both(left, right)) or []

        if slots[0].nbytes <= _SHORT:
            (total,) = add([[slot.copy()] if gives else None for slot, gives in zip(slots, given, strict=True)])
            return total
        totals = self._totals.view(slots.dtype)[: slots.shape[1]]
        own = self._range(totals.size, totals.itemsize)  # nobody else reads it, so it may be added up in place
        (totals[own],) = add([[slot[own]] if gives else None for slot, gives in zip(slots, given, strict=True)])
        self._meet()
        return totals

    def _range(self, size: int, itemsize: int) -> slice:
        """Return the range of values that are added here."""
        line = _LINE // itemsize
        each = -(-size // (self.count * line)) * line
        return slice(min(size, self.number * each), min(size, (self.number + 1) * each))


def by_dtype(arrays: list[Array]) -> list[tuple[np.dtype[Any], list[Array]]]:
    """Return arrays by their dtypes, without those that are empty."""
    dtypes = dict.fromkeys(array.dtype for array in arrays if array.size)
    return [(dtype, [array for array in arrays if array.dtype == dtype and array.size]) for dtype in dtypes]


def parts_within(arrays: list[Array], start: int, stop: int) -> Iterator[tuple[Array, slice]]:
    """Yield the parts of consecutive arrays that are in a range, and their places in the range.

    Examples
    --------
    >>> [(part.tolist(), place) for part, place in parts_within([np.arange(3), np.arange(5)], 2, 6)]
    [([2], slice(0, 1, None)), ([0, 1, 2], slice(1, 4, None))]
    """
    at = 0
    for array in arrays:
        low, high = max(at, start), min(at + array.size, stop)
        if low < high:
            yield array.reshape(-1)[low - at : high - at], slice(low - start, high - start)
        at += array.size
