"""Conversion between dtypes, and the common dtype of operands."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from tinynet.core.engine import Op, Tensor, as_tensor, constant
from tinynet.core.spec import Array, Spec
from tinynet.errors import DTypeError

_cast: Op = Op(
    "cast",
    infer=lambda x, dtype: Spec(x.shape, dtype),
    compute=lambda x, dtype: x.astype(dtype),
    vjp=(lambda g, out, x, dtype: cast(g, x.dtype),),
    formula="x in another dtype",
)


def cast(x: Any, dtype: npt.DTypeLike) -> Tensor:
    """Convert a tensor to another dtype; return the tensor itself if it has that dtype.

    Parameters
    ----------
    x : Tensor
        Any shape and dtype.
    dtype : dtype_like
        A real or bool dtype.

    Returns
    -------
    Tensor
        The same values, in the new dtype. Gradients are converted back.

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.ops.cast(tn.Tensor([1, 2]), "float32")
    Tensor([1., 2.], dtype=float32)
    """
    x = as_tensor(x)
    try:
        wanted = np.dtype(dtype)
    except TypeError:
        raise DTypeError(f"cast: dtype must be that of an array, such as 'float32', but got {dtype!r}") from None
    if wanted.kind not in "fiub":
        raise DTypeError(f"cast: a tensor holds numbers of a real or bool dtype, but dtype {wanted} was asked for")
    return x if x.dtype == wanted else _cast(x, dtype=wanted)


_FLOATING = {np.dtype(np.float32), np.dtype(np.float64)}


def check_floating(name: str, dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Check that a dtype is float32 or float64 in the byte order of this machine, as kernels need; returns it."""
    if dtype not in _FLOATING:
        raise DTypeError(f"{name}: takes float32 or float64 tensors, but got {dtype}; convert with x.astype('float32')")
    return dtype


class Number(Tensor):
    """A number that is an argument of a compiled function; like a Python number, it takes the dtype of the tensors."""

    __slots__ = ()


_SCALARS = (bool, int, float, np.generic)
_REAL = (bool, int, float, np.integer, np.floating, np.bool_)


def _weight(operand: Any) -> Any:
    """Return the argument of an operand for `numpy.result_type`: a dtype, or a Python number."""
    if isinstance(operand, Number):
        return operand.dtype.type(0).item()
    return operand.dtype if isinstance(operand, Tensor) else operand


def promote(*operands: Any) -> tuple[Tensor, ...]:
    """Convert operands to one dtype, as NumPy would; Python's and NumPy's scalars take that of the tensors."""
    dtypes = {x.dtype for x in operands if isinstance(x, Tensor)}
    if len(dtypes) == 1 and (dtype := dtypes.pop()).isnative:
        numbers = [x for x in operands if not isinstance(x, Tensor)]
        if not numbers:
            return operands
        if dtype.kind == "f" and all(isinstance(x, _REAL) for x in numbers):
            return tuple([x if isinstance(x, Tensor) else _number(x, dtype) for x in operands])
    if False in [isinstance(x, (*_SCALARS, Number)) for x in operands]:
        operands = tuple([x.item() if isinstance(x, np.generic) else x for x in operands])
    values = [x if isinstance(x, _SCALARS) else as_tensor(x) for x in operands]
    dtype = np.result_type(*map(_weight, values))
    return tuple([cast(x, dtype) if isinstance(x, Tensor) else _number(x, dtype) for x in values])


def _number(x: Any, dtype: np.dtype[Any]) -> Tensor:
    return constant(_array(x, dtype) if x else np.array(x, dtype))  # the cache does not tell 0 from -0


@lru_cache(maxsize=1024)
def _array(x: Any, dtype: np.dtype[Any]) -> Array:
    return np.array(x, dtype)
