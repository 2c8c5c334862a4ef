"""Max-pooling and its unpooling on their kernels."""

from __future__ import annotations

from typing import Any

from tinynet.core.spec import Array, Shape
from tinynet.fast.implementation import Implementation
from tinynet.fast.kernels import pool as kernels
from tinynet.fast.kernels.jit import for_chunks
from tinynet.ops.conv import Geometry


def _max_pool(y: Array, index: Array, x: Array, p: Geometry) -> tuple[Any, ...]:
    return for_chunks(kernels.max_pool, len(x)), y, index, x, p.kh, p.kw, p.sh, p.sw


def _max_unpool(x: Array, g: Array, index: Array, p: Geometry, size: Shape) -> tuple[Any, ...]:
    return for_chunks(kernels.max_unpool, len(x)), x, g, index, p.kh, p.kw, p.sh, p.sw


max_pool = Implementation(_max_pool, contiguous=True)
max_unpool = Implementation(_max_unpool, contiguous=True)
