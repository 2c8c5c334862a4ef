from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.fast.kernels.kernel_cases import DTYPES, dtypes, garbage, generators, places, whole
from tinynet.fast.kernels import conv
from tinynet.ops.conv import Geometry

# --- cases


def along(n, k, s, padding):
    """Windows along one axis of length n: padding before, and how many."""
    if padding == "valid":
        return 0, (n - k) // s + 1
    windows = -(-n // s)
    return max(0, (windows - 1) * s + k - n) // 2, windows


@st.composite
def axes(draw):
    """One axis of the images: its length, taps, stride, padding before, windows."""
    n, s, padding = draw(st.integers(1, 6)), draw(st.integers(1, 3)), draw(st.sampled_from(["valid", "same"]))
    k = draw(st.integers(1, n if padding == "valid" else 4))
    return n, k, s, *along(n, k, s, padding)


@st.composite
def convolutions(draw):
    """Images, weights, a cotangent, and how they lie."""
    rng, dtype = draw(generators), draw(dtypes)
    (h, kh, sh, top, oh), (w, kw, sw, left, ow) = draw(axes()), draw(axes())
    n, c, f = draw(st.integers(0, 9)), draw(st.integers(1, 4)), draw(st.integers(1, 4))
    return (
        whole(rng, (n, h, w, c), dtype),
        whole(rng, (kh, kw, c, f), dtype),
        whole(rng, (n, oh, ow, f), dtype),
        Geometry(kh, kw, sh, sw, top, left, oh, ow),
    )


# Any cut of the batch must do: the kernels read it off the shape of their working arrays.
cuts = st.tuples(st.integers(1, 5), st.integers(1, 9))


def columns(cut, taps, p, dtype):
    chunks, rows = cut
    return garbage((chunks, rows * p.ow, taps), dtype)


def turned(w):
    return garbage((w.shape[3], w[..., 0].size), w.dtype)


# --- references: one tap at a time, straight from the definition


def seen(x, p):
    """Pair each output pixel and tap with the input pixel that lies there, leaving out those in the padding."""
    h_in, w_in = x.shape[1:3]
    for i, j, a, b in places(p.oh, p.ow, p.kh, p.kw):
        h, w = i * p.sh + a - p.top, j * p.sw + b - p.left
        if 0 <= h < h_in and 0 <= w < w_in:
            yield i, j, a, b, h, w


def naive_conv2d(x, w, p):
    y = np.zeros((x.shape[0], p.oh, p.ow, w.shape[3]))
    for i, j, a, b, h, v in seen(x, p):
        y[:, i, j] += x[:, h, v] @ w[a, b]
    return y


def naive_input_grad(x, w, g, p):
    dx = np.zeros(x.shape)
    for i, j, a, b, h, v in seen(x, p):
        dx[:, h, v] += g[:, i, j] @ w[a, b].T
    return dx


def naive_weight_grad(x, g, p):
    dw = np.zeros((p.kh, p.kw, x.shape[3], g.shape[3]))
    for i, j, a, b, h, v in seen(x, p):
        dw[a, b] += x[:, h, v].T @ g[:, i, j]
    return dw


def naive_im2col(x, p):
    n, c = x.shape[0], x.shape[3]
    cols = np.zeros((n, p.oh, p.ow, p.kh, p.kw, c))
    for i, j, a, b, h, v in seen(x, p):
        cols[:, i, j, a, b] = x[:, h, v]
    return cols.reshape(n * p.oh * p.ow, p.kh * p.kw * c)


def inner(u, v):
    """The inner product in Python's integers, which have no end."""
    return sum(int(a) * int(b) for a, b in zip(u.ravel(), v.ravel(), strict=True))


# --- what holds


@given(convolutions(), cuts)
def test_conv2d_is_the_sum_over_taps_and_channels(case, cut):
    x, w, g, p = case
    y = garbage(g.shape, x.dtype)
    conv.conv2d(y, columns(cut, w[..., 0].size, p, x.dtype), x, w, p)
    np.testing.assert_array_equal(y, naive_conv2d(x, w, p))


@given(convolutions(), cuts)
def test_input_grad_brings_each_cotangent_back_through_its_taps(case, cut):
    x, w, g, p = case
    dx = garbage(x.shape, x.dtype)
    conv.conv2d_input_grad(dx, columns(cut, w[..., 0].size, p, x.dtype), turned(w), g, w, p)
    np.testing.assert_array_equal(dx, naive_input_grad(x, w, g, p))


@given(convolutions(), cuts)
def test_weight_grad_sums_over_images_and_pixels(case, cut):
    x, w, g, p = case
    cols = columns(cut, w[..., 0].size, p, x.dtype)
    partial, product = (garbage((cut[0], cols.shape[2], w.shape[3]), x.dtype) for _ in range(2))
    dw = garbage(w.shape, x.dtype)
    conv.conv2d_weight_grad(dw, cols, partial, product, x, g, p)
    np.testing.assert_array_equal(dw, naive_weight_grad(x, g, p))


@given(convolutions(), st.data())
def test_im2col_lays_out_what_each_pixel_sees(case, data):
    x, w, _, p = case
    first = data.draw(st.integers(0, len(x) * p.oh))
    count = data.draw(st.integers(0, len(x) * p.oh - first))
    cols = garbage((count * p.ow, w[..., 0].size), x.dtype)
    conv.im2col(cols, x, first, count, p)
    np.testing.assert_array_equal(cols, naive_im2col(x, p)[first * p.ow : (first + count) * p.ow])


@given(convolutions(), generators)
def test_col2im_is_the_adjoint_of_im2col(case, rng):
    x, w, _, p = case
    cols = garbage((len(x) * p.oh * p.ow, w[..., 0].size), x.dtype)
    conv.im2col(cols, x, 0, len(x) * p.oh, p)
    c = whole(rng, cols.shape, x.dtype)
    back = garbage(x.shape, x.dtype)
    conv.col2im(back, c, 0, len(x) * p.oh, p)
    assert inner(cols, c) == inner(x, back)


@given(convolutions())
def test_col2im_leaves_the_other_images_alone(case):
    x, w, _, p = case
    before = x.copy()
    row = len(x) // 2 * p.oh
    conv.col2im(x, np.ones((0, w[..., 0].size), x.dtype), row, 0, p)
    np.testing.assert_array_equal(x, before)
    if len(x):
        conv.col2im(x, np.zeros((p.oh * p.ow, w[..., 0].size), x.dtype), row, p.oh, p)
        before[len(x) // 2] = 0
        np.testing.assert_array_equal(x, before)


@given(convolutions(), cuts)
def test_the_three_products_are_adjoint_in_every_argument(case, cut):
    """<g, conv(x, w)> = <input_grad(g, w), x> = <weight_grad(x, g), w>: trilinear, and exact in whole numbers."""
    x, w, g, p = case
    cols = columns(cut, w[..., 0].size, p, x.dtype)
    partial, product = (garbage((cut[0], cols.shape[2], w.shape[3]), x.dtype) for _ in range(2))
    y, dx, dw = (garbage(like.shape, x.dtype) for like in (g, x, w))
    conv.conv2d(y, cols, x, w, p)
    conv.conv2d_input_grad(dx, cols, turned(w), g, w, p)
    conv.conv2d_weight_grad(dw, cols, partial, product, x, g, p)
    assert inner(g, y) == inner(dx, x) == inner(dw, w)


@pytest.mark.parametrize("dtype", DTYPES)
def test_fractions_come_out_to_rounding(dtype):
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((5, 6, 5, 3)).astype(dtype), rng.standard_normal((3, 2, 3, 4)).astype(dtype)
    p = Geometry(3, 2, 1, 2, 1, 0, 6, 3)
    y = garbage((5, 6, 3, 4), dtype)
    conv.conv2d(y, columns((2, 2), 18, p, dtype), x, w, p)
    np.testing.assert_allclose(y, naive_conv2d(x, w, p), rtol=0, atol=100 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", DTYPES)
def test_nan_reaches_the_outputs_that_see_it_and_no_others(dtype):
    x, w = np.ones((1, 4, 4, 1), dtype), np.ones((2, 2, 1, 1), dtype)
    x[0, 1, 1, 0] = np.nan
    p = Geometry(2, 2, 1, 1, 0, 0, 3, 3)
    y = np.zeros((1, 3, 3, 1), dtype)
    conv.conv2d(y, columns((1, 1), 4, p, dtype), x, w, p)
    assert np.isnan(y[0, :, :, 0]).tolist() == [[True, True, False], [True, True, False], [False, False, False]]


# --- how a batch is cut

sizes = st.integers(0, 1000)


@given(sizes, *[st.integers(1, 50)] * 2, st.integers(1, 2000), st.integers(1, 600), st.sampled_from([4, 8]))
@example(0, 1, 1, 1, 1, 4)
@example(32, 28, 28, 400, 32, 4)
@example(32, 16, 16, 1152, 128, 4)
def test_chunks_and_rows_are_in_range(n, height, width, taps, filters, itemsize):
    chunks, rows = conv.chunks(n, height, width, taps, filters, itemsize)
    assert 1 <= chunks <= max(1, min(n, 8))
    assert 1 <= rows <= max(1, -(-n // chunks) * height), "no longer than the longest chunk"
    assert rows == 1 or rows * width * taps * itemsize <= 1536 * 1024, "what is gathered at a time stays in the cache"
    if 12 * taps * filters + width * taps * filters <= 1_000_000:
        assert rows * width * taps * filters <= 1_000_000, "where products of 12 pixels are small, all of them are"


@given(sizes, st.integers(1, 16), st.integers(1, 9))
def test_the_chunks_cover_each_image_once_and_evenly(n, chunks, height):
    cuts = [conv.bounds(chunk, chunks, n, height) for chunk in range(chunks)]
    assert cuts[0][0] == 0
    assert cuts[-1][1] == n * height
    assert all(this[1] == following[0] for this, following in pairwise(cuts))
    lengths = [hi - lo for lo, hi in cuts]
    assert {length % height for length in lengths} == {0}, "an image belongs to one chunk"
    assert max(lengths) - min(lengths) <= height
