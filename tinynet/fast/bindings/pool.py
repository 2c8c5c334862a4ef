"""Max-pooling and its unpooling on their kernels."""

from __future__ import annotations

from functools import partial
from typing import Any

from tinynet.core.spec import Array, Shape
from tinynet.fast.implementation import Implementation
from tinynet.fast.kernels import pool as kernels
from tinynet.fast.kernels.jit import for_chunks
from tinynet.ops.conv import Geometry


def _bind(kernel: Any, *arrays: Array, p: Geometry, size: Shape = ()) -> tuple[Any, ...]:
    return for_chunks(kernel, len(arrays[0])), *arrays, p.kh, p.kw, p.sh, p.sw


max_pool = Implementation(partial(_bind, kernels.max_pool), contiguous=True)
max_unpool = Implementation(partial(_bind, kernels.max_unpool), contiguous=True)
