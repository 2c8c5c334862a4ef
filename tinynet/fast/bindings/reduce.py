"""The sum: on a kernel where it is one of the rows of a float matrix in row order, otherwise NumPy's."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinynet.core.spec import Array, Spec, Value
from tinynet.fast.implementation import Implementation
from tinynet.fast.kernels import reduce as kernels
from tinynet.fast.kernels.jit import for_chunks
from tinynet.ops.reduce import sum_over


def _rows(x: Value, axes: tuple[int, ...]) -> int:
    """Give the number of rows if the sum is one of the rows of a float matrix in row order, otherwise 0."""
    leading = 0 < len(axes) < x.ndim and axes == tuple(range(len(axes)))
    ordered = isinstance(x, np.ndarray) and x.flags.c_contiguous and x.dtype.kind == "f"
    return math.prod(x.shape[: len(axes)]) if leading and ordered and 0 not in x.shape else 0


def _scratch(x: Value, axes: tuple[int, ...]) -> tuple[Spec, ...]:
    rows = _rows(x, axes)
    columns = math.prod(x.shape[len(axes) :])
    return (Spec((kernels.blocks(rows, rows * columns), columns), x.dtype),) if rows else ()


def _sum(out: Array, *rest: Array, axes: tuple[int, ...]) -> tuple[Any, ...]:
    *partial, x = rest
    if partial:
        return (
            for_chunks(kernels.sum_rows, kernels.chunks(x.size // out.size, x.size)),
            out.reshape(-1),
            *partial,
            x.reshape(-1, out.size),
        )
    return sum_over, x, axes, out


def _finite_scratch(x: Value) -> tuple[Spec, ...]:
    return (Spec((kernels.chunks(x.shape[0], x.shape[0]),), x.dtype),) if _in_one_row(x) else ()


def _in_one_row(x: Value) -> bool:
    return isinstance(x, np.ndarray) and x.ndim == 1 and x.dtype.char in "fd" and x.size > 0


def _all_finite(out: Array, *rest: Array) -> tuple[Any, ...]:
    *partial, x = rest
    if not partial:
        return _store_finite, out, x
    return for_chunks(kernels.all_finite, len(partial[0])), out.reshape(1), *partial, x


def _store_finite(out: Array, x: Array) -> None:
    out[...] = np.isfinite(x).all()


sum = Implementation(_sum, _scratch)
all_finite = Implementation(_all_finite, _finite_scratch, contiguous=True)
