"""Images by maps of their places, on the kernel."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.core.spec import Array
from tinynet.fast.implementation import Implementation
from tinynet.fast.kernels import warp as kernels
from tinynet.fast.kernels.jit import for_chunks


def _warp(y: Array, x: Array, maps: Array) -> tuple[Any, ...]:
    return for_chunks(kernels.warp, len(x)), y, x, maps, x.dtype == np.uint8


warp = Implementation(_warp, contiguous=True)
