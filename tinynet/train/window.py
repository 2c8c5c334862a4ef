"""A run on data that are not in memory: a window holds the next batches, and is filled ahead of the steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tinynet.core.spec import Array
from tinynet.nn.layer import nested
from tinynet.train.nests import leaves
from tinynet.train.run import Run
from tinynet.train.stream import Stream
from tinynet.train.window_order import WindowOrder
from tinynet.train.windowed import Windowed

_BYTES = 2**21  # the size of about half the window: it stays in the cache


class Window:
    """The samples and labels of the next steps; a callback of the run.

    Parameters
    ----------
    arguments : dict
        The arguments of `fit`. "x" and the arrays of "y" become parts of the window.

    Attributes
    ----------
    own : callable or None
        Returns the slice of a batch of n samples that is read here, if other processes read the rest. Data in memory
        are always complete.
    """

    own: Callable[[int], slice] | None = None

    def __init__(self, arguments: dict[str, Any]) -> None:
        streams = [data for data in leaves((arguments["x"], arguments["y"])) if isinstance(data, Stream)]
        first, n = streams[0], len(streams[0])
        size = sum(stream.sample_bytes for stream in streams)
        self.batch = batch = min(arguments["batch_size"] or n, n)
        self.block, self.blocks = first.block, first.blocks
        samples = first.block * first.blocks if first.block else _BYTES // size  # of blocks, all that are mixed
        self.batches = max(1, -(-samples // batch))
        self.half = min(n, self.batches * batch)
        self.prefetch = all(stream.prefetch for stream in streams)
        self.windowed: list[Windowed] = []
        for name in ("x", "y"):
            arguments[name] = nested(arguments[name], self._seen_through)

    def _seen_through(self, data: Stream | Array) -> Windowed:
        self.windowed.append(Windowed(data, 2 * self.half if self.prefetch else self.half))
        return self.windowed[-1]

    def on_train_begin(self, run: Run) -> None:
        """Give the run an order whose batches come from the window."""
        run.order = WindowOrder(run.order, self.filled, self.batches, self.block, self.blocks)

    def read(self, indices: Array, start: int) -> None:
        """Read the samples and labels at some indices into the window, from one of its rows on."""
        if self.own is not None:
            self._read_own(indices, start, self.own)
            return
        known: dict[int, Array] = {}
        for seen in self.windowed:
            if id(seen.data) in known:  # for example if the labels of an autoencoder are its samples
                seen.memory[start : start + len(indices)] = known[id(seen.data)]
            else:
                known[id(seen.data)] = seen.read(indices, start)

    def _read_own(self, indices: Array, start: int, own_of: Callable[[int], slice]) -> None:
        """Read the samples of each batch that other processes do not read."""
        for at in range(0, len(indices), self.batch):
            batch = indices[at : at + self.batch]
            own = own_of(len(batch))
            for seen in self.windowed:
                which = own if isinstance(seen.data, Stream) else slice(len(batch))
                seen.read(batch[which], start + at + (which.start or 0))

    def filled(self, pieces: list[Array]) -> Iterator[tuple[int, int]]:
        """Fill half of the window with the samples at some indices, piece after piece, in turns.

        Yields the start and the length of each piece. In the meantime, a thread fills the other half.
        """
        if not self.prefetch:
            for piece in pieces:
                self.read(piece, 0)
                yield 0, len(piece)
            return
        from concurrent.futures import ThreadPoolExecutor  # late: the import takes a while

        starts = [self.half * (number % 2) for number in range(len(pieces))]
        with ThreadPoolExecutor(1, "tinynet-window") as pool:
            ahead = pool.submit(self.read, pieces[0], 0) if pieces else None
            for number, piece in enumerate(pieces, 1):
                assert ahead is not None
                ahead.result()
                ahead = pool.submit(self.read, pieces[number], starts[number]) if number < len(pieces) else None
                yield starts[number - 1], len(piece)


def read_in_batches(arguments: dict[str, Any]) -> list[Window]:
    """Return the window of a run if its data are not in memory."""
    data = leaves((arguments["x"], arguments["y"]))
    return [Window(arguments)] if any(isinstance(part, Stream) for part in data) else []
