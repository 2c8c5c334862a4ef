"""What the kernel tests draw their cases from.

Values are whole numbers small enough that every sum is exact in any order, so that kernels and references are compared
for equality. In float64 they are too large for float32: a kernel that rounds to float32 on the way is found out.
"""

import os
from itertools import product

import numpy as np
from hypothesis import strategies as st

# A compilation with bounds checks is for the indices, which are the same for all dtypes: one will do.
CHECKED = os.environ.get("NUMBA_BOUNDSCHECK", "0") != "0"
DTYPES = [np.float32] if CHECKED else [np.float32, np.float64]
INDEX_DTYPES = [np.uint8] if CHECKED else [np.uint8, np.int32]

dtypes = st.sampled_from(DTYPES)
generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def whole(rng, shape, dtype):
    """Whole numbers of either sign."""
    most = 8 if dtype == np.float32 else 2**20
    return rng.integers(-most, most, shape, endpoint=True).astype(dtype)


def garbage(shape, dtype):
    """An array that a kernel is to write in full: what it leaves shows up as NaN."""
    return np.full(shape, np.nan, dtype)


def places(oh, ow, kh, kw):
    """Every output pixel with every tap."""
    return product(range(oh), range(ow), range(kh), range(kw))
