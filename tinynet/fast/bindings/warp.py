"""Images by maps of their places, on the kernel."""

from __future__ import annotations

import numpy as np

from tinynet.fast.implementation import Implementation
from tinynet.fast.kernels import warp as kernels
from tinynet.fast.kernels.jit import for_chunks

warp = Implementation(
    lambda y, x, maps: (for_chunks(kernels.warp, len(x)), y, x, maps, x.dtype == np.uint8), contiguous=True
)
