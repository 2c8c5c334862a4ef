"""The sum: on a kernel where it is one of rows of float matrices, otherwise NumPy's; and numbers made of a row."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from tinynet.core.engine import Op
from tinynet.core.spec import Array, Spec, Value
from tinynet.fast.implementation import Implementation, store_meaning
from tinynet.fast.kernels import reduce as kernels
from tinynet.fast.kernels.jit import for_chunks
from tinynet.ops import reduce
from tinynet.optim import clipping

_LONG = 2_048  # rows whose sums lose digits in float32
_SHORT = 128  # values of a row that NumPy's reduce adds up in order, where einsum uses vectors


def _scratch(x: Value, axes: tuple[int, ...]) -> tuple[Spec, ...]:
    """Return the sums of blocks, if the sum is one of the rows of a float matrix in row order."""
    ordered = isinstance(x, np.ndarray) and x.flags.c_contiguous and x.dtype.kind == "f" and 0 not in x.shape
    if not ordered or not axes or axes != tuple(range(len(axes))) or len(axes) == x.ndim:
        return ()
    rows, columns = math.prod(x.shape[: len(axes)]), math.prod(x.shape[len(axes) :])
    return (Spec((kernels.count_chunks(rows, rows * columns), columns), np.dtype("d") if rows > _LONG else x.dtype),)


def _sum(out: Array, *rest: Array, axes: tuple[int, ...]) -> tuple[Any, ...]:
    *sums, x = rest
    if sums:
        kernel = for_chunks(kernels.sum_rows, len(sums[0]))
        return kernel, out.reshape(-1), *sums, x.reshape(-1, out.size)
    floats = x.dtype.char in "fd" and x.flags.c_contiguous
    inner = 0 < len(axes) < x.ndim - 1 and 0 not in axes and x.ndim - 1 not in axes
    if floats and inner and x.size and axes == tuple(range(axes[0], axes[-1] + 1)):
        stack = x.reshape(math.prod(x.shape[: axes[0]]), -1, math.prod(x.shape[axes[-1] + 1 :]))
        if stack.shape[1] <= _LONG:
            kernel = for_chunks(kernels.sum_each, kernels.count_chunks(len(stack), x.size))
            return kernel, out.reshape(len(stack), -1), stack
    if floats and axes == (x.ndim - 1,) and 0 < x.shape[-1] <= _SHORT:
        return partial(np.einsum, out=out), "...k->...", x
    running = x.dtype.char == "f" and x.ndim - 1 not in axes  # which NumPy adds up one by one, and would lose digits
    return np.add.reduce, x, axes, np.float64 if running else None, out


def _row_scratch(x: Value) -> tuple[Spec, ...]:
    one_row = isinstance(x, np.ndarray) and x.ndim == 1 and x.dtype.char in "fd" and x.size > 0
    return (Spec((kernels.count_chunks(x.shape[0], x.shape[0]),), np.dtype(np.float64)),) if one_row else ()


def _of_a_row(kernel: Any, op: Op, out: Array, *rest: Array) -> tuple[Any, ...]:
    """Bind a kernel that makes one number of a row of floats; of all else, it is made by the meaning of the op."""
    *sums, x = rest
    if not sums:
        return store_meaning, op, (out,), (x,), {}
    return for_chunks(kernel, len(sums[0])), out.reshape(1), *sums, x


sum = Implementation(_sum, _scratch)
all_finite = Implementation(partial(_of_a_row, kernels.all_finite, reduce.all_finite), _row_scratch, contiguous=True)
sum_of_squares = Implementation(
    partial(_of_a_row, kernels.sum_of_squares, clipping.sum_of_squares), _row_scratch, contiguous=True
)
