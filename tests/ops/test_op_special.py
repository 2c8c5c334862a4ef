"""Special values: NaN, infinities, ties, zeros, empty arrays, and the dtypes of mixed operands."""

from contextlib import nullcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet as tn
from tests.ops.op_table import CONV, OPS, POOL, ROWS, conv_pool_arrays, few
from tinynet.core.engine import Tensor
from tinynet.errors import ArgumentError, DTypeError, ShapeError

o = tn.ops
NAN, INF = np.nan, np.inf
either_precision = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def leaf(values, dtype=np.float64):
    return Tensor(np.array(values, dtype), requires_grad=True)


def gradient(y, x, cotangent=None):
    """The gradient of one tensor, with a cotangent of ones unless told."""
    ones = np.ones(y.shape, y.dtype) if cotangent is None else np.array(cotangent, y.dtype)
    return tn.grad(y, [x], [Tensor(ones)])[0].data


# --- NaN and infinity


@pytest.mark.parametrize("row", [row for row in ROWS.values() if row.nan], ids=repr)
@few
@given(data=st.data(), dtype=st.sampled_from([np.float32, np.float64]))
def test_nan_in_comes_out_as_nan(row, data, dtype):
    case = data.draw(row.cases)
    inputs = [x.astype(dtype) if x.dtype.kind == "f" else x for x in case.inputs]
    inputs[0].flat[data.draw(st.integers(0, inputs[0].size - 1))] = NAN
    assert np.isnan(row.call(*inputs, **case.attrs).data).any()


ELEMENTWISE = [
    *(o.relu, o.exp, o.expm1, o.log, o.sqrt, o.sin, o.cos, o.tanh, o.sigmoid, o.softplus, o.erf, o.abs, o.negative),
    *(o.sign, o.silu, o.gelu, o.elu, o.leaky_relu, lambda x: o.gelu(x, approximate=True), lambda x: o.clip(x, 0, 3)),
]


@either_precision
@pytest.mark.parametrize("op", ELEMENTWISE)
def test_nan_stays_where_it_is_in_an_elementwise_op(op, dtype):
    y = op(np.array([1.0, NAN, 2.0], dtype))
    np.testing.assert_array_equal(np.isnan(y.data), [False, True, False])


@pytest.mark.parametrize("op", [o.maximum, o.minimum, o.add, o.multiply, o.logaddexp])
def test_nan_in_either_operand_comes_out(op):
    y = op(np.array([NAN, 1.0, 2.0]), np.array([1.0, NAN, 3.0]))
    np.testing.assert_array_equal(np.isnan(y.data), [True, True, False])


@either_precision
def test_nan_wins_in_every_window_that_sees_it(dtype):
    x = np.arange(16, dtype=dtype).reshape(1, 4, 4, 1)
    x[0, 1, 1, 0] = NAN
    y = o.max_pool(x, 2, stride=1).data[0, :, :, 0]
    np.testing.assert_array_equal(np.isnan(y), [[True, True, False], [True, True, False], [False, False, False]])


def test_nan_in_a_convolution_spoils_the_windows_that_see_it_and_no_others():
    x = np.ones((2, 4, 4, 1))
    x[0, 0, 0, 0] = NAN
    y = o.conv2d(x, np.ones((2, 2, 1, 1))).data
    assert np.argwhere(np.isnan(y)).tolist() == [[0, 0, 0, 0]]


def test_nan_comes_out_of_a_fused_convolution_relu_and_pooling():
    x, w, b, *_ = conv_pool_arrays(np.random.default_rng(0))
    x[0, 0, 0, 0] = NAN
    y = OPS["conv_pool"](x, w, b, p=CONV, q=POOL)[0]
    assert np.isnan(y.data[0, 0, 0]).all()
    assert not np.isnan(y.data[1]).any()


def test_the_gradient_of_relu_lets_nan_through():
    x = leaf([NAN, 1.0, -1.0])
    np.testing.assert_array_equal(gradient(o.relu(x), x, [3.0, 3.0, NAN]), [3.0, 3.0, 0.0])


@pytest.mark.parametrize("find", [o.max, o.min])
def test_the_gradient_of_max_and_min_goes_to_the_first_nan(find):
    x = leaf([1.0, NAN, 2.0, NAN])
    np.testing.assert_array_equal(gradient(find(x), x), [0, 1, 0, 0])


@pytest.mark.parametrize("find", [o.argmax, o.argmin])
def test_the_first_nan_is_found(find):
    assert find(np.array([1.0, NAN, 2.0, NAN])).item() == 1


@pytest.mark.parametrize("op", [o.min, o.max, o.prod, o.var, o.std, o.sum, o.mean])
def test_nan_spoils_its_own_row_alone(op):
    y = op(np.array([[1.0, NAN], [2.0, 3.0]]), axis=1)
    np.testing.assert_array_equal(np.isnan(y.data), [True, False])


def test_nan_spoils_the_running_sum_from_there_on():
    np.testing.assert_array_equal(o.cumsum(np.array([1.0, NAN, 2.0])).data, [1, NAN, NAN])


def test_relu_of_infinities():
    np.testing.assert_array_equal(o.relu(np.array([-INF, INF, -0.0])).data, [0, INF, 0])


def test_max_pool_of_minus_infinities_alone():
    assert o.max_pool(np.full((1, 2, 2, 1), -INF), 2).item() == -INF


def test_what_where_does_not_take_does_no_harm():
    x = leaf([2.0, 3.0])
    y = o.where(np.array([True, False]), x, np.array([NAN, 5.0]))
    np.testing.assert_array_equal(y.data, [2.0, 5.0])
    np.testing.assert_array_equal(gradient(y, x, [7.0, NAN]), [7.0, 0.0])


# --- ties and kinks: the convention


def test_max_gives_the_gradient_of_a_tie_to_the_first():
    x = leaf([[3.0, 5.0, 5.0], [4.0, 4.0, 4.0]])
    np.testing.assert_array_equal(gradient(x.max(1), x), [[0, 1, 0], [1, 0, 0]])


def test_min_gives_the_gradient_of_a_tie_to_the_first():
    x = leaf([[3.0, 1.0, 1.0], [4.0, 4.0, 4.0]])
    np.testing.assert_array_equal(gradient(x.min(1), x), [[0, 1, 0], [1, 0, 0]])


def test_an_end_of_the_interval_that_clips_lets_the_gradient_through():
    x, low, high = leaf([-2.0, -1.0, 0.0, 1.0, 2.0]), leaf(-1.0), leaf(1.0)
    y = o.clip(x, low, high)
    np.testing.assert_array_equal(y.data, [-1, -1, 0, 1, 1])
    np.testing.assert_array_equal(gradient(y, x), [0, 1, 1, 1, 0])
    assert (gradient(y, low), gradient(y, high)) == (1, 1)


def test_an_interval_that_is_the_wrong_way_round_gives_its_high_end_as_in_numpy():
    np.testing.assert_array_equal(o.clip(np.array([0.0, 5.0]), 3, 1).data, np.clip([0.0, 5.0], 3, 1))


def test_max_over_several_axes_counts_the_first_in_row_order():
    x = leaf(np.ones((2, 3, 2)))
    expected = np.zeros((2, 3, 2))
    expected[0, :, 0] = 1
    np.testing.assert_array_equal(gradient(x.max((0, 2)), x), expected)


def test_max_pool_gives_the_gradient_of_a_tie_to_the_first_in_row_order():
    x = leaf(np.array([[1.0, 5, 2, 2], [5, 5, 2, 2]])[None, :, :, None])
    expected = np.array([[0, 1, 1, 0], [0, 0, 0, 0]])
    np.testing.assert_array_equal(gradient(o.max_pool(x, 2), x)[0, :, :, 0], expected)


def test_max_pool_adds_up_the_gradients_of_windows_that_overlap():
    x = leaf(np.array([[0.0, 9, 0]] * 3)[None, :, :, None])
    y = o.max_pool(x, (3, 2), stride=1)
    np.testing.assert_array_equal(gradient(y, x, [[[[2.0], [3.0]]]])[0, :, :, 0], [[0, 5, 0], [0, 0, 0], [0, 0, 0]])


def test_maximum_gives_the_gradient_of_a_tie_to_its_first_operand():
    x, y = leaf([1.0, 2.0, 3.0]), leaf([1.0, 5.0, 0.0])
    z = o.maximum(x, y)
    np.testing.assert_array_equal(gradient(z, x), [1, 0, 1])
    np.testing.assert_array_equal(gradient(z, y), [0, 1, 0])


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_a_pooling_over_the_edge_never_takes_the_padding(padding):
    x = leaf(np.full((1, 3, 3, 1), -5.0))
    y = o.max_pool(x, 2, stride=2, padding=padding)
    np.testing.assert_array_equal(y.data, -5)
    assert gradient(y, x).sum() == y.size


def test_the_mean_over_the_edge_counts_the_pixels_of_the_image_alone():
    x = np.arange(9.0).reshape(1, 3, 3, 1)
    y = o.avg_pool(x, 2, padding="same").data[0, :, :, 0]
    np.testing.assert_array_equal(y, [[2, 3.5], [6.5, 8]])


@pytest.mark.parametrize(("op", "slope"), [(o.leaky_relu, 0.2), (o.elu, 1.0), (o.silu, 0.5), (o.gelu, 0.5)])
def test_the_derivative_of_an_activation_at_zero(op, slope):
    x = leaf(0.0)
    assert gradient(op(x), x) == pytest.approx(slope, rel=1e-15)


@pytest.mark.parametrize(("op", "low"), [(o.leaky_relu, -INF), (o.elu, -1.0), (o.relu, 0.0), (o.softplus, 0.0)])
def test_activations_of_infinities(op, low):
    np.testing.assert_array_equal(op(np.array([-INF, INF])).data, [low, INF])


@either_precision
def test_elu_of_large_and_of_tiny_values(dtype):
    x = leaf([1e4, -1e4, -1e-9], dtype)
    np.testing.assert_allclose(o.elu(x).data, [1e4, -1, -1e-9], rtol=1e-6)
    np.testing.assert_allclose(gradient(o.elu(x), x), [1, 0, 1], rtol=1e-6)


@either_precision
def test_the_derivative_of_relu_at_zero_is_zero(dtype):
    x = leaf([0.0, -0.0, 1e-30], dtype)
    np.testing.assert_array_equal(gradient(o.relu(x), x), [0, 0, 1])


def test_the_derivative_of_abs_at_zero_is_zero():
    x = leaf([0.0, -2.0])
    np.testing.assert_array_equal(gradient(o.abs(x), x), [0, -1])


# --- powers, roots and products


@either_precision
@pytest.mark.parametrize("two", [2, 2.0, np.float64(2), np.int64(2)])
def test_a_square_has_the_bits_of_a_product_and_its_gradient_too(two, dtype):
    values = np.random.default_rng(0).normal(size=1000).astype(dtype)
    for x in (leaf(values, dtype), leaf([0.0, -0.0, INF, -INF, NAN, 1e-30], dtype)):
        square, product = x**two, x * x
        assert square.data.tobytes() == product.data.tobytes()
        assert square.dtype == dtype
        first, second = (tn.grad(y.sum(), [x], create_graph=True)[0] for y in (square, product))
        assert first.data.tobytes() == second.data.tobytes()
        assert gradient(first, x).tobytes() == gradient(second, x).tobytes()


def test_a_square_is_a_product_and_takes_what_a_power_takes():
    assert (Tensor([3.0]) ** 2).node.op is o.multiply
    for integers in (Tensor([1, 2]), Tensor([True])):
        with pytest.raises(DTypeError, match="power: takes float32 or float64"):
            integers**2
    np.testing.assert_array_equal((Tensor([1, 2]) ** 2.0).data, [1.0, 4.0])
    assert o.power(3.0, 2).item() == 9
    np.testing.assert_array_equal(o.power([1.0, 3.0], 2).data, [1, 9])


@either_precision
def test_roots_of_special_values(dtype):
    x = leaf([0.0, -1.0, INF], dtype)
    np.testing.assert_array_equal(o.sqrt(x).data, [0, NAN, INF])
    np.testing.assert_array_equal(gradient(o.sqrt(x), x), [INF, NAN, 0])


@pytest.mark.parametrize("values", [[2.0, 0.0, 3.0, 4.0], [0.0, 2.0, 0.0], [0.0], [5.0], [0.0, 0.0, 0.0]])
def test_the_gradient_of_a_product_with_zeros_is_that_of_the_others(values):
    x = leaf(values)
    expected = [np.prod(values[:i] + values[i + 1 :]) for i in range(len(values))]
    (first,) = tn.grad(x.prod(), [x], create_graph=True)
    np.testing.assert_array_equal(first.data, expected)
    second = [
        sum(np.prod([v for k, v in enumerate(values) if k not in (i, j)]) for j in range(len(values)) if j != i)
        for i in range(len(values))
    ]
    if first.requires_grad:
        np.testing.assert_array_equal(gradient(first, x), second)


def test_products_of_small_integers_do_not_overflow():
    assert o.prod(np.full(4, 200, np.uint8)).item() == 200**4
    assert o.prod(np.ones(3, bool)).item() == 1


@pytest.mark.parametrize(
    ("x", "y", "slope"), [(0.0, 0, 0.0), (0.0, 1, 1.0), (0.0, 2, 0.0), (-2.0, 3, 12.0), (2.0, 0, 0)]
)
def test_the_derivative_of_a_whole_power(x, y, slope):
    t = leaf(x)
    assert gradient(t**y, t) == slope


def test_the_derivative_in_the_exponent_is_finite_at_zero():
    y = leaf(2.0)
    assert gradient(0.0**y, y) == 0


@pytest.mark.parametrize(
    ("y", "slope"), [(-1.0, -np.inf), (-0.5, -np.inf), (0.0, 0.0), (0.5, 0.0), (2.0, 0.0)]
)  # fmt: skip
def test_the_derivative_of_a_power_of_zero_by_its_exponent(y, slope):
    exponent = leaf([y])
    assert tn.grad(o.power([0.0], exponent).sum(), [exponent])[0].data.tolist() == [slope]


def test_the_mixed_second_derivative_of_a_power_at_exponent_zero():
    x, y = leaf(2.0), leaf(0.0)
    (by_x,) = tn.grad(x**y, [x], create_graph=True)
    assert gradient(by_x, y) == 0.5  # d/dy y x^(y - 1) = x^(y - 1) (1 + y log x)


# --- empty arrays


@pytest.mark.parametrize(("axis", "expected"), [(None, 1), (0, [1, 1, 1]), (1, []), ((0, 1), 1)])
def test_the_product_of_nothing_is_one(axis, expected):
    x = leaf(np.ones((0, 3)))
    np.testing.assert_array_equal(o.prod(x, axis).data, expected)
    assert x.prod(1).shape == (0,)
    assert gradient(o.prod(x, axis).sum(), x).shape == (0, 3)


def test_running_sums_pieces_and_copies_of_nothing():
    x = leaf(np.ones((0, 3)))
    assert o.cumsum(x, 0).shape == (0, 3)
    assert [t.shape for t in o.split(x, 2)] == [(0, 3), (0, 3)]
    assert o.unstack(x) == []
    assert [t.shape for t in o.unstack(x, 1)] == [(0,)] * 3
    assert o.repeat(x, 2, 0).shape == (0, 3)
    assert o.repeat(x, 0, 1).shape == (0, 0)
    assert o.repeat(x, [], 0).shape == (0, 3)
    assert gradient(o.repeat(x, 2, 1), x).shape == (0, 3)
    for wrong in (o.min, o.argmax, o.argmin, o.var, o.std):
        with pytest.raises(ShapeError, match="no values"):
            wrong(x)
    assert o.min(x, 1).shape == (0,)


@pytest.mark.parametrize(
    ("text", "a", "b"), [("ij,jk->ik", (0, 2), (2, 3)), ("ij,ik->jk", (0, 2), (0, 3)), ("ij,jk->", (0, 2), (2, 3))]
)
def test_sums_of_products_of_nothing(text, a, b):
    a, b = np.ones(a), np.ones(b)
    np.testing.assert_array_equal(o.einsum(text, a, b).data, np.einsum(text, a, b))


def test_the_sum_of_nothing_is_zero():
    x = leaf(np.ones((0, 3)))
    np.testing.assert_array_equal(x.sum(0).data, [0, 0, 0])
    assert gradient(x.sum(), x).shape == (0, 3)


@pytest.mark.parametrize(("m", "k", "n"), [(0, 2, 3), (2, 0, 3), (2, 3, 0)])
@pytest.mark.parametrize("trans_a", [False, True])
@pytest.mark.parametrize("trans_b", [False, True])
def test_products_of_empty_matrices(m, k, n, trans_a, trans_b):
    a, b = np.ones((k, m) if trans_a else (m, k)), np.ones((n, k) if trans_b else (k, n))
    np.testing.assert_array_equal(o.matmul(a, b, trans_a, trans_b).data, np.zeros((m, n)))


def test_a_batch_of_no_images():
    x, w = leaf(np.ones((0, 4, 4, 2))), leaf(np.ones((3, 3, 2, 5)))
    y = o.max_pool(o.relu(o.conv2d(x, w)), 2)
    assert y.shape == (0, 1, 1, 5)
    by_x, by_w = tn.grad(y.sum(), [x, w])
    assert by_x.shape == x.shape
    np.testing.assert_array_equal(by_w.data, np.zeros(w.shape))


@pytest.mark.parametrize(
    "op", [o.relu, o.exp, o.softmax, o.log_softmax, lambda x: x + x, lambda x: x[np.zeros(0, int)]]
)
def test_elementwise_ops_of_nothing(op):
    assert op(Tensor(np.ones((2, 3)))[:0]).shape == (0, 3)


# --- dtypes of mixed operands


def test_operands_in_the_byte_order_of_another_machine_make_a_result_in_that_of_this_one():
    x = Tensor(np.array([1.0, 2.0], ">f8"))
    for y in (x + x, x * 2, o.exp(x)):
        assert y.dtype == np.dtype("f8")
        assert y.dtype.isnative
    np.testing.assert_array_equal((x + x).data, [2, 4])


@pytest.mark.parametrize("scalar", [2, 2.0, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_python_scalars_take_the_dtype_of_the_tensor(scalar, dtype):
    x = Tensor(np.ones(2, dtype))
    assert {t.dtype for t in (x + scalar, scalar - x, x * scalar, scalar / x, o.maximum(x, scalar))} == {
        np.dtype(dtype)
    }


def test_a_float_scalar_makes_integers_floats():
    assert (Tensor([1, 2]) * 0.5).dtype == np.float64


def test_integers_divide_into_floats():
    np.testing.assert_array_equal((Tensor([1, 2]) / Tensor([2, 2])).data, [0.5, 1.0])


def test_two_precisions_meet_in_the_wider_one_and_each_gets_a_gradient_of_its_own():
    x, y = leaf([1.0], np.float32), leaf([2.0], np.float64)
    z = x * y
    assert z.dtype == np.float64
    assert (gradient(z, x).dtype, gradient(z, y).dtype) == (np.float32, np.float64)


def test_sums_of_small_integers_do_not_overflow():
    assert o.sum(np.full(300, 255, np.uint8)).item() == 300 * 255
    assert o.sum(np.ones(300, bool)).item() == 300


@pytest.mark.parametrize("computed", [nullcontext, tn.reference])
def test_running_sums_and_products_of_small_integers_are_those_of_large_ones(computed):
    with computed():
        for dtype in (np.uint8, np.int16):
            y = o.cumsum(np.full((2, 3), 100, dtype), 1)
            assert y.dtype == np.int64
            np.testing.assert_array_equal(y.data, [[100, 200, 300]] * 2)
        assert o.cumsum(np.ones(3, bool)).data.tolist() == [1, 2, 3]
        assert o.min(np.array([3, 200], np.uint8)).item() == 3
        assert o.argmin(np.array([True, False])).item() == 1
        assert o.var(np.array([1, 3])).item() == 1


def test_a_value_around_integers_keeps_their_dtype():
    assert o.pad(np.array([1, 2]), [(1, 0)], 7).data.tolist() == [7, 1, 2]
    assert o.pad(np.array([1, 2], np.uint8), [(1, 0)], 7).dtype == np.uint8
    assert np.isnan(o.pad(np.array([1.0]), [(0, 1)], NAN).data).tolist() == [False, True]


both_ways = pytest.mark.parametrize("compiled", [True, False])


class Rows(tn.Layer):
    """Rows of a table by their numbers."""

    def build(self, input_shape, rng):
        self.rows = self.add_parameter("rows", (4, 2), lambda shape, rng: np.arange(8.0).reshape(shape))

    def forward(self, x):
        return tn.ops.getitem(self.rows, tn.ops.cast(x[:, 0], "int64"))


@both_ways
def test_an_index_that_is_computed_must_be_in_range(compiled):
    model = tn.Sequential([tn.Input((1,)), Rows()], seed=0)
    assert model.predict([[1], [-1]], compiled=compiled).tolist() == [[2, 3], [6, 7]]
    for wrong in (4, -5):
        with pytest.raises(ArgumentError, match=rf"from {min(wrong, 1)} to {max(wrong, 1)}, .* has length 4"):
            model.predict([[1], [wrong]], compiled=compiled)


# --- dots, and letters that come once, in einsum


@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        ("...ij,...jk->...ik", [(2, 1, 3, 4), (5, 4, 2)]),
        ("...i,...i", [(3, 2), (3, 2)]),
        ("i...->...", [(2, 3, 4)]),
        ("...,...", [(3, 1), (2,)]),
        ("ij,jk", [(2, 3), (3, 4)]),
        ("ba", [(2, 3)]),
        ("ii", [(3, 3)]),
        (" i j , j -> i ", [(2, 3), (3,)]),
    ],
)
def test_einsum_reads_a_text_as_numpy_does(text, shapes):
    rng = np.random.default_rng(0)
    operands = [rng.normal(size=shape) for shape in shapes]
    np.testing.assert_allclose(o.einsum(text, *operands).data, np.einsum(text, *operands), rtol=1e-13)


# --- places


@pytest.mark.parametrize("dtype", ["int8", "int64", "uint8", "uint64"])
def test_an_index_that_is_outside_has_no_place(dtype):
    outside = [5, *([] if dtype.startswith("u") else [-6]), *([2**64 - 1, 2**63] if dtype == "uint64" else [])]
    for i in outside:
        with pytest.raises(ArgumentError, match=r"axis 0 runs from .* shape \(5, 2\) has length 5"):
            OPS["places"](np.array([0, i], dtype), shape=(5, 2))
    assert OPS["places"](np.zeros(0, dtype), shape=(0, 2)).shape == (0,)


# --- the gradient of pieces


def test_pieces_that_are_not_used_have_no_share_in_the_gradient():
    x = leaf([1.0, 2.0, 3.0, 4.0])
    first, _, last = o.split(x, [1, 3])
    np.testing.assert_array_equal(gradient((first * last).sum(), x), [4, 0, 0, 1])


def test_the_gradient_of_many_pieces_is_one_pass():
    x = leaf(np.arange(200.0).reshape(100, 2))
    total = sum(piece.sum() * i for i, piece in enumerate(o.unstack(x)))
    (g,) = tn.grad(total, [x], create_graph=True)
    np.testing.assert_array_equal(g.data, np.repeat(np.arange(100.0), 2).reshape(100, 2))
    assert g.node.op.name == "concatenate"
