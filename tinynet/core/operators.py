"""The operators of tensors whose ops are on the shelf: `t ** 2` is `tinynet.ops.power(t, 2)`. See `methods`."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

from tinynet.core.mode import _recording
from tinynet.errors import GradientError

if TYPE_CHECKING:
    from tinynet.core.engine import Tensor


class Operators:
    """Numbers and arrays on the left, powers, comparisons, logic, and assignments such as ``t += 1``."""

    __slots__ = ()
    _ops: ClassVar[ModuleType]

    def __radd__(self, other: Any) -> Tensor:
        return self._ops.add(other, self)

    def __rsub__(self, other: Any) -> Tensor:
        return self._ops.subtract(other, self)

    def __rmul__(self, other: Any) -> Tensor:
        return self._ops.multiply(other, self)

    def __rmatmul__(self, other: Any) -> Tensor:
        return self._ops.matmul(other, self)

    def __pow__(self, other: Any) -> Tensor:
        return self._ops.power(self, other)

    def __rpow__(self, other: Any) -> Tensor:
        return self._ops.power(other, self)

    def __abs__(self) -> Tensor:
        return self._ops.abs(self)

    def __lt__(self, other: Any) -> Tensor:
        return self._ops.less(self, other)

    def __le__(self, other: Any) -> Tensor:
        return self._ops.less_equal(self, other)

    def __gt__(self, other: Any) -> Tensor:
        return self._ops.greater(self, other)

    def __ge__(self, other: Any) -> Tensor:
        return self._ops.greater_equal(self, other)

    def __eq__(self, other: Any) -> Tensor:  # type: ignore[override]
        return NotImplemented if other is None or isinstance(other, str) else self._ops.equal(self, other)

    def __ne__(self, other: Any) -> Tensor:  # type: ignore[override]
        return NotImplemented if other is None or isinstance(other, str) else self._ops.not_equal(self, other)

    def __and__(self, other: Any) -> Tensor:
        return self._ops.logical_and(self, other)

    def __or__(self, other: Any) -> Tensor:
        return self._ops.logical_or(self, other)

    def __invert__(self) -> Tensor:
        return self._ops.logical_not(self)

    __rand__, __ror__ = __and__, __or__
    __hash__ = object.__hash__

    # In place: as everywhere in Python, `h += x` gives the name h to the sum, and a tensor does not change.
    def __iadd__(self, other: Any) -> Tensor:
        return self._new_name() + other

    def __isub__(self, other: Any) -> Tensor:
        return self._new_name() - other

    def __imul__(self, other: Any) -> Tensor:
        return self._new_name() * other

    def __itruediv__(self, other: Any) -> Tensor:
        return self._new_name() / other

    def _new_name(self) -> Tensor:
        """Return the tensor, unless somebody thinks that it is about to change: a parameter, within `no_grad`."""
        tensor: Tensor = self  # type: ignore[assignment]
        if tensor.requires_grad and tensor.node is None and not _recording.get():
            raise GradientError(
                f"a tensor of shape {tensor.shape} that requires a gradient does not change in place; write into its "
                "array, as in p.data[...] -= rate * p.grad.data, or use an optimizer"
            )
        return tensor
