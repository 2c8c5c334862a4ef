"""Shapes and dtypes: what is known of an array before it exists."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Shape = tuple[int, ...]


class Spec(NamedTuple):
    """The shape and dtype of an array that need not exist."""

    shape: Shape
    dtype: np.dtype[Any]

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)


Value = Array | Spec

# NumPy's function, with its results kept: it takes longer than the sum of two small arrays, and shapes recur.
broadcast_shapes = lru_cache(maxsize=1024)(np.broadcast_shapes)
