"""Conversions of tensors to NumPy arrays, Python numbers and sequences, and text. See `methods`."""

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
    """Conversions of a tensor to arrays and Python numbers."""

    __slots__ = ()

    def numpy(self: Any) -> Array:
        """Return the values as an array that shares memory with the tensor."""
        return self.data

    def __array__(self: Any, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        return np.array(_values(self), dtype=dtype, copy=copy)

    def __array_function__(self: Any, function: Any, types: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        if function in _OF_SHAPES and args and isinstance(args[0], Tensor):  # whose values are not read
            return function(np.broadcast_to(0, args[0].shape), *args[1:], **kwargs)
        return function(*_with_arrays(args, function), **_with_arrays(kwargs, function))

    def __array_ufunc__(self: Any, ufunc: np.ufunc, method: str, *args: Any, **kwargs: Any) -> Any:
        name = _OPERATORS.get(ufunc)
        if name and method == "__call__" and not kwargs:  # as of array + tensor, which is the tensor's to answer
            return getattr(self._ops, name)(*args)
        return getattr(ufunc, method)(*_with_arrays(args, ufunc), **_with_arrays(kwargs, ufunc))

    def __len__(self: Any) -> int:
        if not self.shape:
            raise ShapeError("a tensor without axes has no length; use .item() for its value")
        return self.shape[0]

    def __iter__(self: Any) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __bool__(self: Any) -> bool:
        return bool(self.item())

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


# NumPy calls this for a tensor on the right of an array: `array + tensor` is `np.add(array, tensor)`.
_OPERATORS: dict[np.ufunc, str] = {
    np.add: "add", np.subtract: "subtract", np.multiply: "multiply", np.divide: "divide", np.matmul: "matmul",
    np.power: "power", np.less: "less", np.less_equal: "less_equal", np.greater: "greater",
    np.greater_equal: "greater_equal", np.equal: "equal", np.not_equal: "not_equal", np.bitwise_and: "logical_and",
    np.bitwise_or: "logical_or",
}  # fmt: skip
_OF_SHAPES = np.shape, np.ndim, np.size
_OTHER_NAMES = {"absolute": "abs", "square": "power", "dot": "matmul", "vstack": "concatenate", "hstack": "concatenate"}


def _values(tensor: Any, function: Any = None) -> Array:
    """Return the values for a function of NumPy; raise a GradientError if the history would be lost."""
    if tensor.requires_grad and _recording.get() and not tensor.symbolic:
        name = getattr(function, "__name__", "")
        op = _OTHER_NAMES.get(name, name)
        others = "the ops of tn.ops (tn.ops.stack or tn.ops.concatenate for a list of tensors)"
        ops = f"tn.ops.{op}" if op in tensor._ops.__all__ else others
        raise GradientError(
            f"{f'np.{name}' if name else 'NumPy'} would lose the history of a tensor of shape {tensor.shape} that "
            f"requires a gradient; use {ops}, or take its values alone, as in t.data"
        )
    values: Array = tensor.data
    return values


def _with_arrays(value: Any, function: Any) -> Any:
    """Replace tensors by their values, in lists, tuples and dicts too."""
    if isinstance(value, Tensor):
        return _values(value, function)
    if type(value) is dict:
        return {name: _with_arrays(part, function) for name, part in value.items()}
    return type(value)(_with_arrays(part, function) for part in value) if type(value) in (list, tuple) else value
