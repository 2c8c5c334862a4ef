"""Tensors as what others take: NumPy's arrays, Python's numbers and sequences, text. See `methods`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from tinynet.core.engine import Tensor
from tinynet.core.mode import _recording
from tinynet.core.spec import Array
from tinynet.errors import GradientError, ShapeError


class Conversions:
    """Conversions of a tensor to things that are none."""

    __slots__ = ()

    def numpy(self: Any) -> Array:
        """Return the values as an array that shares memory with the tensor."""
        return self.data

    def __array__(self: Any, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        if self.requires_grad and _recording.get() and not self.symbolic:
            raise GradientError(
                f"NumPy would lose the history of a tensor of shape {self.shape} that requires a gradient; use the ops "
                "of tn.ops (tn.ops.stack or tn.ops.concatenate for a list of tensors), or take its values alone, as "
                "in t.data"
            )
        return np.array(self.data, dtype=dtype, copy=copy)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        return function(*_with_arrays(args), **{name: _with_arrays(value) for name, value in kwargs.items()})

    def __len__(self: Any) -> int:
        if not self.shape:
            raise ShapeError("a tensor of no axes has no length; use .item() for its value")
        return self.shape[0]

    def __iter__(self: Any) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __float__(self: Any) -> float:
        return float(self.item())

    def __int__(self: Any) -> int:
        return int(self.item())

    def __round__(self: Any, digits: int | None = None) -> float:
        return round(self.item(), digits)

    def __format__(self: Any, spec: str) -> str:
        return format(self.item(), spec) if spec else str(self)

    def __repr__(self: Any) -> str:
        suffix = ", requires_grad=True" if self.requires_grad else ""
        if not self.known:
            return f"Tensor(shape={self.shape}, dtype={self.dtype}{suffix})"
        text = np.array2string(self.data, separator=", ", prefix="Tensor(")
        dtype = "" if self.dtype in (np.float64, np.int64, np.bool_) else f", dtype={self.dtype}"
        return f"Tensor({text}{dtype}{suffix})"


def _with_arrays(value: Any) -> Any:
    """Replace tensors by their values, in lists and tuples too."""
    if isinstance(value, Tensor):
        return np.asarray(value)
    return type(value)(map(_with_arrays, value)) if type(value) in (list, tuple) else value
