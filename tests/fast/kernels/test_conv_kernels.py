from itertools import pairwise, product

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fast.kernels.kernel_cases import DTYPES, dtypes, garbage, generators, places, whole
from tinynet.fast.bindings.conv import starts, starts_of_strips
from tinynet.fast.kernels import conv, registers
from tinynet.fast.kernels.conv import Windows
from tinynet.fast.kernels.jit import chunks_of

in_machine_code = numba.njit(lambda c, a, starts, seen, b, more: registers.multiply(c, a, starts, seen, b, more))
beside_in_machine_code = numba.njit(lambda c, to, a, seen, b, n: registers.multiply_beside(c, to, a, seen, b, n))

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
    n, c, f = draw(st.integers(0, 9)), draw(st.sampled_from([1, 2, 3, 16, 17])), draw(st.sampled_from([1, 2, 4, 8, 19]))
    p = Windows(kh, kw, sh, sw, top, left, oh, ow, draw(st.integers(1, most_groups)), draw(st.integers(1, 2)))
    return (
        whole(rng, (n, h, w, c), dtype),
        whole(rng, (kh, kw, c, f), dtype),
        whole(rng, (n, oh, p.groups * ow, f), dtype),
        p,
    )


# Any cut of the batch must do, with margins of zeros also where windows see none.
cuts = st.tuples(st.integers(1, 5), st.booleans())


def padded(cut, x, p):
    """The working array for images with margins, or of nothing."""
    chunks, always = cut
    needed = p.top or p.left or any(seen > size for seen, size in zip(p.seen(), x.shape[1:], strict=False))
    return garbage((chunks, *p.seen(), x.shape[3]) if always or needed else (chunks, 0, 0, 0), x.dtype)


def read(cut, x, p):
    """The images with margins, or none, and where windows begin in what is read."""
    margins = padded(cut, x, p)
    return margins, starts(p, margins.shape[2] or x.shape[2], x.shape[3])


def forward(x, w, p, cut):
    y = garbage((len(x), p.oh, p.ow, w.shape[3]), x.dtype)
    margins, begins = read(cut, x, p)
    conv.conv2d(y, margins, x, w, np.empty(0, x.dtype), False, *begins, p)
    return y


def input_grad_arrays(chunks, w, p):
    """The working arrays of the gradient of the input."""
    row = p.kw * w.shape[2]
    return garbage((chunks, p.groups * p.ow, row), w.dtype), garbage((p.kh * w.shape[3], row), w.dtype)


def input_grad(x, w, g, p, cut):
    dx = garbage(x.shape, x.dtype)
    conv.conv2d_input_grad(dx, *input_grad_arrays(cut[0], w, p), g, w, *starts_of_strips(p, w.shape[3]), p)
    return dx


def weight_grad(x, w, g, p, cut):
    dw, partial = garbage(w.shape, x.dtype), garbage((cut[0], w[..., 0].size, w.shape[3]), x.dtype)
    margins, begins = read(cut, x, p)
    conv.conv2d_weight_grad(dw.reshape(-1), margins, partial, x, g, *begins, p)
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


@pytest.mark.parametrize(
    ("width", "p"),
    [
        (3, Windows(1, 1, 1, 1, 0, 0, 2, 2)),  # the last column is seen by none
        (2, Windows(1, 1, 1, 2, 0, 1, 2, 2)),  # as many windows as columns, but they begin in the padding
        (2, Windows(1, 1, 1, 1, 0, 0, 2, 2)),  # one for each pixel
    ],
)
def test_windows_of_one_column_bring_back_what_they_have_seen(width, p):
    rng = np.random.default_rng(0)
    x, w, g = (whole(rng, shape, np.float32) for shape in ((2, 2, width, 3), (1, 1, 3, 4), (2, 2, 2, 4)))
    np.testing.assert_array_equal(input_grad(x, w, g, p, (2, False)), naive_input_grad(x, w, g, p))


@given(convolutions(), cuts)
def test_weight_grad_sums_over_images_and_pixels(case, cut):
    x, _, g, p = case
    np.testing.assert_array_equal(weight_grad(*case, cut), naive_weight_grad(x, g, p))


@given(generators, dtypes, st.data())
def test_a_product_in_registers_equals_that_of_matrices(rng, dtype, data):
    """Rows of any number, beginning anywhere, with values anywhere; written or added; only the columns there are."""
    rows, filters, depth = (data.draw(st.integers(1, most)) for most in (25, 70, 9))
    a, b, more = whole(rng, (100,), dtype), whole(rng, (depth, filters), dtype), data.draw(st.booleans())
    c, begin, seen = whole(rng, (rows, filters + 3), dtype), rng.integers(30, 60, rows), rng.integers(-30, 40, depth)
    meant, found = c.copy(), c.copy()
    registers.multiply(meant[:, :filters], a, begin, seen, b, more)
    in_machine_code(found[:, :filters], a, begin, seen, b, more)
    np.testing.assert_array_equal(found, meant)


@given(generators, dtypes, st.data())
def test_a_product_of_rows_one_value_apart_equals_that_of_matrices(rng, dtype, data):
    """Of any number of rows and columns; each row is written anywhere, and nothing beside."""
    depth, filters = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 20))
    rows = data.draw(st.integers(16, 70))
    a, w, seen = whole(rng, (rows + 40,), dtype), whole(rng, (depth, filters + 1), dtype), rng.integers(0, 40, depth)
    to = rng.permutation(rows + 5)[:rows] * (filters + 2)
    meant = whole(rng, ((rows + 5) * (filters + 2),), dtype)
    found = meant.copy()
    registers.multiply_beside(meant, to, a, seen, w, filters)
    beside_in_machine_code(found, to, a, seen, w, filters)
    np.testing.assert_array_equal(found, meant)


@given(convolutions(), generators)
def test_add_strip_adds_each_value_to_the_pixel_that_its_tap_sees(case, rng):
    x, _, _, p = case
    strip, row = whole(rng, (p.ow, p.kw, x.shape[3]), x.dtype), np.zeros(x.shape[2:], x.dtype)
    conv.add_strip(row, strip.reshape(-1), p, p.left)
    meant = np.zeros(row.shape)
    for j, b in product(range(p.ow), range(p.kw)):
        if 0 <= j * p.sw + b - p.left < len(row):
            meant[j * p.sw + b - p.left] += strip[j, b]
    np.testing.assert_array_equal(row, meant)


@given(convolutions(most_groups=3))
def test_the_input_grad_of_an_image_is_added_group_by_group(case):
    x, w, g, p = case
    strips, turned = input_grad_arrays(1, w, p)
    begins = starts_of_strips(p, w.shape[3])
    conv.turn_weights(turned, w, p.sh)
    for image in range(len(x)):
        dx = x[image].copy()
        conv.add_input_grad(dx, strips[0], g[image].reshape(p.oh, -1), *begins, turned, p)
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
    y = forward(x, w, p, (2, False))
    np.testing.assert_allclose(y, naive_conv2d(x, w, p), rtol=0, atol=100 * np.finfo(dtype).eps)


@pytest.mark.parametrize("channels", [1, 16])
@pytest.mark.parametrize("dtype", DTYPES)
def test_nan_reaches_the_outputs_that_see_it_and_no_others(dtype, channels):
    x, w = np.ones((1, 4, 4, channels), dtype), np.ones((2, 2, channels, 1), dtype)
    x[0, 1, 1, 0] = np.nan
    y = forward(x, w, Windows(2, 2, 1, 1, 0, 0, 3, 3), (1, False))
    assert np.isnan(y[0, :, :, 0]).tolist() == [[True, True, False], [True, True, False], [False, False, False]]


# --- how a batch is cut


@given(st.integers(0, 1000))
def test_there_are_at_most_eight_chunks_of_whole_images(n):
    chunks = chunks_of(n)
    assert 1 <= chunks <= max(1, min(n, 8))
    cuts = [chunk * n // chunks for chunk in range(chunks + 1)]
    lengths = [end - start for start, end in pairwise(cuts)]
    assert (cuts[0], cuts[-1]) == (0, n)
    assert max(lengths) - min(lengths) <= 1
