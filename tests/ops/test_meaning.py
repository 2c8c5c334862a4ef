"""An op means what its compute returns, and its kernel computes just that."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import tinynet as tn
from tests.ops.op_table import CONV, OPS, POOL, ROWS, conv_pool_arrays, few, last_use
from tests.plans import inference_plan
from tinynet.core.engine import Tensor, meaning
from tinynet.core.spec import Spec
from tinynet.errors import ArgumentError, ShapeError
from tinynet.fast.implementation import evaluate

o = tn.ops
NAN, INF = np.nan, np.inf
TOLERANCES = {"float32": 1e-5, "float64": 1e-12}
every_op = pytest.mark.parametrize("op", [op for op in OPS.values() if not op.view], ids=lambda op: op.name)
either_precision = st.sampled_from([np.float32, np.float64])


def use_of(op, data, dtype):
    """Arguments that an op itself gets, in a case of its row."""
    case = data.draw(ROWS[op.name].cases)
    inputs = [x.astype(dtype) if x.dtype.kind == "f" else x for x in case.inputs]
    result = ROWS[op.name].call(*(Tensor(x, x.dtype.kind == "f") for x in inputs), **case.attrs)
    node = last_use(op, result[0] if isinstance(result, tuple) else result)
    assume(node is not None)
    return tuple(np.array(x.data) for x in node.inputs), node.attrs


def both(op, inputs, attrs):
    """What the kernel of an op computes, and what its meaning returns."""
    return evaluate(op, inputs, attrs), meaning(op, inputs, attrs)


def assert_agree(found, expected, tolerance):
    """Special values and whole numbers are equal; all others are close, in the scale of the largest."""
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        if b.dtype.kind != "f":
            np.testing.assert_array_equal(a, b)
            continue
        finite = np.isfinite(b)
        np.testing.assert_array_equal(a[~finite], b[~finite])
        scale = max(1.0, float(np.max(np.abs(b[finite]), initial=0)))
        np.testing.assert_allclose(a[finite], b[finite], rtol=tolerance, atol=tolerance * scale)


# --- kernels


@every_op
@given(data=st.data(), dtype=either_precision)
def test_a_kernel_computes_what_its_op_means(op, data, dtype):
    inputs, attrs = use_of(op, data, dtype)
    assert_agree(*both(op, inputs, attrs), TOLERANCES[np.dtype(dtype).name])


@every_op
@few
@given(data=st.data(), dtype=either_precision)
def test_where_values_are_tied_or_zero_a_kernel_computes_what_its_op_means(op, data, dtype):
    """Small whole numbers: sums of them are exact, and winners are the same."""
    inputs, attrs = use_of(op, data, dtype)
    inputs = tuple(np.asarray(np.round(x)) if x.dtype.kind == "f" else x for x in inputs)
    assert_agree(*both(op, inputs, attrs), TOLERANCES[np.dtype(dtype).name])


# These kernels read the winners of a pooling alone. Their meaning multiplies the zeros of the others too, and 0 times
# NaN or an infinity is NaN.
WINNERS_ALONE = {"conv_pool_weight_grad", "conv_pool_input_grad"}
# These subtract what the shift adds to a sum at its end: where that is infinity less infinity, NaN comes of infinity.
SHIFT_APART = {"standardised_matvec", "standardised_rmatvec"}


@every_op
@few
@given(data=st.data(), dtype=either_precision, special=st.sampled_from([NAN, INF, -INF]))
def test_special_values_come_out_of_a_kernel_as_its_op_means(op, data, dtype, special):
    inputs, attrs = use_of(op, data, dtype)
    if all(x.dtype.kind in "bu" for x in inputs):
        return  # bools and keys of random numbers have no special values
    floating = [x for x in inputs if x.dtype.kind == "f" and x.size]
    assume(floating)
    changed = data.draw(st.sampled_from(range(len(floating))))
    floating[changed].flat[data.draw(st.integers(0, floating[changed].size - 1))] = special
    found, expected = both(op, inputs, attrs)
    finite = [np.isfinite(y) for y in expected]
    if op.name in SHIFT_APART:
        np.testing.assert_array_equal(np.isfinite(found[0]), finite[0])
    if op.name in WINNERS_ALONE | SHIFT_APART:
        found, expected = (tuple(y[f] for y, f in zip(ys, finite, strict=True)) for ys in (found, expected))
    assert_agree(found, expected, TOLERANCES[np.dtype(dtype).name])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_winners_of_a_pooling_are_the_same_whatever_the_values(dtype):
    rng = np.random.default_rng(0)
    x = rng.choice([NAN, INF, -INF, 0.0, -0.0, 1.0, 1.0, -1.0], (3, 9, 8, 5)).astype(dtype)
    for window, stride in [((2, 2), (2, 2)), ((3, 2), (1, 1)), ((1, 4), (2, 3)), ((3, 3), (3, 3))]:
        p = tn.ops.conv.geometry("test", x.shape, window, stride, "valid")
        found, expected = both(OPS["max_pool"], (x,), {"p": p})
        np.testing.assert_array_equal(found[1], expected[1])
        np.testing.assert_array_equal(found[0], expected[0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_winners_of_the_fused_block_are_the_same_where_values_are_tied(dtype):
    x, w, bias, *_ = (np.round(a).astype(dtype) for a in conv_pool_arrays(np.random.default_rng(1)))
    (y, winner), (meant, winner_meant) = both(OPS["conv_pool"], (x, w, bias), {"p": CONV, "q": POOL})
    np.testing.assert_array_equal(y, meant)
    np.testing.assert_array_equal(winner, winner_meant)


# --- what compute may not do


def identity(x):
    return x


WRITING = {
    "one": (identity, lambda out, x: np.exp(x, out=out), (1,)),
    "two": (lambda x, y: x, lambda out, x, y: np.add(x, y, out=out), (1, 1)),
    "several outputs": (lambda x: (x, x), lambda a, b, x: (np.copyto(a, x), np.copyto(b, x)), (1,)),
    "none of the inputs named": (lambda *xs: xs[0], lambda out, *xs: np.copyto(out, sum(xs)), (1, 2)),
}


@pytest.mark.parametrize("computed", [evaluate, meaning])
@pytest.mark.parametrize("which", WRITING)
def test_a_compute_that_writes_its_output_is_refused_with_the_conversion(which, computed):
    infer, compute, inputs = WRITING[which]
    op = tn.Op("old", infer=infer, compute=compute)
    arrays = tuple(np.full(3, v, float) for v in inputs)
    with pytest.raises(
        ArgumentError, match=r"compute of op 'old'.*takes the inputs, .*returns the outputs, so compute=.* becomes"
    ):
        computed(op, arrays, {})
    for x, v in zip(arrays, inputs, strict=True):
        np.testing.assert_array_equal(x, v)


@pytest.mark.parametrize("computed", [evaluate, meaning])
@pytest.mark.parametrize("error", [TypeError("mine"), ShapeError("mine"), KeyError("mine")], ids=repr)
def test_an_error_of_compute_itself_is_not_taken_for_another(error, computed):
    def compute(x):
        raise error

    with pytest.raises(type(error), match="mine") as raised:
        computed(tn.Op("failing", infer=identity, compute=compute), (np.zeros(3),), {})
    assert raised.value is error


WRONG = {
    "another shape": (identity, lambda x: x[:1], r"shape \(3,\) of float64, but returned shape \(1,\) of float64"),
    "another dtype": (identity, lambda x: x > 0, r"shape \(3,\) of float64, but returned shape \(3,\) of bool"),
    "nothing": (identity, lambda x: None, r"shape \(3,\) of float64, but returned None"),
    "too many": (identity, lambda x: (x, x), r"shape \(3,\) of float64, but returned .* and shape \(3,\) of float64"),
    "too few": (lambda x: (x, x), identity, r"float64 and shape \(3,\) of float64, but returned shape \(3,\)"),
    "a function of NumPy, another shape": (lambda x: Spec((2, 3), x.dtype), np.exp, r"shape \(2, 3\).*shape \(3,\)"),
    "a function of NumPy, another dtype": (lambda x: Spec(x.shape, np.dtype("f4")), np.exp, "float32.*float64"),
    "a function of NumPy, other inputs": (identity, np.add, "does not take its 1 inputs"),
    "a function of NumPy, two outputs": (identity, np.modf, r"returned .* and shape \(3,\)"),
}


@pytest.mark.parametrize("computed", [evaluate, meaning])
@pytest.mark.parametrize("which", WRONG)
def test_a_compute_that_returns_something_else_than_infer_says_is_refused(which, computed):
    infer, compute, says = WRONG[which]
    with pytest.raises(ArgumentError, match=rf"compute of op 'odd'.*{says}"):
        computed(tn.Op("odd", infer=infer, compute=compute), (np.zeros(3),), {})


@pytest.mark.parametrize("which", WRONG)
def test_a_plan_refuses_it_too(which):
    infer, compute, says = WRONG[which]
    op = tn.Op("odd", infer=infer, compute=compute)

    class Odd(tn.Model):
        def forward(self, x):
            made = op(x[0])
            return made[0] if isinstance(made, tuple) else made

    plan = inference_plan(Odd(input_shape=(3,), dtype="float64"), Spec((1, 3), np.dtype("f8")))
    with pytest.raises(ArgumentError, match=says):
        plan.run(x=np.zeros((1, 3)))


VIEWS = {
    "itself": identity,
    "reversed": lambda x: x[::-1],
    "transposed": lambda x: x.T,
    "repeated": lambda x: np.broadcast_to(x[:1], x.shape),
}


@pytest.mark.parametrize("computed", [evaluate, meaning])
@pytest.mark.parametrize("which", VIEWS)
def test_what_an_op_returns_shares_no_memory_with_its_input(which, computed):
    op = tn.Op("view", infer=identity, compute=VIEWS[which])
    x = np.arange(9.0).reshape(3, 3)
    expected = VIEWS[which](x).copy()
    (y,) = computed(op, (x,), {})
    assert not np.shares_memory(x, y)
    x[...] = -1
    np.testing.assert_array_equal(y, expected)
    y[...] = 5  # each element has its own place
    np.testing.assert_array_equal(x, -1)


def test_an_op_that_is_a_view_shares_the_memory_of_its_input():
    x = np.arange(4.0)
    assert np.shares_memory(x, o.reshape(x, (2, 2)).data)
    with tn.reference():
        assert np.shares_memory(x, o.reshape(x, (2, 2)).data)


@pytest.mark.parametrize("compute", [np.add, lambda x, y: np.add(x, y)], ids=["a function of NumPy", "another"])
def test_an_eager_op_asks_once_what_it_makes(compute):
    asked = []

    def infer(x, y):
        asked.append(x.shape)
        return x

    y = tn.Op("sum", infer=infer, compute=compute)(np.ones(3), np.ones(3))
    assert asked == [(3,)]
    np.testing.assert_array_equal(y.data, [2, 2, 2])


@pytest.mark.parametrize("op", [o.add, o.exp, o.relu, o.maximum])
def test_an_output_is_in_row_order_whatever_the_order_of_the_inputs(op):
    x = np.arange(6.0).reshape(2, 3).T
    y = op(x, x) if op in (o.add, o.maximum) else op(x)
    assert y.data.flags.c_contiguous


# --- bits


@every_op
@few
@given(data=st.data())
def test_an_op_gives_the_same_bits_each_time(op, data):
    inputs, attrs = use_of(op, data, np.float32)
    first, second = ([y.tobytes() for y in evaluate(op, inputs, attrs)] for _ in range(2))
    assert first == second


def test_an_eager_op_gives_the_same_bits_before_and_after_the_first_fit():
    """In a process of its own, in which nothing has been trained."""
    script = Path(__file__).with_name("bits_around_fit.py")
    assert subprocess.check_output([sys.executable, str(script)], text=True).strip() == "the same"
