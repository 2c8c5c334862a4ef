import numba
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import tinynet as tn
from tests.fast.kernels.kernel_cases import DTYPES, dtypes, garbage, generators, whole
from tinynet.fast.bindings.linear import cut
from tinynet.fast.kernels import linear, registers

lengths = st.integers(0, 9)
NO_BIAS = {np.dtype(dtype): np.empty(0, dtype) for dtype in DTYPES}


in_machine_code = numba.njit(lambda c, a, b, turn_a, turn_b, more: registers.product(c, a, b, turn_a, turn_b, more))
bias_in_machine_code = numba.njit(lambda c, bias, rectified: registers.add_bias(c, bias, rectified))


transposed = pytest.mark.parametrize(
    ("trans_a", "trans_b"), [(False, False), (False, True), (True, False), (True, True)]
)

optimised = pytest.mark.skipif(
    bool(numba.config.DISABLE_JIT or numba.config.BOUNDSCHECK), reason="it is a promise of code that is optimised"
)


def working_array(c, chunks, axis):
    """The sums of the chunks, or the product itself."""
    return garbage((chunks, *c.shape), c.dtype) if axis == 2 else c[None]


def product(a, b, trans_a, trans_b, chunks, axis):
    """Multiply by the kernel."""
    c = garbage((a.shape[1 if trans_a else 0], b.shape[0 if trans_b else 1]), a.dtype)
    linear.matmul(c, working_array(c, chunks, axis), a, b, NO_BIAS[c.dtype], False, trans_a, trans_b, chunks, axis)
    return c


def by_panels(a, b, trans_a, bias=None, rectified=False):
    """Multiply by the kernel that keeps a matrix in panels: by its first call, and by one that finds them there."""
    c = garbage((a.shape[1 if trans_a else 0], b.shape[1]), a.dtype)
    bias = NO_BIAS[c.dtype] if bias is None else bias
    panels, ready = garbage((-(-b.shape[1] // linear.PANEL), len(b), linear.PANEL), b.dtype), np.zeros(1, bool)
    linear.matmul_panels(c, a, b, panels, ready, bias, rectified, trans_a)
    assert ready[0]
    again = garbage(c.shape, c.dtype)
    linear.matmul_panels(again, a, np.full_like(b, 7), panels, ready, bias, rectified, trans_a)
    np.testing.assert_array_equal(again, c)
    return c


def naive(a, b):
    c = np.zeros((a.shape[0], b.shape[1]))
    for i, j in np.ndindex(c.shape):
        c[i, j] = sum(float(a[i, k]) * float(b[k, j]) for k in range(a.shape[1]))
    return c


@transposed
@given(lengths, lengths, lengths, generators, dtypes, st.integers(1, 12), st.integers(0, 2))
@example(1, 5, 1, np.random.default_rng(0), np.float32, 1, 0)
@example(3, 0, 2, np.random.default_rng(0), np.float32, 2, 2)
def test_products_are_sums_of_products_however_they_are_cut(trans_a, trans_b, m, k, n, rng, dtype, chunks, axis):
    a, b = whole(rng, (k, m) if trans_a else (m, k), dtype), whole(rng, (n, k) if trans_b else (k, n), dtype)
    c = product(a, b, trans_a, trans_b, chunks, axis)
    np.testing.assert_array_equal(c, naive(a.T if trans_a else a, b.T if trans_b else b))


@transposed
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("dtype", DTYPES)
def test_products_of_several_panels_and_parts_of_the_depth_are_complete(trans_a, trans_b, axis, dtype):
    rng, (m, k, n) = np.random.default_rng(0), (131, 522, 197)
    a, b = whole(rng, (k, m) if trans_a else (m, k), dtype), whole(rng, (n, k) if trans_b else (k, n), dtype)
    c = product(a, b, trans_a, trans_b, 2, axis)
    np.testing.assert_array_equal(c, (a.T if trans_a else a).astype(float) @ (b.T if trans_b else b).astype(float))


@transposed
@given(generators, dtypes, st.data())
def test_the_written_product_equals_its_meaning(trans_a, trans_b, rng, dtype, data):
    """Of parts of matrices whose rows lie near or far apart; written or added; nothing beside it is touched."""
    m, k, n = (data.draw(st.one_of(st.integers(1, 40), st.just(most))) for most in (70, 600, 100))
    depth, gap, more = (
        data.draw(st.sampled_from([k, 0])),
        data.draw(st.sampled_from([0, 3, 300])),
        data.draw(st.booleans()),
    )
    a = whole(rng, (depth, m + gap) if trans_a else (m, depth + gap), dtype)[:, : m if trans_a else depth]
    b = whole(rng, (n, depth + gap) if trans_b else (depth, n + gap), dtype)[:, : depth if trans_b else n]
    meant = whole(rng, (m, n + gap), dtype)
    found = meant.copy()
    registers.product(meant[:, :n], a, b, trans_a, trans_b, more)
    in_machine_code(found[:, :n], a, b, trans_a, trans_b, more)
    np.testing.assert_array_equal(found, meant)


@given(st.integers(1, 20), st.integers(1, 70), st.integers(0, 3), generators, dtypes, st.booleans())
def test_a_bias_is_added_to_each_row_and_cut_as_it_means(rows, columns, gap, rng, dtype, rectified):
    meant, bias = whole(rng, (rows, columns + gap), dtype), whole(rng, (columns,), dtype)
    bias[0], meant[0, -1 - gap] = np.nan, np.inf
    found = meant.copy()
    for added in (bias, bias[:0]):
        registers.add_bias(meant[:, :columns], added, rectified)
        bias_in_machine_code(found[:, :columns], added, rectified)
        np.testing.assert_array_equal(found, meant)


@given(st.integers(1, 20), st.integers(0, 9), st.integers(1, 100), generators, dtypes, st.booleans(), st.booleans())
def test_products_by_panels_are_those_of_the_matrix_with_a_bias_or_none(m, k, n, rng, dtype, trans_a, rectified):
    a, b, bias = whole(rng, (k, m) if trans_a else (m, k), dtype), whole(rng, (k, n), dtype), whole(rng, (n,), dtype)
    meant = (a.T if trans_a else a) @ b
    np.testing.assert_array_equal(by_panels(a, b, trans_a), meant)
    meant = np.maximum(meant + bias, 0) if rectified else meant + bias
    np.testing.assert_array_equal(by_panels(a, b, trans_a, bias, rectified), meant)


@optimised
def test_only_a_wide_matrix_that_is_constant_is_kept_in_panels():
    model = tn.Sequential([tn.Input((600,)), tn.Dense(520, "relu"), tn.Dense(100)], seed=0)
    frozen, live = tn.compile(model, freeze=True), tn.compile(model)
    for rows, kernels in ((1, ("matmul", "matmul")), (7, ("matmul_panels", "matmul"))):
        x = np.random.default_rng(0).standard_normal((rows, 600)).astype(np.float32)
        before = live(x).tobytes()
        assert frozen(x).tobytes() == before
        for predictor, expected in ((frozen, kernels), (live, ("matmul", "matmul"))):
            calls = [call.function for call in predictor.plan(x).calls if call.name == "matmul_bias"]
            assert tuple(function.__name__ for function in calls) == expected
        model.theta[:] = -model.theta
        assert frozen(x).tobytes() == before != live(x).tobytes()
        model.theta[:] = -model.theta


@optimised
@transposed
def test_no_bit_of_a_product_depends_on_how_rows_and_columns_are_cut(trans_a, trans_b):
    rng, (m, k, n) = np.random.default_rng(0), (37, 300, 75)
    a, b = rng.standard_normal((m, k)).astype(np.float32), rng.standard_normal((k, n)).astype(np.float32)
    a, b = np.ascontiguousarray(a.T) if trans_a else a, np.ascontiguousarray(b.T) if trans_b else b
    whole_product = product(a, b, trans_a, trans_b, 1, 0)
    for axis in (0, 1):
        np.testing.assert_array_equal(product(a, b, trans_a, trans_b, 4, axis), whole_product)
    np.testing.assert_array_equal(by_panels(a, np.ascontiguousarray(b.T) if trans_b else b, trans_a), whole_product)


@pytest.mark.parametrize("dtype", DTYPES)
def test_fractions_come_out_to_rounding(dtype):
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((13, 21)).astype(dtype), rng.standard_normal((21, 6)).astype(dtype)
    c = product(a, b, False, False, 3, 0)
    np.testing.assert_allclose(c, naive(a, b), rtol=0, atol=100 * np.finfo(dtype).eps)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("shape", [(40, 600, 530), (600, 40, 530), (530, 600, 40)])
def test_the_serial_form_has_the_same_bits(axis, shape):
    rng, (m, k, n) = np.random.default_rng(0), shape
    a, b = rng.standard_normal((m, k)).astype(np.float32), rng.standard_normal((k, n)).astype(np.float32)
    c = garbage((m, n), np.float32)
    linear.matmul.serial(c, working_array(c, 8, axis), a, b, NO_BIAS[c.dtype], False, False, False, 8, axis)
    np.testing.assert_array_equal(c, product(a, b, False, False, 8, axis))


@given(st.integers(0, 10_000), st.integers(0, 10**9))
def test_the_number_of_chunks_is_a_power_of_two_in_range(rows, flops):
    assert linear.count_chunks(rows, flops) in {1, 2, 4, 8}
    assert linear.count_chunks(rows, flops) <= max(1, rows)


def test_small_products_are_not_cut():
    assert linear.count_chunks(32, 2 * 32 * 10 * 128) == 1
    assert linear.count_chunks(32, 2 * 32 * 784 * 128) > 1


@pytest.mark.parametrize(
    ("sides", "trans_b", "expected"),
    [
        ((128, 784, 1024), False, (8, 1)),
        ((1024, 128, 784), False, (8, 0)),
        ((32, 576, 128), False, (2, 0)),
        ((32, 784, 128), False, (4, 2)),
        ((32, 128, 576), True, (2, 1)),
        ((64, 3072, 64), False, (8, 2)),
        ((10, 100, 10), False, (1, 0)),
    ],
)
def test_the_cut_follows_the_longest_axis(sides, trans_b, expected):
    rows, inner, columns = sides
    for trans_a, a in ((False, (rows, inner)), (True, (inner, rows))):
        assert cut(a, (columns, inner) if trans_b else (inner, columns), trans_a, trans_b) == expected
