"""The winners of windows, written as code of vectors, against the body in NumPy that says what they mean."""

import numba
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.fast.kernels.kernel_cases import dtypes, garbage, generators
from tinynet.fast.kernels.winners import DEAD, find_winners

in_machine_code = numba.njit(lambda y, index, outputs, bias: find_winners(y, index, outputs, bias))


@given(generators, dtypes, st.data())
def test_the_first_of_the_largest_wins_nan_over_all_and_none_where_relu_cuts(rng, dtype, data):
    kh, kw, windows, filters = (data.draw(st.integers(1, most)) for most in (3, 3, 4, 40))
    values, shares = [-2.0, -1.0, 0.0, 1.0, 2.0, np.nan, np.inf], [0.19] * 5 + [0.025] * 2
    outputs = rng.choice(values, (kh, kw, windows, filters), p=shares).astype(dtype).transpose(0, 2, 1, 3)
    if data.draw(st.booleans()):  # places may lie anywhere, filters side by side
        outputs = outputs.copy()
    bias = rng.integers(-1, 2, filters).astype(dtype)
    shape = windows, filters
    meant, found = [(garbage(shape, dtype), np.full(shape, 77, np.uint8)) for _ in range(2)]
    with np.errstate(all="ignore"):
        find_winners(*meant, outputs, bias)
    in_machine_code(*found, outputs, bias)
    for one, other in zip(found, meant, strict=True):
        np.testing.assert_array_equal(one, other)
    assert set(np.unique(found[1])) <= {*range(kh * kw), DEAD}
