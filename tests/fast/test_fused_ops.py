"""Each fused op equals the ops that it stands for: values, first derivatives, ties and special values.

`ROWS` has a row for every fused op, and for the step of Adam, which has a kernel of the same kind. The kernels of
conv_pool are compiled for their shapes, so those are few and fixed, each with one dtype; all else is generated.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet as tn
from tests.fast.kernels.kernel_cases import CHECKED
from tinynet.core.engine import Tensor, meaning
from tinynet.errors import GradientError
from tinynet.fast import fusions
from tinynet.fast.fusions import conv_pool as conv_pool_fusion
from tinynet.fast.fusions.bias_relu import WITH_BIAS
from tinynet.fast.fusions.conv_pool import (
    conv_pool,
    conv_pool_input_grad,
    conv_pool_parts,
    conv_pool_weight_grad,
    dims,
    input_grad_parts,
    weight_grad_parts,
)
from tinynet.fast.fusions.cross_entropy import softmax_cross_entropy, softmax_cross_entropy_parts
from tinynet.fast.fusions.descend import descend, descend_parts
from tinynet.fast.fusions.gather import gather, gather_parts
from tinynet.fast.fusions.in_place import IN_PLACE
from tinynet.fast.fusions.standardised_matvec import (
    standardised_matvec,
    standardised_matvec_parts,
    standardised_rmatvec,
    standardised_rmatvec_parts,
)
from tinynet.fast.kernels import winners, winograd
from tinynet.ops.conv import _conv2d, geometry
from tinynet.ops.linear import _matmul
from tinynet.optim.adam import adam
from tinynet.optim.rmsprop import rmsprop, rmsprop_with_momentum
from tinynet.optim.sgd import momentum_step

OPS = tn.ops.declared()
DTYPES = ["float32", "float64"]
TOLERANCES = {"float32": 2e-5, "float64": 1e-11}

generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)
either_dtype = st.sampled_from(DTYPES[:1] if CHECKED else DTYPES)


class Case(NamedTuple):
    """Arguments of an op, and the cotangent of its output; without where there is no derivative."""

    inputs: tuple[np.ndarray, ...]
    attrs: dict[str, Any]
    cotangent: np.ndarray | None = None


class Row(NamedTuple):
    """A fused op, what it stands for (both return a tensor, or several), and its cases."""

    op: Callable[..., Any]
    parts: Callable[..., Any]
    cases: st.SearchStrategy[Case]


ROWS: dict[str, Row] = {}


def close(found, expected, dtype, factor=1.0):
    """Within rounding, in the scale of the largest finite value."""
    finite = np.abs(expected[np.isfinite(expected)])
    tolerance = factor * TOLERANCES[dtype]
    scale = max(1.0, float(np.max(finite, initial=0)))
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * scale)


def together(result):
    return result if isinstance(result, tuple) else (result,)


def evaluated(function, case, derivatives=True):
    """The values that a function of tensors gives, then the gradients of the first."""
    inputs = [Tensor(x, x.dtype.kind == "f") for x in case.inputs]
    outputs = together(function(*inputs, **case.attrs))
    values = [y.data for y in outputs]
    if case.cotangent is not None and derivatives:
        leaves = [x for x in inputs if x.requires_grad]
        values += [g.data for g in tn.grad(outputs[0], leaves, [Tensor(case.cotangent)])]
    return values


# --- convolution + bias + relu + max-pooling


class Shape(NamedTuple):
    """Images (h, w, c), filters, the windows of the convolution and those of the pooling with their strides."""

    dtype: str
    h: int
    w: int
    c: int
    filters: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    pool: tuple[int, int]
    pool_stride: tuple[int, int]
    n: tuple[int, ...]  # batches: those that are cut into chunks of one size or of two, and of one image

    @property
    def attrs(self):
        p = geometry("test", (1, self.h, self.w, self.c), self.kernel, self.stride, "valid")
        return {"p": p, "q": geometry("test", (1, p.oh, p.ow, self.filters), self.pool, self.pool_stride, "valid")}


SHAPES = {
    "one channel": Shape("float64", 8, 8, 1, 3, (3, 3), (1, 1), (2, 2), (2, 2), (2, 8, 11)),
    "pool 2 x 3": Shape("float32", 9, 8, 2, 4, (2, 3), (1, 1), (2, 3), (2, 3), (3, 9)),
    "strides apart": Shape("float64", 11, 11, 1, 2, (3, 3), (2, 2), (2, 2), (3, 3), (5,)),
    "one window": Shape("float64", 9, 8, 1, 8, (5, 4), (1, 1), (4, 4), (4, 4), (2, 16)),
    "many taps": Shape("float64", 6, 7, 8, 5, (3, 2), (1, 1), (2, 2), (2, 2), (2, 10)),
    "pool 3": Shape("float32", 8, 8, 4, 6, (3, 3), (1, 1), (3, 3), (3, 3), (4, 21)),
    "one image": Shape("float64", 8, 8, 5, 3, (3, 3), (2, 1), (2, 3), (2, 3), (1,)),
    "one tap": Shape("float32", 5, 5, 33, 2, (1, 1), (1, 1), (2, 2), (2, 3), (13,)),
    "long runs": Shape("float64", 9, 8, 28, 3, (2, 3), (1, 1), (2, 2), (2, 3), (2, 11)),
    "few filters": Shape("float32", 10, 21, 1, 6, (5, 5), (1, 1), (2, 2), (2, 2), (3, 9)),
    "few filters, apart": Shape("float64", 8, 27, 1, 20, (2, 3), (1, 1), (2, 2), (3, 3), (5,)),
    "many filters": Shape("float32", 9, 8, 1, 17, (3, 3), (1, 1), (2, 2), (2, 2), (3, 9)),
    "many filters, apart": Shape("float64", 8, 9, 2, 16, (2, 2), (2, 1), (2, 2), (2, 3), (5,)),
    "tiles 5 x 5": Shape("float32", 9, 8, 16, 18, (3, 3), (1, 1), (3, 3), (3, 3), (1, 16, 25)),
    "tiles 4 x 4": Shape("float64", 7, 9, 17, 16, (3, 3), (1, 1), (2, 2), (2, 2), (2, 11)),
}


def is_direct(shape):
    return shape.kernel[0] * shape.kernel[1] * shape.c * shape.pool[0] * shape.pool[1] <= 36 and shape.filters >= 16


def clear(values, shape, eps):
    """Whether the winner of each window is beyond doubt: larger than the next, and not near 0."""
    q = shape.attrs["q"]
    windows = np.stack([
        values[:, a : a + q.sh * (q.oh - 1) + 1 : q.sh, b : b + q.sw * (q.ow - 1) + 1 : q.sw]
        for a in range(q.kh) for b in range(q.kw)
    ])  # fmt: skip
    first, second = np.sort(windows, axis=0)[::-1][:2]
    return (first - second > eps) & (np.abs(first) > eps)


def conv_pool_arrays(rng, shape, n, values):
    """Images, weights and a bias; ``values`` gives them by shape."""
    p, c, f = shape.attrs["p"], shape.c, shape.filters
    arrays = values(rng, (n, shape.h, shape.w, c)), values(rng, (p.kh, p.kw, c, f)), values(rng, (f,))
    return tuple(a.astype(shape.dtype) for a in arrays)


def normal(rng, shape):
    return rng.standard_normal(shape)


def whole(rng, shape):
    """Small integers: every sum is exact, and ties abound."""
    return rng.integers(-2, 3, shape)


def pooled_shape(shape, n):
    q = shape.attrs["q"]
    return n, q.oh, q.ow, shape.filters


@st.composite
def conv_pool_cases(draw, shape):
    """Values with clear winners: where there is doubt, nothing flows back."""
    rng, n = draw(generators), draw(st.sampled_from(shape.n))
    arrays = conv_pool_arrays(rng, shape, n, normal)
    x, w, bias = (a.astype(float) for a in arrays)
    before = tn.ops.conv2d(x, w, shape.stride).data + bias
    doubt = ~clear(before, shape, 1e-3 if shape.dtype == "float32" else 1e-9)
    g = rng.standard_normal(doubt.shape)
    g[doubt] = 0
    return Case(arrays, shape.attrs, g.astype(shape.dtype))


@st.composite
def gradient_cases(draw, shape, which):
    """A gradient of the output and the winners, at random."""
    rng, n = draw(generators), draw(st.sampled_from(shape.n))
    x, w, _ = conv_pool_arrays(rng, shape, n, normal)
    outputs = pooled_shape(shape, n)
    g = rng.standard_normal(outputs).astype(shape.dtype)
    index = rng.integers(0, shape.pool[0] * shape.pool[1] + 1, outputs)
    index = np.where(index == shape.pool[0] * shape.pool[1], winners.DEAD, index).astype(np.uint8)
    if which == "weight":
        return Case((x, g, index), shape.attrs)
    return Case((g, w, index), {**shape.attrs, "shape": x.shape})


def any_shape(cases):
    return st.sampled_from(list(SHAPES.values())).flatmap(cases)


ROWS["conv_pool"] = Row(conv_pool, conv_pool_parts, any_shape(conv_pool_cases))
ROWS["conv_pool_weight_grad"] = Row(
    conv_pool_weight_grad, weight_grad_parts, any_shape(lambda s: gradient_cases(s, "weight"))
)
ROWS["conv_pool_input_grad"] = Row(
    conv_pool_input_grad, input_grad_parts, any_shape(lambda s: gradient_cases(s, "input"))
)


# --- a product or a convolution + bias + relu


@st.composite
def products_with_bias(draw):
    """Of all sizes and cuts; with values that leave no doubt about what relu cuts."""
    rng, dtype = draw(generators), draw(either_dtype)
    m, k, n = draw(st.sampled_from([(1, 9, 5), (7, 3, 1), (7, 5, 3), (33, 20, 130), (4, 4000, 33), (40, 300, 1040)]))
    trans_a, trans_b = draw(st.booleans()), draw(st.booleans())
    shapes = (k, m) if trans_a else (m, k), (n, k) if trans_b else (k, n), (n,)
    inputs = tuple(rng.integers(-3, 4, shape).astype(dtype) for shape in shapes)
    attrs = {"trans_a": trans_a, "trans_b": trans_b, "rectified": draw(st.booleans())}
    g = rng.standard_normal((m, n)).astype(dtype)
    if draw(st.booleans()):  # a stack of products
        inputs, g = (np.stack([inputs[0], 2 * inputs[0]]), *inputs[1:]), np.stack([g, -g])
    return Case(inputs, attrs, g)


@st.composite
def convolutions_with_bias(draw):
    """As products, with margins and without, and in tiles, some of which lie partly outside."""
    rng, dtype = draw(generators), draw(either_dtype)
    n, c, f = draw(st.sampled_from([(1, 2, 3), (9, 1, 5), (2, 17, 16), (3, 16, 18)]))
    stride, padding = draw(st.sampled_from([(1, 1), (2, 1)])), draw(st.sampled_from(["valid", "same"]))
    shapes = (n, 7, 10, c), (3, 3, c, f), (f,)
    inputs = tuple(rng.integers(-3, 4, shape).astype(dtype) for shape in shapes)
    p = geometry("test", shapes[0], (3, 3), stride, padding)
    cotangent = rng.standard_normal((n, p.oh, p.ow, f)).astype(dtype)
    return Case(inputs, {"p": p, "rectified": draw(st.booleans())}, cotangent)


def with_bias_parts(op):
    def parts(a, b, bias, rectified, **attrs):
        y = op(a, b, **attrs) + bias
        return tn.ops.relu(y) if rectified else y

    return parts


for op, cases in ((_matmul, products_with_bias()), (_conv2d, convolutions_with_bias())):
    ROWS[f"{op.name}_bias"] = Row(WITH_BIAS[op], with_bias_parts(op), cases)


@pytest.mark.parametrize("name", ["matmul_bias", "conv2d_bias"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_not_finite_passes_a_bias_and_relu_as_in_the_parts(name, dtype):
    """Also within tiles, where differences of infinities are mended before; and a sum of -0 is cut to 0."""
    rng, row = np.random.default_rng(0), ROWS[name]
    shapes = ((40, 20), (20, 70), (70,)) if name == "matmul_bias" else ((2, 8, 9, 16), (3, 3, 16, 17), (17,))
    attrs = {"trans_a": False, "trans_b": False} if name == "matmul_bias" else {
        "p": geometry("test", shapes[0], (3, 3), (1, 1), "same")
    }  # fmt: skip
    for value in (np.nan, np.inf, -np.inf):
        for place in range(3):
            inputs = [rng.standard_normal(shape).astype(dtype) for shape in shapes]
            inputs[place].reshape(-1)[3] = value
            for rectified in (False, True):
                found, meant = (f(*inputs, **attrs, rectified=rectified).data for f in (row.op, row.parts))
                np.testing.assert_array_equal(np.isnan(found), np.isnan(meant))
                close(found, meant, dtype)
    zeros = [np.zeros(shape, dtype) for shape in shapes[:2]]
    y = row.op(*zeros, np.full(shapes[2], -0.0, dtype), **attrs, rectified=True).data
    assert not np.signbit(y).any()


# --- gather + shift + scale


@st.composite
def gathers(draw):
    rng, dtype = draw(generators), draw(either_dtype)
    sample = tuple(draw(st.lists(st.integers(1, 4), max_size=3)))
    stored = draw(st.sampled_from([sample, (int(np.prod(sample)),)]))
    count, n = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    kinds = [("u1", "i8"), ("u1", "u1"), ("f4", "i8"), ("f8", "i8"), ("?", "i8"), ("i2", "i4")]
    of_data, of_indices = draw(st.sampled_from(kinds))
    data = rng.integers(0, 256, (count, *stored)).astype(of_data)
    indices = rng.integers(0, count, n).astype(of_indices)
    axes = [sample[draw(st.integers(0, len(sample))) :] for _ in range(2)]
    shift, scale = (
        np.asarray(rng.uniform(0.5, 2, tuple(1 if draw(st.booleans()) else k for k in a)), dtype) for a in axes
    )
    return Case((data, indices, shift, scale), {"sample": sample})


ROWS["gather"] = Row(gather, gather_parts, gathers())


# --- softmax + cross-entropy, and the step of gradient descent


@st.composite
def classified(draw, sizes=(1.0, 1.0, 100.0, 1e4)):
    rng, dtype = draw(generators), draw(either_dtype)
    n, classes = draw(st.integers(1, 30)), draw(st.integers(1, 12))
    logits = (draw(st.sampled_from(sizes)) * rng.standard_normal((n, classes))).astype(dtype)
    labels = rng.integers(0, classes, n).astype(draw(st.sampled_from(["int64", "uint8", "int32", "uint64"])))
    return Case((logits, labels), {}, np.asarray(rng.standard_normal(), dtype))


@st.composite
def descents(draw):
    rng, dtype = draw(generators), draw(either_dtype)
    n = draw(st.sampled_from([1, 2, 7, 1000, 20_000, 70_001]))
    theta, gradient = (rng.standard_normal(n).astype(dtype) for _ in range(2))
    return Case((theta, gradient, np.asarray(rng.uniform(0, 1), dtype)), {})


@st.composite
def adam_steps(draw):
    """Arguments of Adam's step, of the first one or later."""
    rng, dtype = draw(generators), draw(either_dtype)
    n, t = draw(st.sampled_from([1, 2, 7, 1000, 20_000, 70_001])), draw(st.sampled_from([1, 2, 10, 100_000]))
    theta, gradient = (rng.standard_normal(n).astype(dtype) for _ in range(2))
    first, second = (rng.standard_normal(n).astype(dtype) * min(t - 1, 1) for _ in range(2))
    inputs = (theta, first, second**2, np.array(t), gradient, np.asarray(rng.uniform(0, 1), dtype))
    numbers = {"beta1": draw(st.sampled_from([0.0, 0.9])), "decay": draw(st.sampled_from([0.0, 0.1]))}
    return Case(inputs, {"beta2": 0.999, "epsilon": 1e-8, **numbers})


@st.composite
def momentum_steps(draw):
    rng, dtype = draw(generators), draw(either_dtype)
    vectors = rng.standard_normal((3, draw(st.sampled_from([1, 2, 7, 1000, 20_000, 70_001])))).astype(dtype)
    numbers = (np.asarray(rng.uniform(0, 1), dtype) for _ in range(2))
    return Case((*vectors, *numbers), {"nesterov": draw(st.booleans())})


def momentum_parts(theta, velocity, g, rate, momentum, nesterov):
    """Write the step as ops."""
    velocity = momentum * velocity + g
    return theta - rate * (g + momentum * velocity if nesterov else velocity), velocity


def adam_parts(theta, first, second, step, g, rate, beta1, beta2, epsilon, decay):
    """Write the step as ops, from the papers; the corrections of the means are powers of float64."""
    theta = theta - rate * decay * theta
    first = beta1 * first + (1 - beta1) * g
    second = beta2 * second + (1 - beta2) * (g * g)
    unbiased, size = (
        tn.ops.cast(1 - np.float64(beta) ** step.astype(np.float64), theta.dtype) for beta in (beta1, beta2)
    )
    root = (second / size) ** 0.5
    return theta - rate * (first / unbiased) / (root + epsilon), first, second


@st.composite
def rmsprop_steps(draw, momentum):
    rng, dtype = draw(generators), draw(either_dtype)
    vectors = rng.standard_normal((4, draw(st.sampled_from([1, 2, 7, 1000, 20_000, 70_001])))).astype(dtype)
    theta, square, velocity, gradient = *vectors[:1], vectors[1] ** 2, *vectors[2:]
    rate, kept = (np.asarray(rng.uniform(0, 1), dtype) for _ in range(2))
    inputs = (theta, square, velocity, gradient, rate, kept) if momentum else (theta, square, gradient, rate)
    return Case(inputs, {"rho": draw(st.sampled_from([0.0, 0.9])), "epsilon": 1e-8})


def rmsprop_parts(theta, square, g, rate, rho, epsilon):
    """Write the step as ops."""
    square = rho * square + (1 - rho) * (g * g)
    return theta - rate * (g / (square**0.5 + epsilon)), square


def rmsprop_with_momentum_parts(theta, square, velocity, g, rate, momentum, rho, epsilon):
    """Write the step as ops."""
    square = rho * square + (1 - rho) * (g * g)
    velocity = momentum * velocity + g / (square**0.5 + epsilon)
    return theta - rate * velocity, square, velocity


OF_OPTIMIZERS = {
    "adam": Row(adam, adam_parts, adam_steps()),
    "momentum_step": Row(momentum_step, momentum_parts, momentum_steps()),
    "rmsprop": Row(rmsprop, rmsprop_parts, rmsprop_steps(False)),
    "rmsprop_with_momentum": Row(rmsprop_with_momentum, rmsprop_with_momentum_parts, rmsprop_steps(True)),
}
ROWS |= OF_OPTIMIZERS
ROWS |= {f"{name}_in_place": row._replace(op=IN_PLACE[row.op]) for name, row in OF_OPTIMIZERS.items()}
ROWS["softmax_cross_entropy"] = Row(softmax_cross_entropy, softmax_cross_entropy_parts, classified())
ROWS["descend"] = Row(descend, descend_parts, descents())


# --- standardised bytes times a vector


@st.composite
def standardised(draw, transposed):
    rng, dtype = draw(generators), draw(either_dtype)
    n, f = draw(st.sampled_from([1, 7, 60, 1001])), draw(st.sampled_from([1, 9, 784]))
    x = rng.integers(0, 256, (n, f), np.uint8)
    vector, g = (rng.standard_normal(k).astype(dtype) for k in ((n, f) if transposed else (f, n)))
    return Case((x, vector), {"shift": rng.uniform(0, 255, f), "scale": rng.uniform(0.01, 1, f)}, g)


ROWS["standardised_matvec"] = Row(standardised_matvec, standardised_matvec_parts, standardised(transposed=False))
ROWS["standardised_rmatvec"] = Row(standardised_rmatvec, standardised_rmatvec_parts, standardised(transposed=True))


# --- what holds for all


def test_every_fused_op_has_a_row():
    assert {name: row.op for name, row in ROWS.items()} == {
        **{op.name: op for op in fusions.STANDS_FOR},
        **{name: row.op for name, row in OF_OPTIMIZERS.items()},
    }


def test_every_op_that_stands_for_others_is_declared_by_one_fusion_and_named_apart():
    found = [op for fusion in fusions.FUSIONS for op in fusion.ops]
    assert len(found) == len({op.name for op in found}) == len(fusions.STANDS_FOR)
    assert not {op.name for op in fusions.STANDS_FOR} & set(OPS)


@pytest.mark.parametrize("name", [name for name in ROWS if not name.startswith("conv_pool")])
@given(data=st.data())
def test_a_fused_op_equals_its_parts(name, data):
    check(ROWS[name], data.draw(ROWS[name].cases))


def check(row, case):
    """The op on its kernel and by its meaning, and its parts, on their kernels: all the same, within rounding."""
    dtype = next(x.dtype.name for x in case.inputs[::-1] if x.dtype.kind == "f")
    before = [x.copy() for x in case.inputs]
    found, expected = (evaluated(function, case) for function in (row.op, row.parts))
    meant = meaning(row.op, case.inputs, case.attrs)
    assert len(found) == len(expected) >= len(meant)
    for a, *others in [*zip(found, expected, strict=True), *zip(found, meant, strict=False)]:
        for b in others:
            assert (a.shape, a.dtype) == (b.shape, b.dtype)
            if a.dtype.kind == "f":
                close(a, b, dtype)
            else:  # winners; where there is doubt, the case has a cotangent of 0
                sure = np.ones(a.shape, bool) if case.cotangent is None else case.cotangent != 0
                np.testing.assert_array_equal(a[sure], b[sure])
    for x, y in zip(case.inputs, before, strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))
@given(data=st.data())
def test_conv_pool_equals_its_parts(shape, data):
    check(ROWS["conv_pool"], data.draw(conv_pool_cases(shape)))


@pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))
@pytest.mark.parametrize("which", ["weight", "input"])
@given(data=st.data())
def test_the_gradients_of_conv_pool_equal_their_parts(which, shape, data):
    check(ROWS[f"conv_pool_{which}_grad"], data.draw(gradient_cases(shape, which)))


def test_the_shapes_try_all_variants_and_every_kind_of_window():
    found = {s: dims((1, s.h, s.w, s.c), s.filters, **s.attrs) for s in SHAPES.values()}
    beside, direct, tiled = (
        [s for s, d in found.items() if getattr(d, name)] for name in ("beside", "direct", "winograd")
    )
    assert all(d.direct == is_direct(s) for s, d in found.items())
    products = [s for s in found if s not in beside and s not in direct and s not in tiled]
    assert {found[s].product for s in products} == {True, False}
    for some in (direct, products):
        assert {found[s].sh > 1 for s in some} == {True, False}
    for some in (beside, direct, products):
        assert {found[s].qh > found[s].ph or found[s].qw > found[s].pw for s in some} == {True, False}
    assert all({s.dtype for s in some} == set(DTYPES) for some in (beside, direct, products, tiled))
    cuts = [winograd.cut(n * found[s].oh, found[s].ow) for s in tiled for n in s.n]
    assert {chunks > 1 for chunks, _ in cuts} == {True, False}


@pytest.mark.parametrize("name", ["pool 3", "many taps", "strides apart", "long runs"])
def test_blocks_of_rows_change_no_sum_of_whole_numbers(monkeypatch, name):
    shape, rng = SHAPES[name], np.random.default_rng(0)
    case = tied(rng, shape)
    whole_images = evaluated(conv_pool, case)
    monkeypatch.setattr(conv_pool_fusion, "_MADE", 1)
    for a, b in zip(evaluated(conv_pool, case), whole_images, strict=True):
        np.testing.assert_array_equal(a, b)


# --- ties and zeros


def tied(rng, shape):
    arrays = conv_pool_arrays(rng, shape, shape.n[-1], whole)
    g = whole(rng, pooled_shape(shape, shape.n[-1])).astype(shape.dtype)
    return Case(arrays, shape.attrs, g)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))
@given(rng=generators)
def test_ties_go_to_the_first_in_row_order_and_relu_cuts_at_0_as_in_the_parts(shape, rng):
    case = tied(rng, shape)
    found, expected = (evaluated(ROWS["conv_pool"][i], case) for i in range(2))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))
@given(rng=generators)
def test_the_winner_is_the_first_of_the_largest_and_none_where_relu_cut_it(shape, rng):
    case = tied(rng, shape)
    x, w, bias = case.inputs
    y, index = conv_pool(*case.inputs, **case.attrs)
    before = tn.ops.conv2d(x, w, shape.stride) + bias
    largest, place = OPS["max_pool"](before, p=shape.attrs["q"])
    np.testing.assert_array_equal(index.data, np.where(largest.data > 0, place.data, winners.DEAD))
    np.testing.assert_array_equal(y.data, np.maximum(largest.data, 0))


@pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))
@given(rng=generators)
def test_where_an_image_is_empty_the_first_place_wins_or_none(shape, rng):
    _, w, bias = conv_pool_arrays(rng, shape, 1, normal)
    x = np.zeros((shape.n[-1], shape.h, shape.w, shape.c), shape.dtype)
    y, index = conv_pool(x, w, bias, **shape.attrs)
    np.testing.assert_array_equal(y.data, np.broadcast_to(np.maximum(bias, 0), y.shape))
    np.testing.assert_array_equal(index.data, np.broadcast_to(np.where(bias > 0, 0, winners.DEAD), y.shape))


@pytest.mark.parametrize(
    "shape", [s for n, s in SHAPES.items() if "tiles" not in n], ids=[n for n in SHAPES if "tiles" not in n]
)
@given(rng=generators)
def test_among_equal_patches_the_first_wins(shape, rng):
    """Images of one colour, and weights that are not round numbers: all sums are made in the same order."""
    _, w, bias = conv_pool_arrays(rng, shape, 1, normal)
    x = np.full((shape.n[-1], shape.h, shape.w, shape.c), rng.uniform(), shape.dtype)
    index = conv_pool(x, w, bias, **shape.attrs)[1].data
    assert set(np.unique(index)) <= {0, winners.DEAD}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))
def test_the_bias_is_added_before_values_are_compared(shape):
    """Beside a large bias, small differences round away: all are equal, and the first wins."""
    eps = np.finfo(shape.dtype).eps
    x, w, bias = conv_pool_arrays(np.random.default_rng(0), shape, shape.n[-1], normal)
    case = Case((x * np.asarray(eps / 1000, shape.dtype), w, np.ones_like(bias)), shape.attrs)
    y, index = conv_pool(*case.inputs, **case.attrs)
    np.testing.assert_array_equal(y.data, 1)
    np.testing.assert_array_equal(index.data, 0)


# --- NaN and infinity


def spoiled(rng, array, share=0.03):
    """Some values replaced by NaN or an infinity; at least one."""
    chosen = rng.random(array.shape) < share
    chosen.flat[rng.integers(array.size)] = True
    return np.where(chosen, rng.choice([np.nan, np.inf, -np.inf], array.shape), array).astype(array.dtype)


def same_special_values(a, b, dtype):
    np.testing.assert_array_equal(np.isnan(a), np.isnan(b))
    infinite = np.isinf(b)
    np.testing.assert_array_equal(a[infinite], b[infinite])
    np.testing.assert_array_equal(np.isinf(a), infinite)
    close(a[np.isfinite(b)], b[np.isfinite(b)], dtype)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))
@given(rng=generators, where=st.sampled_from([0, 1, 2]))
def test_nan_and_infinities_come_out_of_conv_pool_as_of_its_parts(shape, rng, where):
    inputs = list(conv_pool_arrays(rng, shape, shape.n[-1], normal))
    inputs[where] = spoiled(rng, inputs[where])
    case = Case(tuple(inputs), shape.attrs)
    same_special_values(*(evaluated(ROWS["conv_pool"][i], case)[0] for i in range(2)), shape.dtype)


@given(gathers(), generators)
def test_nan_and_infinities_come_out_of_gather_as_of_its_parts(case, rng):
    data, *rest = case.inputs
    if data.dtype.kind == "f":
        case = Case((spoiled(rng, data), *rest), case.attrs)
    found, expected = (evaluated(function, case)[0] for function in (gather, gather_parts))
    same_special_values(found, expected, found.dtype.name)


@given(classified(), generators)
def test_nan_in_a_logit_makes_the_loss_nan(case, rng):
    logits, labels = case.inputs
    logits.flat[rng.integers(logits.size)] = np.nan
    loss, slope = softmax_cross_entropy(logits, labels)
    assert np.isnan(loss.data)
    assert np.isnan(slope.data).any()
    loss, slope = softmax_cross_entropy_parts(Tensor(logits), Tensor(labels))
    assert np.isnan(loss.data)
    assert np.isnan(slope.data).any()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_logit_of_minus_infinity_rules_its_class_out(place, dtype):
    logits = np.array([[0.5, -1.0, 2.0], [0.0, 3.0, 1.0]], dtype)
    logits[:, place] = -np.inf
    labels = np.full(2, (place + 1) % 3)
    case = Case((logits, labels), {}, np.ones((), dtype))
    (loss, slope, gradient), expected = (
        evaluated(f, case) for f in (softmax_cross_entropy, softmax_cross_entropy_parts)
    )
    assert np.isfinite(loss)
    for a, b in zip((loss, slope, gradient), expected, strict=True):
        close(a, b, dtype)
    np.testing.assert_array_equal(gradient[:, place], 0)
    np.testing.assert_array_equal(slope, gradient)


# --- softmax + cross-entropy at any size


@given(classified(sizes=(1e4,)))
def test_cross_entropy_is_exact_at_large_logits(case):
    """The reference is in Python's own numbers, and sums of logarithms."""
    logits, labels = case.inputs
    loss, _, slope = evaluated(softmax_cross_entropy, case._replace(cotangent=np.ones((), logits.dtype)))
    z = logits.astype(np.longdouble)
    z -= z.max(axis=1, keepdims=True)
    log_mass = np.log(np.exp(z).sum(axis=1))
    rows = np.arange(len(z))
    expected = np.mean(log_mass - z[rows, labels])
    probabilities = np.exp(z - log_mass[:, None])
    probabilities[rows, labels] -= 1
    eps = np.finfo(logits.dtype).eps
    np.testing.assert_allclose(float(loss), float(expected), rtol=4 * eps, atol=4 * eps)
    np.testing.assert_allclose(slope, (probabilities / len(z)).astype(float), rtol=0, atol=8 * eps)


@pytest.mark.parametrize("dtype", DTYPES)
def test_cross_entropy_of_sure_answers(dtype):
    logits = np.array([[1e4, -1e4], [1e4, -1e4]], dtype)
    right, wrong = (softmax_cross_entropy(logits, np.array(labels))[0].item() for labels in ([0, 0], [1, 1]))
    assert (right, wrong) == (0, 2e4)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("label", [-1, 3, 10**6, -(10**6)])
def test_a_label_that_is_no_class_makes_the_loss_nan_and_touches_nothing_else(label, dtype):
    """Where labels cannot be checked beforehand: in a loss of the user's own."""
    loss, slope = softmax_cross_entropy(np.zeros((2, 3), dtype), np.array([label, 1]))
    assert np.isnan(loss.data)
    close(slope.data, np.array([[1 / 6, 1 / 6, 1 / 6], [1 / 6, -1 / 3, 1 / 6]]), dtype)


# --- first derivatives only


def conv_pool_square(x, w, bias):
    shape = SHAPES["one channel"]
    y = conv_pool(x, w, bias, **shape.attrs)[0]
    return (y * y).sum()


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_second_derivative_is_an_error_that_says_so(which):
    arrays = conv_pool_arrays(np.random.default_rng(0), SHAPES["one channel"], 2, normal)
    inputs = [Tensor(a, requires_grad=True) for a in arrays]
    first = tn.grad(conv_pool_square(*inputs), inputs, create_graph=True)[which]
    with pytest.raises(GradientError, match="no derivative"):
        tn.grad(first.sum(), [inputs[which]])


def test_a_second_derivative_of_cross_entropy_is_an_error_that_says_so():
    logits = Tensor(np.random.default_rng(0).standard_normal((4, 3)), requires_grad=True)
    (first,) = tn.grad(softmax_cross_entropy(logits, np.array([0, 1, 2, 0]))[0], [logits], create_graph=True)
    with pytest.raises(GradientError, match=r"softmax_cross_entropy.*no derivative"):
        tn.grad((first * first).sum(), [logits])


def test_standardised_products_have_derivatives_of_every_order():
    rng = np.random.default_rng(0)
    x, v = rng.integers(0, 256, (6, 5), np.uint8), rng.standard_normal(5)
    attrs = {"shift": rng.uniform(0, 255, 5), "scale": rng.uniform(0.01, 0.02, 5)}

    def curved(op):
        return tn.hessian(lambda v: tn.ops.exp(op(x, v, **attrs)).sum(), v).data

    close(curved(standardised_matvec), curved(standardised_matvec_parts), "float64", 10)


def without_derivative():
    """Arguments of the ops that are gradients themselves, or that only plans use."""
    rng, shape = np.random.default_rng(0), SHAPES["one channel"]
    x, w, _ = conv_pool_arrays(rng, shape, 2, normal)
    g, index = np.ones(pooled_shape(shape, 2)), np.zeros(pooled_shape(shape, 2), np.uint8)
    number = np.ones(())
    momentum = *3 * [np.ones(3)], number, number
    rho = {"rho": 0.9, "epsilon": 1e-8}
    adam, betas = (*3 * [np.ones(3)], np.array(1), np.ones(3), number), {"beta1": 0.9, "beta2": 0.9, "epsilon": 1e-8}
    return {
        "gather": Case((np.ones((3, 2)), np.array([0, 1]), number, number), {"sample": (2,)}),
        "descend": Case((np.ones(3), np.ones(3), number), {}),
        "adam": Case(adam, betas),
        "adam_in_place": Case(adam, betas),
        "momentum_step": Case(momentum, {"nesterov": True}),
        "rmsprop": Case((*3 * [np.ones(3)], number), rho),
        "rmsprop_in_place": Case((*3 * [np.ones(3)], number), rho),
        "rmsprop_with_momentum": Case((*4 * [np.ones(3)], number, number), rho),
        "rmsprop_with_momentum_in_place": Case((*4 * [np.ones(3)], number, number), rho),
        "momentum_step_in_place": Case(momentum, {"nesterov": True}),
        "conv_pool_weight_grad": Case((x, g, index), shape.attrs),
        "conv_pool_input_grad": Case((g, w, index), {**shape.attrs, "shape": x.shape}),
    }


@pytest.mark.parametrize(("name", "case"), without_derivative().items(), ids=list(without_derivative()))
def test_an_op_without_derivative_says_so(name, case):
    inputs = [Tensor(x, x.dtype.kind == "f") for x in case.inputs]
    y = together(ROWS[name].op(*inputs, **case.attrs))[0]
    with pytest.raises(GradientError, match=f"'{name}' has no derivative"):
        tn.grad(y.sum(), [x for x in inputs if x.requires_grad])
