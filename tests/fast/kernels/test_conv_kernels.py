from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.fast.kernels.kernel_cases import DTYPES, dtypes, garbage, generators, places, whole
from tinynet.fast.kernels import conv
from tinynet.fast.kernels.conv import Windows
from tinynet.fast.kernels.jit import chunks_of

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
def convolutions(draw, most_groups=1):
    """Images, weights, a cotangent, and how windows lie; with few channels and with many."""
    rng, dtype = draw(generators), draw(dtypes)
    (h, kh, sh, top, oh), (w, kw, sw, left, ow) = draw(axes()), draw(axes())
    n, c, f = draw(st.integers(0, 9)), draw(st.sampled_from([1, 2, 3, 16, 17])), draw(st.integers(1, 4))
    p = Windows(kh, kw, sh, sw, top, left, oh, ow, draw(st.integers(1, most_groups)), draw(st.integers(1, 2)))
    return (
        whole(rng, (n, h, w, c), dtype),
        whole(rng, (kh, kw, c, f), dtype),
        whole(rng, (n, oh, p.groups * ow, f), dtype),
        p,
    )


# Any cut of the batch must do, and any number of rows at a time.
cuts = st.tuples(st.integers(1, 5), st.integers(1, 9))


def products(w, p):
    """The weights as those of the products that are summed."""
    return w.reshape(1 if p.few(w.shape[2]) else p.kh, -1, w.shape[3])


def arrays(cut, x, p):
    """The working arrays of what is laid out."""
    chunks, rows = cut
    c, remainders, more, row = x.shape[3], min(p.sh, p.kh), (p.kh - 1) // p.sh, p.groups * p.ow * p.kw * x.shape[3]
    if p.few(c):
        columns = ((p.groups - 1) * p.apart + p.kw) * c
        return garbage((chunks, rows * p.kh * row), x.dtype), garbage(
            (chunks, columns, remainders, rows + more, p.ow), x.dtype
        )
    return garbage((chunks, remainders * (rows + more) * row), x.dtype), garbage((chunks, 0, 0, 0, 0), x.dtype)


def forward(x, w, p, cut):
    y = garbage((len(x), p.oh, p.ow, w.shape[3]), x.dtype)
    conv.conv2d(y, *arrays(cut, x, p), x, products(w, p), cut[1], p)
    return y


def input_grad(x, w, g, p, cut):
    dx, (chunks, rows) = garbage(x.shape, x.dtype), cut
    strips = garbage((chunks, rows, p.groups, p.ow * p.kw * x.shape[3]), x.dtype)
    conv.conv2d_input_grad(dx, strips, garbage((p.kh, w.shape[3], p.kw * x.shape[3]), x.dtype), g, w, p)
    return dx


def weight_grad(x, w, g, p, cut):
    dw, partial = garbage(w.shape, x.dtype), garbage((cut[0], *products(w, p).shape), x.dtype)
    conv.conv2d_weight_grad(dw.reshape(-1), *arrays(cut, x, p), partial, x, g, cut[1], p)
    return dw


# --- references: one tap at a time, straight from the definition


def seen(x, p):
    """Pair each output pixel and tap with the input pixel that lies there, leaving out those in the padding."""
    h_in, w_in = x.shape[1:3]
    for i, q, a, b in places(p.oh, p.groups * p.ow, p.kh, p.kw):
        h, w = i * p.sh + a - p.top, q % p.ow * p.sw + q // p.ow * p.apart + b - p.left
        if 0 <= h < h_in and 0 <= w < w_in:
            yield i, q, a, b, h, w


def naive_conv2d(x, w, p):
    y = np.zeros((x.shape[0], p.oh, p.groups * p.ow, w.shape[3]))
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
    """What each window sees: (N, OH, groups, OW, KH, KW, C)."""
    cols = np.zeros((len(x), p.oh, p.groups * p.ow, p.kh, p.kw, x.shape[3]))
    for i, j, a, b, h, v in seen(x, p):
        cols[:, i, j, a, b] = x[:, h, v]
    return cols.reshape(len(x), p.oh, p.groups, p.ow, p.kh, p.kw, x.shape[3])


def inner(u, v):
    """The inner product in Python's integers, which have no end."""
    return sum(int(a) * int(b) for a, b in zip(u.ravel(), v.ravel(), strict=True))


# --- what holds


@given(convolutions(), cuts)
def test_conv2d_is_the_sum_over_taps_and_channels(case, cut):
    x, w, _, p = case
    np.testing.assert_array_equal(forward(x, w, p, cut), naive_conv2d(x, w, p))


@given(convolutions(), cuts)
def test_input_grad_brings_each_cotangent_back_through_its_taps(case, cut):
    x, w, g, p = case
    np.testing.assert_array_equal(input_grad(*case, cut), naive_input_grad(x, w, g, p))


@given(convolutions(), cuts)
def test_weight_grad_sums_over_images_and_pixels(case, cut):
    x, _, g, p = case
    np.testing.assert_array_equal(weight_grad(*case, cut), naive_weight_grad(x, g, p))


@given(convolutions(most_groups=3), st.data())
def test_what_each_window_sees_is_laid_out(case, data):
    """As rows of windows for a row of taps, from strips; as a row for each tap and channel, from shifts."""
    x, w, _, p = case
    first = data.draw(st.integers(0, p.oh - 1))
    count = data.draw(st.integers(1, p.oh - first))
    for image, meant in enumerate(naive_im2col(x, p)[:, first : first + count]):
        laid, shifts = (a[0] for a in arrays((1, count), x, p))
        conv.lay_out(laid, shifts, x, image, first, count, p)
        for a in range(len(products(w, p))):
            found = conv.matrix(laid, shifts, a, count, products(w, p).shape[1], p)
            # From shifts a row for each tap and channel, group by group.
            meant_here = meant.transpose(3, 4, 5, 1, 0, 2) if shifts.size else meant[:, :, :, a]
            np.testing.assert_array_equal(found, meant_here.reshape(found.shape))


@given(convolutions(), generators)
def test_add_strip_is_the_adjoint_of_lay_strip(case, rng):
    x, _, _, p = case
    for image in range(min(1, len(x))):
        for h in range(x.shape[1]):
            strip, row = garbage(p.ow * p.kw * x.shape[3], x.dtype), np.zeros(x.shape[2:], x.dtype)
            conv.lay_strip(strip, x, image, h, p, p.left)
            c = whole(rng, strip.shape, x.dtype)
            conv.add_strip(row, c, p, p.left)
            assert inner(strip, c) == inner(x[image, h], row)


@given(convolutions(most_groups=3), st.integers(1, 9))
def test_the_input_grad_of_an_image_is_added_group_by_group(case, rows):
    x, w, g, p = case
    transposed = garbage((p.kh, w.shape[3], p.kw * x.shape[3]), x.dtype)
    conv.transpose(transposed, w)
    for image in range(len(x)):
        dx, strips = x[image].copy(), garbage((rows, p.groups, p.ow * p.kw * x.shape[3]), x.dtype)
        conv.add_input_grad(dx, strips, g[image].reshape(-1, w.shape[3]), transposed, p)
        np.testing.assert_array_equal(dx - x[image], naive_input_grad(x, w, g, p)[image])


@given(convolutions(), cuts)
def test_the_three_products_are_adjoint_in_every_argument(case, cut):
    """<g, conv(x, w)> = <input_grad(g, w), x> = <weight_grad(x, g), w>: trilinear, and exact in whole numbers."""
    x, w, g, p = case
    assert inner(g, forward(x, w, p, cut)) == inner(input_grad(*case, cut), x) == inner(weight_grad(*case, cut), w)


@pytest.mark.parametrize("channels", [3, 18])
@pytest.mark.parametrize("dtype", DTYPES)
def test_fractions_come_out_to_rounding(dtype, channels):
    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal(shape).astype(dtype) for shape in ((5, 6, 5, channels), (3, 2, channels, 4)))
    p = Windows(3, 2, 1, 2, 1, 0, 6, 3)
    y = forward(x, w, p, (2, 2))
    np.testing.assert_allclose(y, naive_conv2d(x, w, p), rtol=0, atol=100 * np.finfo(dtype).eps)


@pytest.mark.parametrize("channels", [1, 16])
@pytest.mark.parametrize("dtype", DTYPES)
def test_nan_reaches_the_outputs_that_see_it_and_no_others(dtype, channels):
    x, w = np.ones((1, 4, 4, channels), dtype), np.ones((2, 2, channels, 1), dtype)
    x[0, 1, 1, 0] = np.nan
    y = forward(x, w, Windows(2, 2, 1, 1, 0, 0, 3, 3), (1, 2))
    assert np.isnan(y[0, :, :, 0]).tolist() == [[True, True, False], [True, True, False], [False, False, False]]


# --- how a batch is cut


@given(*[st.integers(1, 60)] * 2, st.integers(1, 7), st.integers(1, 600), st.integers(1, 600), st.sampled_from([4, 8]))
@example(28, 28, 5, 16, 32, 4)
@example(16, 16, 3, 128, 128, 4)
@example(64, 64, 3, 3, 32, 4)
def test_rows_are_in_range(height, width, k, channels, filters, itemsize):
    p = Windows(k, k, 1, 1, 0, 0, height, width)
    rows, row = p.rows_at_a_time(channels, filters, itemsize), width * k * channels * (k if p.few(channels) else 1)
    assert 1 <= rows <= height
    assert rows == 1 or rows * row * itemsize <= 1536 * 1024, "what is laid out at a time stays in the cache"
    if 12 * row // width * filters + row * filters <= 1_000_000:
        assert rows * row * filters <= 1_000_000, "where products of 12 windows are small, all of them are"


@given(st.integers(0, 1000))
def test_there_are_at_most_eight_chunks_of_whole_images(n):
    chunks = chunks_of(n)
    assert 1 <= chunks <= max(1, min(n, 8))
    cuts = [chunk * n // chunks for chunk in range(chunks + 1)]
    lengths = [end - start for start, end in pairwise(cuts)]
    assert (cuts[0], cuts[-1]) == (0, n)
    assert max(lengths) - min(lengths) <= 1
