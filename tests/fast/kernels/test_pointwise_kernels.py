import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from tests.fast.kernels.kernel_cases import dtypes, garbage, generators
from tinynet.fast.kernels import pointwise

cuts = st.integers(1, 9)


@st.composite
def values(draw, count=1):
    """Vectors of fractions among which zeros, infinities and NaN are common."""
    rng, dtype, size = draw(generators), draw(dtypes), draw(st.integers(0, 40))
    rare = [0.0, -0.0, np.inf, -np.inf, np.nan, np.finfo(dtype).smallest_subnormal, -1.0]
    drawn = [np.where(rng.random(size) < 0.3, rng.choice(rare, size), rng.standard_normal(size)) for _ in range(count)]
    return [v.astype(dtype) for v in drawn]


@given(values(), cuts)
def test_relu_keeps_what_is_positive_or_nan(case, chunks):
    (x,) = case
    y = garbage(x.shape, x.dtype)
    pointwise.cut(y, x, x, chunks)
    np.testing.assert_array_equal(y, [0.0 if v <= 0 else v for v in x])


@given(values(count=2), cuts)
def test_relu_gradient_keeps_the_cotangent_where_the_output_is_positive_or_nan(case, chunks):
    g, y = case
    out = garbage(y.shape, y.dtype)
    pointwise.cut(out, g, y, chunks)
    np.testing.assert_array_equal(out, [0.0 if v <= 0 else u for u, v in zip(g, y, strict=True)])


@given(st.integers(0, 20), st.integers(1, 20), generators, dtypes)
def test_a_row_is_added_to_each_row_with_the_bits_of_numpy(rows, width, rng, dtype):
    x, y = (rng.standard_normal(shape).astype(dtype) for shape in ((rows, width), width))
    out = garbage(x.shape, dtype)
    pointwise.add_to_rows(out, x, y)
    np.testing.assert_array_equal(out, x + y)


@given(st.integers(0, 10**8))
def test_the_number_of_chunks_is_in_range(size):
    assert 1 <= pointwise.count_chunks(size) <= max(1, min(64, size))


def test_the_error_function_of_float32_is_right_to_some_last_places():
    x = np.concatenate([np.linspace(-6, 6, 10_001), np.logspace(-30, 0, 1000)]).astype(np.float32)
    y = np.array([pointwise.erf(v) for v in x])
    np.testing.assert_allclose(y, special.erf(x.astype(float)), rtol=4 * np.finfo(np.float32).eps)
    assert np.abs(y).max() <= 1


def test_the_error_function_of_what_is_not_finite():
    y = np.array([pointwise.erf(np.float32(v)) for v in (np.nan, np.inf, -np.inf, -0.0)])
    np.testing.assert_allclose(y, [np.nan, 1, -1, 0], rtol=1e-7)
    assert np.signbit(y[3])


@given(generators, st.integers(0, 50), cuts)
def test_gelu_and_its_gradient_in_float32(rng, size, chunks):
    x, g = (3 * rng.standard_normal(size).astype(np.float32) for _ in range(2))
    wide, y, dx = x.astype(float), garbage(size, np.float32), garbage(size, np.float32)
    below, density = special.ndtr(wide), np.exp(-wide * wide / 2) / np.sqrt(2 * np.pi)
    pointwise.gelu(y, x, None, chunks)
    np.testing.assert_allclose(y, wide * below, rtol=1e-6, atol=1e-6)
    pointwise.gelu(dx, x, g, chunks)
    np.testing.assert_allclose(dx, g * (below + wide * density), rtol=1e-6, atol=1e-5)


def test_gelu_of_far_numbers_and_nan():
    x, y, dx = np.array([100, -100, 0, np.nan], np.float32), garbage(4, np.float32), garbage(4, np.float32)
    pointwise.gelu(y, x, None, 1)
    pointwise.gelu(dx, x, np.ones(4, np.float32), 1)
    np.testing.assert_array_equal(y, [100, 0, 0, np.nan])
    np.testing.assert_array_equal(dx, [1, 0, 0.5, np.nan])
