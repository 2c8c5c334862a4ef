import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fast.kernels.kernel_cases import DTYPES, INDEX_DTYPES, dtypes, garbage, generators, places, whole
from tinynet.fast.kernels import pool


@st.composite
def pools(draw):
    """Images with many ties, and windows (kh, kw, sh, sw) over them: apart, side by side or overlapping."""
    rng, dtype = draw(generators), draw(dtypes)
    n, h, w, c = draw(st.integers(0, 5)), draw(st.integers(1, 7)), draw(st.integers(1, 7)), draw(st.integers(1, 4))
    kh, kw = draw(st.integers(1, min(h, 4))), draw(st.integers(1, min(w, 4)))
    sh, sw = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    return rng.integers(-2, 2, (n, h, w, c)).astype(dtype), (kh, kw, sh, sw)


def out_shape(x, windows):
    kh, kw, sh, sw = windows
    return x.shape[0], (x.shape[1] - kh) // sh + 1, (x.shape[2] - kw) // sw + 1, x.shape[3]


def pooled(x, windows, index_dtype=np.uint8):
    shape = out_shape(x, windows)
    y, index = garbage(shape, x.dtype), np.full(shape, 77, index_dtype)
    pool.max_pool(y, index, x, *windows)
    return y, index


def indices(rng, x, windows, index_dtype=np.uint8):
    """A place in each window, at random."""
    return rng.integers(0, windows[0] * windows[1], out_shape(x, windows)).astype(index_dtype)


# --- references: one window at a time


def naive_max_pool(x, windows):
    kh, kw, sh, sw = windows
    y, index = np.empty(out_shape(x, windows)), np.empty(out_shape(x, windows), int)
    for n, i, j, c in np.ndindex(y.shape):
        window = x[n, i * sh : i * sh + kh, j * sw : j * sw + kw, c].ravel()
        index[n, i, j, c] = np.argmax(window)  # the first of several
        y[n, i, j, c] = np.max(window)
    return y, index


def naive_max_unpool(x, g, index, windows):
    kh, kw, sh, sw = windows
    out = np.zeros(x.shape)
    for i, j, a, b in places(*g.shape[1:3], kh, kw):
        out[:, i * sh + a, j * sw + b] += np.where(index[:, i, j] == a * kw + b, g[:, i, j], 0)
    return out


def naive_pool_gather(x, index, windows):
    kw, sh, sw = windows[1:]
    y = np.empty(index.shape)
    for n, i, j, c in np.ndindex(index.shape):
        a, b = divmod(int(index[n, i, j, c]), kw)
        y[n, i, j, c] = x[n, i * sh + a, j * sw + b, c]
    return y


# --- what holds


@given(pools(), st.sampled_from(INDEX_DTYPES))
def test_max_pool_takes_the_first_maximum_of_each_window(case, index_dtype):
    x, windows = case
    y, index = pooled(x, windows, index_dtype)
    expected, first = naive_max_pool(x, windows)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(index, first)


@given(pools(), generators, st.sampled_from(INDEX_DTYPES))
def test_max_unpool_adds_each_value_at_its_place(case, rng, index_dtype):
    x, windows = case
    index = indices(rng, x, windows, index_dtype)
    g, out = whole(rng, index.shape, x.dtype), garbage(x.shape, x.dtype)
    pool.max_unpool(out, g, index, *windows)
    np.testing.assert_array_equal(out, naive_max_unpool(x, g, index, windows))


@given(pools(), generators)
def test_unpooling_and_gathering_are_adjoint(case, rng):
    x, windows = case
    index = indices(rng, x, windows)
    g, out = whole(rng, index.shape, x.dtype), garbage(x.shape, x.dtype)
    pool.max_unpool(out, g, index, *windows)
    assert np.vdot(out, x) == np.vdot(g, naive_pool_gather(x, index, windows))


@given(pools())
def test_gathering_at_the_index_of_a_pool_gives_the_pool(case):
    x, windows = case
    y, index = pooled(x, windows)
    np.testing.assert_array_equal(naive_pool_gather(x, index, windows), y)


@given(pools(), generators)
def test_nan_wins_its_windows_and_the_index_names_it(case, rng):
    x, windows = case
    x[rng.random(x.shape) < 0.2] = np.nan
    y, index = pooled(x, windows)
    np.testing.assert_array_equal(y, naive_max_pool(x, windows)[0])
    np.testing.assert_array_equal(naive_pool_gather(x, index, windows), y)


@pytest.mark.parametrize("dtype", DTYPES)
def test_infinities_are_ordinary_values(dtype):
    x = np.array([-np.inf, -np.inf, 1, np.inf], dtype).reshape(1, 1, 4, 1)
    y, index = pooled(x, (1, 2, 1, 2))
    assert y.ravel().tolist() == [-np.inf, np.inf]
    assert index.ravel().tolist() == [0, 1]


@pytest.mark.parametrize("index_dtype", INDEX_DTYPES)
def test_an_index_has_room_for_the_last_place_of_its_window(index_dtype):
    side = 16 if index_dtype == np.uint8 else 17  # 256 places, 289 places
    x = np.zeros((1, side, side, 1), np.float32)
    x[0, -1, -1, 0] = 1
    y, index = pooled(x, (side, side, 1, 1), index_dtype)
    assert (y.item(), index.item()) == (1, side * side - 1)
    out = garbage(x.shape, x.dtype)
    pool.max_unpool(out, y, index, side, side, 1, 1)
    np.testing.assert_array_equal(out, x)
