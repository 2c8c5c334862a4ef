import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.fast.kernels.kernel_cases import dtypes, garbage, generators, whole
from tinynet.fast.kernels import reduce


@given(st.integers(0, 20), st.integers(1, 7), generators, dtypes, st.integers(1, 9))
def test_rows_are_summed_however_they_are_cut(rows, width, rng, dtype, chunks):
    x = whole(rng, (rows, width), dtype)
    total = garbage(width, dtype)
    reduce.sum_rows(total, garbage((chunks, width), dtype), x)
    assert total.tolist() == [sum(float(x[r, k]) for r in range(rows)) for k in range(width)]


@given(st.integers(1, 20), st.integers(1, 9), st.integers(1, 40), generators, dtypes)
def test_the_rows_of_each_matrix_are_summed(n, rows, width, rng, dtype):
    x = whole(rng, (n, rows, width), dtype)
    totals = garbage((n, width), dtype)
    reduce.sum_each(totals, x)
    np.testing.assert_array_equal(totals, x.astype(float).sum(1))


@given(st.integers(0, 10_000), st.integers(0, 10**9))
def test_the_number_of_chunks_is_in_range(rows, size):
    assert 1 <= reduce.count_chunks(rows, size) <= max(1, min(rows, 8))
