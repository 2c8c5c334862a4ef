"""The ops of the shelf as methods of tensors: `t.sqrt()` is `tinynet.ops.sqrt(t)`.

Type checkers take `Methods` for a base class of `Tensor`. When a program runs, `tinynet.ops` puts what is in it, and in
its own base classes, onto `Tensor` itself, so that the engine needs none of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

from tinynet.core.backward import Backward
from tinynet.core.conversions import Conversions
from tinynet.core.operators import Operators

if TYPE_CHECKING:
    from tinynet.core.engine import Tensor


class Methods(Operators, Conversions, Backward):
    """The methods of `Tensor` that the engine does not define."""

    __slots__ = ()
    _ops: ClassVar[ModuleType]

    # Element by element.
    def abs(self) -> Tensor:
        """Absolute value; see `tinynet.ops.abs`."""
        return self._ops.abs(self)

    def exp(self) -> Tensor:
        """Exponential; see `tinynet.ops.exp`."""
        return self._ops.exp(self)

    def log(self) -> Tensor:
        """Natural logarithm; see `tinynet.ops.log`."""
        return self._ops.log(self)

    def sqrt(self) -> Tensor:
        """Square root; see `tinynet.ops.sqrt`."""
        return self._ops.sqrt(self)

    def sin(self) -> Tensor:
        """Sine; see `tinynet.ops.sin`."""
        return self._ops.sin(self)

    def cos(self) -> Tensor:
        """Cosine; see `tinynet.ops.cos`."""
        return self._ops.cos(self)

    def tanh(self) -> Tensor:
        """Hyperbolic tangent; see `tinynet.ops.tanh`."""
        return self._ops.tanh(self)

    def maximum(self, other: Any) -> Tensor:
        """Larger of two values; see `tinynet.ops.maximum`."""
        return self._ops.maximum(self, other)

    def minimum(self, other: Any) -> Tensor:
        """Smaller of two values; see `tinynet.ops.minimum`."""
        return self._ops.minimum(self, other)

    def clip(self, low: Any = None, high: Any = None) -> Tensor:
        """Limit the values to an interval; see `tinynet.ops.clip`."""
        return self._ops.clip(self, low, high)

    # Over axes.
    def sum(self, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Tensor:
        """Sum over some axes; see `tinynet.ops.sum`."""
        return self._ops.sum(self, axis, keepdims)

    def mean(self, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Tensor:
        """Mean over some axes; see `tinynet.ops.mean`."""
        return self._ops.mean(self, axis, keepdims)

    def max(self, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Tensor:
        """Maximum over some axes; see `tinynet.ops.max`."""
        return self._ops.max(self, axis, keepdims)

    def min(self, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Tensor:
        """Minimum over some axes; see `tinynet.ops.min`."""
        return self._ops.min(self, axis, keepdims)

    def argmax(self, axis: int | None = None, keepdims: bool = False) -> Tensor:
        """Place of the first maximum; see `tinynet.ops.argmax`."""
        return self._ops.argmax(self, axis, keepdims)

    def argmin(self, axis: int | None = None, keepdims: bool = False) -> Tensor:
        """Place of the first minimum; see `tinynet.ops.argmin`."""
        return self._ops.argmin(self, axis, keepdims)

    def prod(self, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Tensor:
        """Product over some axes; see `tinynet.ops.prod`."""
        return self._ops.prod(self, axis, keepdims)

    def var(self, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Tensor:
        """Variance over some axes; see `tinynet.ops.var`."""
        return self._ops.var(self, axis, keepdims)

    def std(self, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Tensor:
        """Root of the variance over some axes; see `tinynet.ops.std`."""
        return self._ops.std(self, axis, keepdims)

    def cumsum(self, axis: int | None = None) -> Tensor:
        """Sum up to each place along an axis; see `tinynet.ops.cumsum`."""
        return self._ops.cumsum(self, axis)

    # Values in other places.
    def transpose(self, *axes: Any) -> Tensor:
        """Permute the axes; see `tinynet.ops.transpose`."""
        axes = axes[0] if len(axes) == 1 else axes
        return self._ops.transpose(self, None if axes == () else axes)

    @property
    def T(self) -> Tensor:  # noqa: N802 - NumPy's name
        """The tensor with its axes in reverse order."""
        return self.transpose()

    def pad(self, widths: Sequence[tuple[int, int]], value: float = 0) -> Tensor:
        """Surround with a value; see `tinynet.ops.pad`."""
        return self._ops.pad(self, widths, value)

    def split(self, parts: int | Sequence[int], axis: int = 0) -> list[Tensor]:
        """Cut along an axis; see `tinynet.ops.split`."""
        return self._ops.split(self, parts, axis)

    def repeat(self, repeats: int | Sequence[int], axis: int | None = None) -> Tensor:
        """Repeat each element along an axis; see `tinynet.ops.repeat`."""
        return self._ops.repeat(self, repeats, axis)
