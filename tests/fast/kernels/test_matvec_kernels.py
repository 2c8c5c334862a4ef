import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.fast.kernels.kernel_cases import DTYPES, dtypes, garbage, generators, whole
from tinynet.fast.kernels import matvec

lengths = st.integers(1, 9)


def standardised(x, shift, scale):
    return [[(float(x[r, k]) - shift[k]) * scale[k] for k in range(x.shape[1])] for r in range(x.shape[0])]


def problem(rng, n, f, dtype):
    """Bytes, whole shifts and scales, so that every sum is exact, and vectors of both lengths."""
    x = rng.integers(0, 256, (n, f)).astype(np.uint8)
    shift, scale = rng.integers(0, 256, f).astype(float), rng.integers(1, 9, f).astype(float)
    return x, shift, scale, whole(rng, (f,), dtype), whole(rng, (n,), dtype)


@given(lengths, lengths, generators, dtypes, st.integers(1, 12))
@example(1, 1, np.random.default_rng(0), np.float32, 2)
def test_matvec_is_the_product_with_the_standardised_matrix_however_it_is_cut(n, f, rng, dtype, chunks):
    x, shift, scale, v, _ = problem(rng, n, f, dtype)
    y = garbage((n,), dtype)
    matvec.matvec(y, garbage((f,), np.float64), x, v, shift, scale, chunks)
    rows = standardised(x, shift, scale)
    np.testing.assert_array_equal(y, [sum(a * float(b) for a, b in zip(row, v, strict=True)) for row in rows])


@given(lengths, lengths, generators, dtypes, st.integers(1, 12))
def test_rmatvec_is_the_product_with_its_transpose_however_it_is_cut(n, f, rng, dtype, chunks):
    x, shift, scale, _, r = problem(rng, n, f, dtype)
    g = garbage((f,), dtype)
    matvec.rmatvec(g, garbage((chunks, f), np.float64), x, r, shift, scale)
    rows = standardised(x, shift, scale)
    np.testing.assert_array_equal(g, [sum(rows[i][k] * float(r[i]) for i in range(n)) for k in range(f)])


@pytest.mark.parametrize("dtype", DTYPES)
def test_each_product_is_in_float64_too(dtype):
    x, r = np.full((1, 1), 255, np.uint8), np.full(1, 1 / 3, dtype)
    g = garbage((1,), np.float64)
    matvec.rmatvec(g, garbage((1, 1), np.float64), x, r, np.zeros(1), np.ones(1))
    assert g[0] == 255 * float(r[0])


@pytest.mark.parametrize("dtype", DTYPES)
def test_sums_are_in_float64_whatever_the_vectors_are(dtype):
    """Terms of alternating sign, which float32 would lose."""
    x = np.full((1, 1000), 255, np.uint8)
    v = (1 + np.arange(1000) % 2 * -2 * (1 - 2.0**-20)).astype(dtype)
    y, zeros, ones = garbage((1,), dtype), np.zeros(1000), np.ones(1000)
    matvec.matvec(y, garbage((1000,), np.float64), x, v, zeros, ones, 1)
    np.testing.assert_allclose(y, [255 * v.astype(np.float64).sum()], rtol=1e-6)
