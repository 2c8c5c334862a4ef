import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.fast.kernels.kernel_cases import DTYPES, dtypes, garbage, generators, whole
from tinynet.fast.kernels import linear

lengths = st.integers(0, 9)


def product(a, b, trans_a, trans_b, chunks):
    """Multiply by the kernel."""
    m, n = a.shape[1 if trans_a else 0], b.shape[0 if trans_b else 1]
    c = garbage((m, n), a.dtype)
    linear.matmul(c, a, b, trans_a, trans_b, chunks)
    return c


def naive(a, b):
    c = np.zeros((a.shape[0], b.shape[1]))
    for i, j in np.ndindex(c.shape):
        c[i, j] = sum(float(a[i, k]) * float(b[k, j]) for k in range(a.shape[1]))
    return c


@pytest.mark.parametrize(("trans_a", "trans_b"), [(False, False), (False, True), (True, False), (True, True)])
@given(lengths, lengths, lengths, generators, dtypes, st.integers(1, 12))
@example(1, 5, 1, np.random.default_rng(0), np.float32, 1)
@example(3, 0, 2, np.random.default_rng(0), np.float32, 2)
def test_products_are_sums_of_products_however_they_are_cut(trans_a, trans_b, m, k, n, rng, dtype, chunks):
    a, b = whole(rng, (k, m) if trans_a else (m, k), dtype), whole(rng, (n, k) if trans_b else (k, n), dtype)
    c = product(a, b, trans_a, trans_b, chunks)
    np.testing.assert_array_equal(c, naive(a.T if trans_a else a, b.T if trans_b else b))


@pytest.mark.parametrize("dtype", DTYPES)
def test_fractions_come_out_to_rounding(dtype):
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((13, 21)).astype(dtype), rng.standard_normal((21, 6)).astype(dtype)
    np.testing.assert_allclose(product(a, b, False, False, 3), naive(a, b), rtol=0, atol=100 * np.finfo(dtype).eps)


@given(st.integers(0, 10_000), st.integers(0, 10**9))
def test_the_number_of_chunks_is_in_range(rows, flops):
    assert 1 <= linear.chunks(rows, flops) <= max(1, min(rows, 8))


def test_small_products_are_not_cut():
    assert linear.chunks(32, 2 * 32 * 10 * 128) == 1
    assert linear.chunks(32, 2 * 32 * 784 * 128) > 1
