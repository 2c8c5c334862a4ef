"""The rectifier and its gradient, which pass over the largest arrays of a network, on their kernel."""

from __future__ import annotations

from typing import Any

from tinynet.core.spec import Array
from tinynet.fast.implementation import Implementation
from tinynet.fast.kernels import pointwise as kernels
from tinynet.fast.kernels.jit import for_chunks


def _cut(out: Array, g: Array, y: Array) -> tuple[Any, ...]:
    chunks = kernels.chunks(y.size)
    return for_chunks(kernels.cut, chunks), out.reshape(-1), g.reshape(-1), y.reshape(-1), chunks


relu = Implementation(lambda y, x: _cut(y, x, x), contiguous=True)
relu_gradient = Implementation(_cut, contiguous=True)
