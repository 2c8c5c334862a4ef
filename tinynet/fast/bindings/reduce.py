"""The sum: on a kernel where it is one of the rows of a float matrix, otherwise NumPy's; and numbers made of a row."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from tinynet.core.engine import Op
from tinynet.core.spec import Array, Spec, Value
from tinynet.fast.implementation import Implementation
from tinynet.fast.kernels import reduce as kernels
from tinynet.fast.kernels.jit import for_chunks
from tinynet.ops import reduce
from tinynet.optim import clipping


def _rows(x: Value, axes: tuple[int, ...]) -> int:
    """Give the number of rows if the sum is one of the rows of a float matrix in row order, otherwise 0."""
    leading = 0 < len(axes) < x.ndim and axes == tuple(range(len(axes)))
    ordered = isinstance(x, np.ndarray) and x.flags.c_contiguous and x.dtype.kind == "f"
    return math.prod(x.shape[: len(axes)]) if leading and ordered and 0 not in x.shape else 0


def _scratch(x: Value, axes: tuple[int, ...]) -> tuple[Spec, ...]:
    rows = _rows(x, axes)
    columns = math.prod(x.shape[len(axes) :])
    chunks = kernels.chunks(rows, rows * columns)
    return (Spec((chunks, columns), x.dtype),) if chunks > 1 else ()


def _sum(out: Array, *rest: Array, axes: tuple[int, ...]) -> tuple[Any, ...]:
    *sums, x = rest
    if sums:
        return kernels.sum_rows, out.reshape(-1), *sums, x.reshape(-1, out.size)
    if _rows(x, axes):
        return kernels.sum_chunk, out.reshape(-1), x.reshape(-1, out.size)
    return np.add.reduce, x, axes, None, out


def _row_scratch(x: Value) -> tuple[Spec, ...]:
    one_row = isinstance(x, np.ndarray) and x.ndim == 1 and x.dtype.char in "fd" and x.size > 0
    return (Spec((kernels.chunks(x.shape[0], x.shape[0]),), np.dtype(np.float64)),) if one_row else ()


def _of_a_row(kernel: Any, op: Op, out: Array, *rest: Array) -> tuple[Any, ...]:
    """Bind a kernel that makes one number of a row of floats; of all else, it is made by the meaning of the op."""
    *sums, x = rest
    if not sums:
        return _store, op, out, x
    return for_chunks(kernel, len(sums[0])), out.reshape(1), *sums, x


def _store(op: Op, out: Array, x: Array) -> None:
    out[...] = op.compute(x)


sum = Implementation(_sum, _scratch)
all_finite = Implementation(partial(_of_a_row, kernels.all_finite, reduce.all_finite), _row_scratch, contiguous=True)
sum_of_squares = Implementation(
    partial(_of_a_row, kernels.sum_of_squares, clipping.sum_of_squares), _row_scratch, contiguous=True
)
