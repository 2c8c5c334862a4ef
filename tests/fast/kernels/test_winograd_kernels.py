"""Convolutions in tiles, by Winograd's algorithm, against what they mean."""

from importlib import import_module

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet as tn
from tests.fast.kernels.kernel_cases import DTYPES, dtypes, garbage, generators
from tinynet.core.engine import meaning
from tinynet.fast.implementation import evaluate
from tinynet.fast.kernels import winograd
from tinynet.fast.kernels.transforms import ALONG, sides, transform
from tinynet.ops.conv import _conv2d, _conv2d_input_grad, _conv2d_weight_grad, geometry

binding = import_module("tinynet.fast.bindings.conv")
MOST = {np.float32: 2, np.float64: 2**18}  # whole numbers whose sums and transforms are exact


@st.composite
def convolutions(draw):
    """Images, weights and a cotangent of whole numbers, of shapes that are computed in tiles, among them odd ones."""
    rng, dtype, padding = draw(generators), draw(dtypes), draw(st.sampled_from(["valid", "same"]))
    n, h, w = draw(st.integers(0, 5)), draw(st.integers(8, 13)), draw(st.integers(8, 13))
    c, f = (draw(st.sampled_from([16, 17, 24])) for _ in range(2))
    p = geometry("test", (n, h, w, c), (3, 3), (1, 1), padding)
    shapes = (n, h, w, c), (3, 3, c, f), (n, p.oh, p.ow, f)
    return *(rng.integers(-MOST[dtype], MOST[dtype], s, endpoint=True).astype(dtype) for s in shapes), p


def normal(dtype, n, size, c, f, padding="same"):
    rng = np.random.default_rng(0)
    p = geometry("test", (n, size, size, c), (3, 3), (1, 1), padding)
    shapes = (n, size, size, c), (3, 3, c, f), (n, p.oh, p.ow, f)
    return *(rng.standard_normal(s).astype(dtype) for s in shapes), p


def three(x, w, g, p):
    """The convolution and its two gradients, as ops with their arguments."""
    yield _conv2d, (x, w), {"p": p}
    yield _conv2d_input_grad, (g, w), {"p": p, "size": x.shape[1:3]}
    yield _conv2d_weight_grad, (x, g), {"p": p}


@given(convolutions())
def test_each_of_the_three_is_what_it_means_and_exact_in_whole_numbers(case):
    x, w, _, p = case
    assert binding.tiles_of(p, p[6:], w.shape)
    assert binding.tiles_of(p, x.shape[1:3], w.shape)
    for op, arrays, attrs in three(*case):
        np.testing.assert_array_equal(evaluate(op, arrays, attrs)[0], meaning(op, arrays, attrs)[0])


@pytest.mark.parametrize("dtype", DTYPES)
def test_fractions_lose_few_digits(dtype):
    """The bound is what decision 38 promises for float32, of the largest value."""
    for op, arrays, attrs in three(*normal(dtype, 4, 16, 32, 48)):
        meant = meaning(op, tuple(a.astype(float) for a in arrays), attrs)[0]
        found = evaluate(op, arrays, attrs)[0]
        assert np.abs(found - meant).max() <= 8 * np.finfo(dtype).eps * np.abs(meant).max()


@pytest.mark.parametrize("n", [1, 3, 9])
def test_no_bit_depends_on_the_number_of_lanes(monkeypatch, n):
    for op, arrays, attrs in three(*normal(np.float32, n, 11, 16, 24)):
        made = []
        for lanes in (1, 2, 3, 8):
            monkeypatch.setattr(binding, "get_num_threads", lambda lanes=lanes: lanes)
            made.append(evaluate(op, arrays, attrs)[0].tobytes())
        assert len(set(made)) == 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_where_a_filter_sees_zeros_alone_the_sum_is_exactly_0(dtype):
    x, w, g, p = normal(dtype, 2, 12, 16, 16)
    x[:, 4:9, 3:8] = 0
    y = evaluate(_conv2d, (x, w), {"p": p})[0]
    np.testing.assert_array_equal(y[:, 5:8, 4:7], 0)
    assert (y[:, 4:9, 3] != 0).any()
    g[:, 4:9, 3:8] = 0
    dx = evaluate(_conv2d_input_grad, (g, w), {"p": p, "size": (12, 12)})[0]
    np.testing.assert_array_equal(dx[:, 5:8, 4:7], 0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", [(0, 0), (5, 6), (9, 9)])
def test_nan_and_infinities_are_where_they_are_without_tiles(dtype, value, where):
    x, w, g, p = normal(dtype, 2, 10, 16, 16)
    x[1, *where, 3] = g[0, *where, 2] = value
    for op, arrays, attrs in three(x, w, g, p):
        found, meant = evaluate(op, arrays, attrs)[0], meaning(op, arrays, attrs)[0]
        if op is _conv2d_weight_grad:  # its sums mix what all taps see
            np.testing.assert_array_equal(np.isfinite(found).all((0, 1)), np.isfinite(meant).all((0, 1)))
            assert not np.isfinite(found[~np.isfinite(meant)]).any()
        else:
            finite = np.isfinite(meant)
            np.testing.assert_array_equal(found[~finite], meant[~finite])
            np.testing.assert_allclose(found[finite], meant[finite], rtol=0, atol=1e-4)


@given(st.integers(0, 500), st.integers(1, 300))
def test_chunks_and_blocks_are_in_range(rows, tw):
    chunks, block = winograd.cut(rows, tw)
    assert 1 <= chunks <= max(1, min(rows, 8))
    assert 1 <= block <= max(1, -(-rows // chunks))
    assert block == 1 or block * tw <= 128


@pytest.mark.parametrize(
    ("taps", "stride", "size", "channels", "expected"),
    [
        ((3, 3), (1, 1), (8, 8), (16, 16), (4, 4)),
        ((3, 3), (1, 1), (15, 9), (16, 16), (8, 5)),
        ((3, 3), (1, 1), (3, 3), (16, 16), None),
        ((3, 3), (1, 1), (8, 8), (15, 16), None),
        ((3, 3), (1, 1), (8, 8), (16, 3), None),
        ((3, 3), (2, 1), (8, 8), (16, 16), None),
        ((3, 2), (1, 1), (8, 8), (16, 16), None),
    ],
)
def test_tiles_are_taken_where_they_save_a_third(taps, stride, size, channels, expected):
    p = geometry("test", (1, 20, 20, channels[0]), taps, stride, "same")
    assert binding.tiles_of(p, size, (*taps, *channels)) == expected


@pytest.mark.parametrize("m", [2, 3])
@given(rng=generators)
def test_the_transforms_are_exact_on_whole_numbers(m, rng):
    """A tile is A^T ((G w G^T) (B^T x B)) A."""
    s = m + 2
    x, w = (rng.integers(-9, 9, shape).astype(float) for shape in ((s, s, 1), (3, 3, 1)))
    inputs, filters, outputs = (garbage(shape, np.float64) for shape in ((s, s, 1, 1), (s, s, 1, 1), (m, m, 1)))
    transform(f"inputs of {m}x{m}", inputs, x, 0, 0, 0)
    transform(f"taps of {m}x{m}", filters, w, 0, 0, 0)
    transform(f"outputs of {m}x{m}", inputs * filters, outputs, 0, 0, 0)
    expected = [[(x[i : i + 3, j : j + 3] * w).sum() for j in range(m)] for i in range(m)]
    np.testing.assert_array_equal(outputs[..., 0], expected)


@given(
    rng=generators,
    name=st.sampled_from([name for name in ALONG if "taps" not in name and "gradients" not in name]),
    data=st.data(),
)
def test_what_lies_outside_of_an_image_is_0_and_is_not_written(rng, name, data):
    """A row of tiles equals its tiles one by one, each within a larger image whose margins are zeros."""
    small, place = st.integers(1, 5), st.integers(-3, 6)
    side, side_of_planes = sides(name)
    tiles, step, h, w = data.draw(small), side + data.draw(st.integers(-1, 1)), data.draw(place), data.draw(place)
    step = max(step, side) if name.startswith("outputs") else step  # what is written does not overlap
    image = rng.integers(-9, 9, (data.draw(small), data.draw(small), 2)).astype(float)
    planes = rng.integers(-9, 9, (side_of_planes, side_of_planes, tiles, 2)).astype(float)
    meant, found = [planes.copy(), np.pad(image, ((30, 30), (30, 30), (0, 0)))], [planes, image]
    for tile in range(tiles):
        transform(name, meant[0][:, :, tile : tile + 1], meant[1], 30 + h, 30 + w + tile * step, 0)
    transform(name, *found, h, w, step)
    np.testing.assert_array_equal(found[0], meant[0])
    np.testing.assert_array_equal(found[1], meant[1][30 : 30 + len(image), 30 : 30 + image.shape[1]])


@pytest.mark.parametrize("pooled", [False, True])
def test_filters_that_are_constant_are_transformed_once_and_live_ones_at_each_call(pooled):
    x = np.random.default_rng(0).standard_normal((2, 12, 12, 16)).astype(np.float32)
    block = [tn.Conv2D(16, 3, padding="same", activation="relu"), *[tn.MaxPool(2)] * pooled]
    model = tn.Sequential([tn.Input((12, 12, 16)), *block, tn.Conv2D(16, 3, padding="same")], seed=0)
    frozen, live = tn.compile(model, freeze=True), tn.compile(model)
    before = live(x).tobytes()
    assert {frozen(x).tobytes() for _ in range(3)} == {before}
    model.theta[:] = -model.theta
    assert frozen(x).tobytes() == before != live(x).tobytes()
    for predictor, ready in (frozen, True), (live, False):
        calls = [call.arguments for call in predictor.plan(x).calls if call.name.startswith("conv")]
        assert [a.tolist() for call in calls for a in call if getattr(a, "dtype", "") == "bool"] == [[ready], [ready]]
