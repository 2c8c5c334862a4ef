"""The rectifier, its gradient and the error function, which pass over the largest arrays of a network, on kernels."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.core.spec import Array
from tinynet.fast.implementation import Implementation, store_meaning
from tinynet.fast.kernels import pointwise as kernels
from tinynet.fast.kernels.jit import for_chunks
from tinynet.ops.gaussian import erf as erf_op


def _cut(out: Array, g: Array, y: Array) -> tuple[Any, ...]:
    chunks = kernels.chunks(y.size)
    return for_chunks(kernels.cut, chunks), out.reshape(-1), g.reshape(-1), y.reshape(-1), chunks


def _erf(y: Array, x: Array) -> tuple[Any, ...]:
    if x.dtype != np.float32:
        return store_meaning, erf_op, (y,), (x,), {}
    chunks = kernels.chunks(x.size)
    return for_chunks(kernels.erf, chunks), y.reshape(-1), x.reshape(-1), chunks


erf = Implementation(_erf, contiguous=True)
relu = Implementation(lambda y, x: _cut(y, x, x), contiguous=True)
relu_gradient = Implementation(_cut, contiguous=True)
