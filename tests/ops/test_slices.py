"""Gradients through slices and indices: the sum of many parts of one tensor, and what it costs."""

import math
import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet as tn
from tests.ops import references as ref
from tests.ops.op_table import OPS, keys, shapes
from tinynet.core.engine import Tensor, ancestors, gradients_at_once
from tinynet.fast.compile import Compiled

o = tn.ops


def leaf(values):
    return Tensor(np.array(values, float), requires_grad=True)


def whole_numbers(rng, shape):
    """Floats whose sums and products are exact, in any order."""
    return rng.integers(-9, 10, shape).astype(float)


@st.composite
def places(draw, shape):
    """A key of integer arrays, of any dtype, over some leading axes of a tensor; their shapes fit."""
    lengths = shape[: draw(st.integers(1, len(shape)))]
    if 0 in lengths:
        return (np.zeros(0, int),) * len(lengths)
    sizes = [(2, 3), (3,), (1, 3), (2, 1), ()]
    return tuple(
        np.array(draw(st.lists(st.integers(0, n - 1), min_size=(k := math.prod(size)), max_size=k)), dtype).reshape(
            size
        )
        for n in lengths
        for size, dtype in [(draw(st.sampled_from(sizes)), draw(st.sampled_from(["u1", "i4", "i8"])))]
    )


@st.composite
def uses(draw):
    """A tensor, and keys of parts of it, which may overlap; None stands for a use of the whole."""
    shape = draw(shapes(least=1))
    found = draw(st.lists(st.one_of(st.none(), keys(shape), places(shape)), min_size=1, max_size=12))
    return np.random.default_rng(draw(st.integers(0, 2**32 - 1))), shape, found


def part(x, key):
    return x if key is None else x[key]


def dense(values, key, shape):
    """The array of a shape that holds values at a key, and zeros elsewhere."""
    if not isinstance(key, tuple) or not any(isinstance(part, np.ndarray) for part in key):
        return values if key is None else ref.unsliced(values, key, shape)
    out = np.zeros(shape)
    np.add.at(out, key, values)
    return out


@given(uses())
def test_the_gradient_through_any_parts_is_the_sum_of_what_each_gives(case):
    rng, shape, found = case
    x = leaf(whole_numbers(rng, shape))
    weights = [whole_numbers(rng, part(x.data, key).shape) for key in found]
    y = sum((part(x, key) * w).sum() for key, w in zip(found, weights, strict=True))
    expected = sum(dense(w, key, shape) for key, w in zip(found, weights, strict=True))
    np.testing.assert_array_equal(tn.grad(y, [x])[0].data, expected)


@given(uses())
def test_the_second_derivative_through_any_parts_is_the_sum_of_what_each_gives(case):
    rng, shape, found = case
    x, v = whole_numbers(rng, shape), whole_numbers(rng, shape)
    made = tn.hvp(lambda x: sum((part(x, key) ** 3).sum() for key in found), x, v)
    times = sum(dense(np.ones(np.shape(part(x, key))), key, shape) for key in found)
    np.testing.assert_array_equal(made.data, 6 * times * x * v)


@given(uses())
def test_the_third_derivative_through_any_parts_is_the_sum_of_what_each_gives(case):
    rng, shape, found = case
    x = leaf(whole_numbers(rng, shape))
    y = sum((part(x, key) ** 3).sum() for key in found)
    for _ in range(3):
        (y,) = tn.grad(y.sum(), [x], create_graph=True)
    np.testing.assert_array_equal(y.data, 6 * sum(dense(np.ones_like(part(x.data, key)), key, shape) for key in found))


def test_the_gradient_with_respect_to_a_tensor_in_between_has_all_its_slices():
    x = leaf([1.0, 2.0, 3.0])
    y = 2 * x
    total = (y[0] * y[1] + y[1:].sum()) + y.sum()
    of_y, of_x = tn.grad(total, [y, x])
    assert of_y.data.tolist() == [5.0, 4.0, 2.0]
    assert of_x.data.tolist() == [10.0, 8.0, 4.0]


@pytest.mark.parametrize("key", [(slice(1, None), 0), [2, 0, 2]], ids=["a slice", "indices"])
def test_the_gradient_in_parts_is_that_of_the_rule(key):
    """Which those use that look at one op alone, such as an objective over a whole set."""
    y = leaf(np.arange(12.0).reshape(4, 3))[key]
    node = y.node if y.node.op in gradients_at_once else y.node.inputs[0].node
    (out,) = node.outputs()
    g = Tensor(np.arange(1.0, out.size + 1).reshape(out.shape))
    by_rule = node.op.rule(0)(g, out, *node.inputs, **node.attrs)
    (in_parts,) = gradients_at_once[node.op](g, out, *node.inputs, **node.attrs)
    np.testing.assert_array_equal(by_rule.data, in_parts.whole().data)
    assert by_rule.data.sum() == g.data.sum()


def test_the_gradients_of_a_concatenation_at_once_are_those_of_its_rule():
    xs = [leaf(np.ones((2, n))) for n in (3, 0, 1)]
    node = o.concatenate(xs, axis=1).node
    (out,) = node.outputs()
    given = Tensor(np.arange(8.0).reshape(2, 4)), out, *xs
    at_once = gradients_at_once[node.op](*given, **node.attrs)
    assert [g.data.tolist() for g in at_once] == [[[0, 1, 2], [4, 5, 6]], [[], []], [[3], [7]]]
    for i, g in enumerate(at_once):
        np.testing.assert_array_equal(node.op.rule(i)(*given, **node.attrs).data, g.data)


def test_what_a_concatenation_has_of_others_needs_no_gradient():
    """Those of all inputs are found at once, also where one of them was not asked for, or has none."""
    x, y = leaf([1.0, 2.0]), leaf([3.0])
    joined = o.concatenate([x, Tensor([5.0]), y]) * np.array([1.0, 2.0, 3.0, 4.0])
    assert tn.grad(joined.sum(), [y])[0].data.tolist() == [4.0]
    assert [g.data.tolist() for g in tn.grad(joined.sum(), [y, x])] == [[4.0], [1.0, 2.0]]


def test_slices_of_nothing_give_nothing():
    x = leaf(np.zeros((0, 3)))
    assert tn.grad(sum(x[:, i].sum() for i in range(3)), [x])[0].shape == (0, 3)
    x = leaf([1.0, 2.0])
    assert tn.grad(x[2:].sum() + x[:0].sum() + x[1], [x])[0].data.tolist() == [0.0, 1.0]


# --- in a stated order


def test_slices_that_overlap_are_added_from_the_last_use_to_the_first():
    x, weights = Tensor(np.zeros(64, np.float32), requires_grad=True), np.float32([1.0, 1e8, -1e8, 3.0])
    y = sum((x[i : i + 4] * w).sum() for i, w in enumerate(weights))
    expected = np.zeros(64, np.float32)
    for i, w in reversed(list(enumerate(weights))):
        expected[i : i + 4] += w
    assert tn.grad(y, [x])[0].data.tobytes() == expected.tobytes()


def test_a_single_slice_keeps_the_sign_of_zero():
    x = leaf([1.0, 2.0])
    assert np.signbit(tn.grad((x[1:] * -0.0).sum(), [x])[0].data).tolist() == [False, True]


# --- in linear time and memory


def values_made(g):
    """How many values the ops that add up slices have made, and how many times they ran."""
    adding = OPS["unslice"], OPS["unslices"], OPS["index_add"]
    made = [n.values[0].shape for n in ancestors([g]) if n.op in adding]
    return sum(map(np.prod, made)), len(made)


@pytest.mark.parametrize("n", [20, 40])
@pytest.mark.parametrize(
    "function",
    [
        lambda x: sum((row * row).sum() for row in x),
        lambda x: sum((x[:, i] ** 2).sum() for i in range(len(x))),
        lambda x: sum((a * b).sum() for a, b in zip(x[::2], x[1::2], strict=True)),
        lambda x: sum(x[i, 0] * x[-i, 1] for i in range(len(x))),
        lambda x: sum((x[[i]] ** 2).sum() for i in range(len(x))),
        lambda x: sum((x[[i]] ** 2).sum() * x[i, 1] for i in range(len(x))),
    ],
    ids=["rows", "columns", "pairs", "numbers", "by an array", "by arrays and slices"],
)
def test_parts_that_hardly_overlap_take_a_few_arrays_together(function, n):
    x = leaf(np.ones((n, n)))
    (g,) = tn.grad(function(x), [x], create_graph=True)
    assert values_made(g)[0] <= 3 * x.size


@pytest.mark.parametrize("n", [20, 40])
def test_slices_that_overlap_take_no_more_than_a_few_times_their_own_values(n):
    x = leaf(np.ones((n, 3)))
    (g,) = tn.grad(sum((x[:i] ** 2).sum() for i in range(1, n)), [x], create_graph=True)
    values = sum(3 * i for i in range(1, n))
    assert values_made(g)[0] <= 2 * values + x.size


def test_cotangents_of_slices_that_overlap_are_not_kept_until_the_end():
    x = leaf(np.ones((300, 100)))
    y = sum((2 * x[:i]).sum() for i in range(1, 300))
    tracemalloc.start()
    tn.grad(y, [x])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * x.data.nbytes


@given(st.sampled_from(["u1", "i4", "i8", "u8"]), st.integers(0, 9), st.integers(0, 99))
def test_rows_are_added_in_their_order_at_indices_of_any_dtype(dtype, count, seed):
    rng = np.random.default_rng(seed)
    indices, rows = rng.integers(0, 200, (2, count)).astype(dtype), rng.standard_normal((2, count, 3, 5))
    expected = np.zeros((200, 3, 5))
    np.add.at(expected, (indices,), rows)
    np.testing.assert_array_equal(OPS["index_add"](rows, indices, shape=expected.shape).data, expected)


def test_a_negative_index_adds_to_a_row_from_the_end():
    made = OPS["index_add"](np.ones((2, 3)), np.array([-1, -4]), shape=(4, 3)).data
    np.testing.assert_array_equal(made, np.array([1.0, 0, 0, 1])[:, None] * np.ones(3))


def steps_of(function):
    """How many lines of Python and calls a function takes: its time, on a machine of any speed."""
    steps, tracer = 0, sys.gettrace()

    def count(frame, event, argument):
        nonlocal steps
        steps += 1
        return count

    sys.settrace(count)
    try:
        function()
    finally:
        sys.settrace(tracer)
    return steps


def through_joined(join):
    def function(n):
        xs = [leaf([1.0, 2.0, 3.0]) for _ in range(n)]
        tn.grad((join(xs) ** 2).sum(), xs)

    return function


def through_pieces(take):
    def function(n):
        x = leaf(np.ones((n, 3)))
        tn.grad((o.concatenate(take(x, n)) ** 2).sum(), [x])

    return function


def traced(n):
    """Trace and plan in place of computing."""
    factor = leaf(2.0)
    Compiled(lambda x: tn.grad((o.concatenate(o.split(x * factor, n)) ** 2).sum(), [factor])[0], "it").find(
        np.ones((n, 3))
    )


MANY = {
    "concatenate": through_joined(o.concatenate),
    "stack": through_joined(o.stack),
    "stack along another axis": through_joined(lambda xs: o.stack(xs, axis=1)),
    "split": through_pieces(o.split),
    "unstack": through_pieces(lambda x, n: o.unstack(x)),
    "slices": through_pieces(lambda x, n: [x[i : i + 1] for i in range(n)]),
    "indices": through_pieces(lambda x, n: [x[np.array([i, 0])] for i in range(n)]),
    "split, compiled": traced,
}


@pytest.mark.parametrize("way", MANY)
def test_gradients_through_many_pieces_take_time_in_proportion_to_their_number(way):
    MANY[way](2)  # which fills what is remembered
    few, many = (steps_of(lambda n=n: MANY[way](n)) for n in (40, 160))
    assert many < 4.2 * few
