"""Values whose axes may lie in another order than they are spoken of, so that transposes cancel.

ONNX's images are N C H W, those of tinynet's ops N H W C. A convolution brings its input into tinynet's order, and what
it makes stays there, with a note of the order, for as long as the operators that follow do not mind. A transpose
changes the note alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinynet import ops
from tinynet.core.engine import Tensor, constant
from tinynet.core.spec import Array, Shape
from tinynet.errors import DTypeError

Order = tuple[int, ...]


@dataclass(frozen=True)
class Value:
    """A tensor, and the order in which its axes lie.

    Attributes
    ----------
    tensor : Tensor
        What there is.
    order : tuple of int
        Axis i of the tensor is axis ``order[i]`` of the value.
    """

    tensor: Tensor
    order: Order

    @property
    def shape(self) -> Shape:
        """The lengths of the axes of the value."""
        return tuple(self.tensor.shape[self.order.index(a)] for a in range(len(self.order)))

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.order)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the values."""
        return self.tensor.dtype

    def ordered(self, order: Order) -> Tensor:
        """Return the value as a tensor whose axes lie in an order."""
        if order == self.order:
            return self.tensor
        return ops.transpose(self.tensor, [self.order.index(a) for a in order])

    def plain(self) -> Tensor:
        """Return the value as a tensor whose axes lie as they are spoken of."""
        return self.ordered(natural(self.ndim))


Known = Array  # a value that does not depend on the samples
Operand = Value | Known


def natural(rank: int) -> Order:
    """Return the order in which axes are spoken of."""
    return tuple(range(rank))


def channels_last(rank: int) -> Order:
    """Return the order in which the second axis, that of the channels, comes last."""
    return (0, *range(2, rank), 1)[:rank] if rank > 1 else natural(rank)


def plain(tensor: Tensor) -> Value:
    """Return a tensor as a value whose axes lie as they are spoken of."""
    return Value(tensor, natural(tensor.ndim))


def value_of(x: Operand) -> Value:
    """Return an operand as a value; a known one becomes a constant."""
    return x if isinstance(x, Value) else plain(constant(np.array(x)))


def aligned(operands: Sequence[Operand]) -> tuple[list[Tensor], Order]:
    """Bring operands that broadcast into one order: that of the first that has all axes and does not lie plainly."""
    values = [value_of(x) for x in operands]
    rank = max(v.ndim for v in values)
    order = next((v.order for v in values if v.ndim == rank and v.order != natural(rank)), natural(rank))
    return [_in_order(v, order) for v in values], order


def _in_order(value: Value, order: Order) -> Tensor:
    rank = len(order)
    if value.ndim == rank:
        return value.ordered(order)
    tensor = value.plain()
    if order == natural(rank) or not value.ndim:
        return tensor
    wide = (1,) * (rank - value.ndim) + tensor.shape
    return Value(ops.reshape(tensor, wide), natural(rank)).ordered(order)


def check_dtypes(*dtypes: np.dtype[Any]) -> None:
    """Refuse operands of several dtypes, which ONNX does not bring to one."""
    if len(set(dtypes)) > 1:
        names = ", ".join(sorted(map(str, set(dtypes))))
        raise DTypeError(f"operands are of one dtype, but those of {names} came; a Cast is missing")


def elementwise(function: Callable[..., Any]) -> Callable[..., Value]:
    """Return an operator on corresponding elements, from a function of tensors that broadcast."""

    def operator(*operands: Operand) -> Value:
        check_dtypes(*(x.dtype for x in operands))
        tensors, order = aligned(operands)
        return Value(function(*tensors), order)

    return operator
