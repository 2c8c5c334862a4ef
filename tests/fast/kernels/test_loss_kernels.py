import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fast.kernels.kernel_cases import DTYPES, dtypes, garbage, generators
from tinynet.fast.kernels import loss


def sums_for(x):
    """Where the kernels keep what they find of each row."""
    return garbage((2, len(x)), x.dtype)


@st.composite
def logits(draw):
    """Rows of numbers from tiny to far beyond what the exponential can take."""
    rng, dtype, scale = draw(generators), draw(dtypes), draw(st.sampled_from([1e-3, 1, 30, 1e4, 1e30]))
    shape = draw(st.integers(0, 5)), draw(st.integers(1, 12))
    return (rng.standard_normal(shape) * scale).astype(dtype)


def naive_log_softmax(row):
    """One row in exact sums of Python's own floats."""
    top = max(map(float, row))
    total = math.log(math.fsum(math.exp(float(v) - top) for v in row))
    return [float(v) - top - total for v in row]


@given(logits())
def test_softmax_is_the_exponential_over_its_sum(x):
    y = garbage(x.shape, x.dtype)
    loss.softmax(y, sums_for(x), x)
    expected = np.exp(np.array([naive_log_softmax(row) for row in x]).reshape(x.shape))
    # The shifted logit is rounded before the exponential, which turns its size into a relative error.
    eps, size = np.finfo(x.dtype).eps, np.abs(x.astype(float)).max(initial=1)
    np.testing.assert_allclose(y, expected, rtol=40 * eps * min(size, 100), atol=float(np.finfo(x.dtype).tiny))
    np.testing.assert_allclose(y.sum(axis=1), np.ones(len(x)), rtol=20 * eps)


@given(logits())
def test_log_softmax_is_the_shifted_logit_less_the_log_of_the_sum(x):
    y = garbage(x.shape, x.dtype)
    loss.log_softmax(y, sums_for(x), x)
    expected = np.array([naive_log_softmax(row) for row in x]).reshape(x.shape)
    eps = np.finfo(x.dtype).eps
    np.testing.assert_allclose(y, expected, rtol=10 * eps, atol=10 * eps)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kernel", [loss.softmax, loss.log_softmax])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_nan_spoils_its_own_row_only(dtype, kernel, place):
    x = np.zeros((2, 3), dtype)
    x[0, place] = np.nan
    y = np.zeros_like(x)
    kernel(y, sums_for(x), x)
    assert np.isnan(y[0]).all()
    assert np.isfinite(y[1]).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_one_class_is_certain(dtype):
    x = np.array([[-5.0], [1e30]], dtype)
    y = garbage(x.shape, dtype)
    loss.softmax(y, sums_for(x), x)
    assert y.tolist() == [[1], [1]]
    loss.log_softmax(y, sums_for(x), x)
    assert y.tolist() == [[0], [0]]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [1e4, 1e8, 1e16, 1e30])
def test_equal_logits_share_the_probability_however_large_they_are(dtype, size):
    x = np.array([[size, size], [-size, -size]], dtype)
    y = garbage(x.shape, dtype)
    loss.log_softmax(y, sums_for(x), x)
    np.testing.assert_allclose(y, -math.log(2), rtol=np.finfo(dtype).eps)
    loss.softmax(y, sums_for(x), x)
    assert (y == 0.5).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_exponential_is_right_to_the_last_place(dtype):
    x = np.concatenate([np.linspace(-87, 0, 20_001), [-0.0, -1e-30]]).astype(dtype)[:, None]
    rows, y = np.concatenate([np.zeros_like(x), x], axis=1), garbage((len(x), 2), dtype)
    loss.exponentials(y, sums := sums_for(rows), rows)
    assert not sums[0].any()
    np.testing.assert_allclose(y[:, 1], np.exp(x[:, 0].astype(float)), rtol=1.01 * np.finfo(dtype).eps)


@given(generators, dtypes, st.integers(1, 70))
def test_a_number_has_the_same_exponential_wherever_it_stands(rng, dtype, n):
    x = np.append(-np.abs(rng.standard_normal(n) * 10), 0).astype(dtype)[None]
    pairs = np.concatenate([x, np.zeros_like(x)]).T.copy()
    y, alone = garbage(x.shape, dtype), garbage(pairs.shape, dtype)
    loss.exponentials(y, sums_for(x), x)
    for made, pair in zip(alone, pairs, strict=True):
        loss.exponentials(made[None], sums_for(pair[None]), pair[None])
    assert y.tobytes() == alone[:, 0].tobytes()


@given(generators, dtypes, st.integers(1, 9), st.integers(1, 40))
def test_a_row_has_the_same_softmax_whatever_stands_around_it(rng, dtype, rows, columns):
    x = (rng.standard_normal((rows, columns)) * 5).astype(dtype)
    whole, alone = garbage(x.shape, dtype), garbage(x.shape, dtype)
    loss.softmax(whole, sums_for(x), x)
    for i in range(rows):
        loss.softmax(alone[i : i + 1], sums_for(x[:1]), x[i : i + 1])
    assert whole.tobytes() == alone.tobytes()


@pytest.mark.parametrize(("dtype", "low"), [(np.float32, -87.4), (np.float64, -708.4)])
def test_what_is_far_below_the_maximum_is_0(dtype, low):
    x, y = np.array([[0, low, -1e30, -np.inf]], dtype), garbage((1, 4), dtype)
    loss.exponentials(y, sums := sums_for(x), x)
    assert sums.tolist() == [[0], [1]]
    assert y.tolist() == [[1, 0, 0, 0]]
