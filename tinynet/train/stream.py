"""Data that are not in memory: they are read batch by batch, by a thread that reads ahead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tinynet.checks import check_count
from tinynet.core.spec import Array
from tinynet.train.reading import Source

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

_AT_A_TIME = 2**24  # bytes, where all is read in order


class Stream:
    """Samples or labels that are read batch by batch, such as an `np.memmap`, an HDF5 or a zarr dataset.

    `Model.fit`, `evaluate` and `predict` make a Stream of such data themselves. Make it yourself to choose how the data
    are read. A thread reads ahead of the training.

    Parameters
    ----------
    source : object
        It has a length n, and is indexed by an array of k integers, in rising order and without repeats. It returns k
        samples, always of one shape and dtype.
    prefetch : bool
        Whether a thread reads ahead. Otherwise the thread that calls `fit` reads each batch when it is needed. Choose
        that for a source that must stay on one thread, or that computes with tinynet.
    block : int, optional
        Draw the order of the samples in two stages, for sources that read single samples slowly: blocks of so many
        neighbours in a random order, ``blocks`` of them at a time, and within these the samples in a random order. The
        same seed draws the same order, also in a resumed run. Without ``block``, all orders are equally likely.
    blocks : int
        How many blocks are mixed.

    Attributes
    ----------
    shape, dtype
        Those of an array of all samples.

    Raises
    ------
    ArgumentError
        If the source has no length or cannot be indexed, or a number is below 1.
    DataError
        If the source has no samples, or cannot be read.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> class Squares:
    ...     def __len__(self):
    ...         return 1000
    ...     def __getitem__(self, indices):
    ...         return (np.asarray(indices)[:, None] / 1000.0) ** 2
    >>> squares = tn.Stream(Squares())
    >>> squares.shape, squares[np.array([3, 1])].ravel()
    ((1000, 1), array([9.e-06, 1.e-06]))
    """

    def __init__(self, source: Any, prefetch: bool = True, block: int | None = None, blocks: int = 16) -> None:
        self.source = Source(source)
        self.prefetch = bool(prefetch)
        self.block = None if block is None else check_count("Stream: block", block)
        self.blocks = check_count("Stream: blocks", blocks)
        self.dtype = self.source.dtype
        self.check: tuple[Callable[[Array, Any], None], tuple[int, ...]] | None = None  # of labels
        self._ahead: tuple[tuple[int, int], Future[Array]] | None = None
        self._pool: ThreadPoolExecutor | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of all samples together."""
        return (self.source.n, *self.source.sample_shape)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def sample_bytes(self) -> int:
        """How many bytes a sample takes."""
        return max(1, int(np.prod(self.shape[1:])) * self.dtype.itemsize)

    def __len__(self) -> int:
        return self.source.n

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        return np.concatenate(list(self.pieces())).astype(dtype or self.dtype, copy=False)

    def __getitem__(self, which: Any) -> Array:
        if not isinstance(which, slice):
            return self.read(np.asarray(which))
        start, stop, step = which.indices(len(self))
        if step != 1:
            return self.read(np.arange(start, stop, step))
        return self._next_to(start, stop) if self.prefetch else self.read(np.arange(start, stop))

    def pieces(self) -> Iterator[Array]:
        """Read all samples in order, a piece at a time."""
        size = max(1, _AT_A_TIME // self.sample_bytes)
        return (self[start : start + size] for start in range(0, len(self), size))

    def read(self, indices: Array, out: Array | None = None) -> Array:
        """Read the samples at some indices, in any order; see `Source.read`. Labels are checked, too."""
        found = self.source.read(indices, out)
        if self.check is not None:
            check, shape = self.check
            check(found, (len(found), *shape))
        return found

    def at(self, indices: Array) -> Stream:
        """Return a stream of only the samples at some indices."""
        return Stream(_Chosen(self.source, indices), self.prefetch, self.block, self.blocks)

    def _next_to(self, start: int, stop: int) -> Array:
        """Read neighbours, and let a thread begin to read the next ones, which will probably be needed."""
        ahead, self._ahead = self._ahead, None
        known = ahead is not None and ahead[0] == (start, stop)
        found = ahead[1].result() if ahead is not None and known else self.read(np.arange(start, stop))
        after = stop, min(2 * stop - start, len(self))
        if after[0] < after[1]:
            from concurrent.futures import ThreadPoolExecutor  # late: the import takes a while

            self._pool = self._pool or ThreadPoolExecutor(1, "tinynet-stream")
            self._ahead = after, self._pool.submit(self.read, np.arange(*after))
        return found


class _Chosen:
    """Some samples of a source, as a source."""

    def __init__(self, source: Source, indices: Array) -> None:
        self.source = source
        self.indices = indices
        self.shape = (len(indices), *source.sample_shape)
        self.dtype = source.dtype

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, which: Array) -> Array:
        return self.source.read(self.indices[which])


def select(data: Any, which: Any) -> Any:
    """Return some samples of an array, or a stream of some of a stream."""
    return data.at(np.arange(len(data))[which]) if isinstance(data, Stream) else data[which]
