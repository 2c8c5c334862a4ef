"""Samples or labels that pass through a window, which holds those of the next steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.core.spec import Array
from tinynet.train.stream import Stream


class Windowed:
    """Samples or labels of a run, of which the window holds some; converted to an array, it is these.

    Parameters
    ----------
    data : Stream or ndarray
        All samples or labels, (n, ...).
    rows : int
        How many of them the window has room for.

    Attributes
    ----------
    memory : ndarray
        (rows, ...): the window, which the step indexes.
    """

    def __init__(self, data: Stream | Array, rows: int) -> None:
        self.data = data
        self.shape = data.shape
        self.dtype = data.dtype
        self.memory = np.zeros((rows, *data.shape[1:]), data.dtype.newbyteorder("="))

    def read(self, indices: Array, start: int) -> Array:
        """Read the samples at some indices into the window, from one of its rows on; returns these rows."""
        rows = self.memory[start : start + len(indices)]
        if isinstance(self.data, Stream):
            return self.data.read(indices, rows)
        return np.take(self.data, indices, axis=0, out=rows, mode="clip")

    def __len__(self) -> int:
        return len(self.data)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return self.memory

    def __getitem__(self, which: Any) -> Array:
        found: Array = self.memory[which]
        return found
