"""The rectifier and gelu with their gradients, which pass over the largest arrays of a network, on kernels."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from tinynet.core.engine import Op
from tinynet.core.spec import Array
from tinynet.fast.implementation import Implementation, bind_ufunc, store_meaning
from tinynet.fast.kernels import pointwise as kernels
from tinynet.fast.kernels.jit import for_chunks
from tinynet.ops import gaussian
from tinynet.ops.pointwise import add as add_op


def _cut(out: Array, g: Array, y: Array) -> tuple[Any, ...]:
    chunks = kernels.count_chunks(y.size)
    return for_chunks(kernels.cut, chunks), out.reshape(-1), g.reshape(-1), y.reshape(-1), chunks


def _add(out: Array, x: Array, y: Array) -> tuple[Any, ...]:
    """Bind a sum; that of rows and one row, such as a bias, has a kernel, since NumPy takes long over short rows."""
    like = all(a.flags.c_contiguous and a.dtype == out.dtype for a in (out, x, y)) and out.dtype.char in "fd"
    if not like or not out.size or y.ndim != 1 or x.shape != out.shape or y.shape != out.shape[-1:]:
        return bind_ufunc(add_op, out, x, y)
    kernel = for_chunks(kernels.add_to_rows, kernels.count_chunks(out.size))
    return kernel, out.reshape(-1, y.size), x.reshape(-1, y.size), y


def _gelu(op: Op, y: Array, *inputs: Array) -> tuple[Any, ...]:
    *g, x = inputs
    if x.dtype != np.float32 or any(a.shape != x.shape for a in g):
        return store_meaning, op, (y,), inputs, {}
    chunks = kernels.count_chunks(x.size)
    back = g[0].reshape(-1) if g else None
    return for_chunks(kernels.gelu, chunks), y.reshape(-1), x.reshape(-1), back, chunks


add = Implementation(_add, ufunc=np.add)
gelu = Implementation(partial(_gelu, gaussian._gelu), contiguous=True)
gelu_gradient = Implementation(partial(_gelu, gaussian.gelu_gradient), contiguous=True)
relu = Implementation(lambda y, x: _cut(y, x, x), contiguous=True)
relu_gradient = Implementation(_cut, contiguous=True)
