"""The order in which a run takes the samples."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tinynet.core.spec import Array


class Order:
    """The order in which each epoch takes the samples, batch by batch, and its progress.

    Parameters
    ----------
    n : int
        The number of samples.
    batch_size : int or None
        The number of samples in a batch; the last one of an epoch may be smaller. None for all samples.
    rng : numpy.random.Generator
        Draws the order of each epoch.
    shuffle : bool
        Whether the order is random; otherwise the samples come in the order of their numbers.

    Attributes
    ----------
    batches : int
        The number of batches in an epoch.
    batch : int
        The number of complete batches in the epoch under way.
    """

    def __init__(self, n: int, batch_size: int | None, rng: np.random.Generator, shuffle: bool) -> None:
        self.n = n
        self.batch_size = min(batch_size or n, n)
        self.rng = rng
        self.shuffle = shuffle
        self.batches = -(-n // self.batch_size)
        self.begin_epoch()

    def begin_epoch(self) -> None:
        """Begin an epoch: keep the state of the generator from before it draws the order."""
        self.generator = self.rng.bit_generator.state  # for a checkpoint
        self.batch = 0

    def draw(self) -> Iterator[Array]:
        """Draw the order of the epoch under way; returns the indices of each batch that is not done."""
        order = self.rng.permutation(self.n) if self.shuffle else np.arange(self.n)
        starts = range(self.batch * self.batch_size, self.n, self.batch_size)
        return (order[start : start + self.batch_size] for start in starts)
