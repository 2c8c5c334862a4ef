"""The checker is checked: it finds small errors, names kinks, leaves alone what is right, says what it cannot tell."""

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import tinynet as tn
from tests.ops.op_table import OPS, ROWS, generators, last_use
from tinynet.core.engine import Op, Tensor, apply
from tinynet.errors import ArgumentError, DataError, GradientError
from tinynet.inspection.gradcheck import check_gradients

o = tn.ops
INF, NAN = np.inf, np.nan


def verdicts(report):
    return [row.verdict for row in report.rows]


def scaled(factor):
    """An identity whose gradient is wrong by a factor."""
    return Op("scaled", infer=lambda x: x, compute=lambda x: x, vjp=(lambda g, y, x: g * factor,))


# --- what is wrong is caught


def broken(op, i):
    """The op with its gradient for input i wrong by 0.1 %; where it is zero, by a thousandth."""
    right = op.rule(i)
    zero = op.name in ("sign", "relu_gradient") and i == len(op.vjp) - 1

    def rule(*args, **attrs):
        g = right(*args, **attrs)
        return g + 1e-3 if zero else g * 1.001

    if isinstance(op.vjp, tuple):
        return replace(op, vjp=tuple(rule if k == i else r for k, r in enumerate(op.vjp)))
    return replace(op, vjp=lambda k, *args, **attrs: (rule if k == i else op.rule(k))(*args, **attrs))


def first(result):
    return result[0] if isinstance(result, tuple) else result


def names_of(op, node):
    """The numbers of the inputs that have a gradient."""
    return [str(k) for k in range(len(node.inputs)) if op.rule(k) is not None]


def varied(node, op, attrs):
    """A use of an op as a function of the inputs that have a gradient, and these."""
    places = [int(name) for name in names_of(op, node)]

    def use(*inputs):
        given = dict(zip(places, inputs, strict=True))
        return first(apply(op, [given.get(k, x.detach()) for k, x in enumerate(node.inputs)], attrs))

    return use, *(node.inputs[k].data for k in places)


BREAKABLE = [
    (op, i)
    for op in OPS.values()
    for i in range(len(op.vjp) if isinstance(op.vjp, tuple) else 2)
    if op.rule(i) is not None
]


@pytest.mark.parametrize(("op", "i"), BREAKABLE, ids=[f"{op.name}-{i}" for op, i in BREAKABLE])
@settings(max_examples=5)
@given(data=st.data())
def test_the_gradient_of_each_op_broken_by_a_thousandth_is_caught(op, i, data):
    case = data.draw(ROWS[op.name].cases)
    result = ROWS[op.name].call(*(Tensor(x, x.dtype.kind == "f") for x in case.inputs), **case.attrs)
    node = last_use(op, result)
    assume(node is not None and i < len(node.inputs))
    attrs = {**node.attrs, "dtype": np.dtype(float)} if op.name == "cast" else node.attrs
    report = check_gradients(*varied(node, broken(op, i), attrs), names=names_of(op, node))
    others = [row for row in report.rows if row.name != str(i)]
    assert all(row.verdict == "ok" for row in others), f"\n{report}"
    assume(next(row for row in report.rows if row.name == str(i)).gradient > 0)
    assert [row.name for row in report.wrong] == [str(i)], f"\n{report}"


def lost(factor):
    """An identity for gradients on their way, whose own gradient is wrong by a factor."""
    return Op("lost", infer=lambda g: g, compute=lambda g: g, vjp=(lambda h, y, g: factor * h,))


def broken_twice(op, i):
    """The op with its gradient for input i right, but the gradient of that one wrong by 0.1 %."""
    right = op.rule(i)

    def rule(*args, **attrs):
        return lost(1.001)(right(*args, **attrs))

    if isinstance(op.vjp, tuple):
        return replace(op, vjp=tuple(rule if k == i else r for k, r in enumerate(op.vjp)))
    return replace(op, vjp=lambda k, *args, **attrs: (rule if k == i else op.rule(k))(*args, **attrs))


TWICE = [
    (op, i)
    for op, i in BREAKABLE
    if not ROWS[op.name].fused and (op.name, i) not in (("sign", 0), ("relu_gradient", 1))  # where it is 0
]


@pytest.mark.parametrize(("op", "i"), TWICE, ids=[f"{op.name}-{i}" for op, i in TWICE])
@settings(max_examples=2)
@given(data=st.data())
def test_the_second_derivative_of_each_op_broken_by_a_thousandth_is_caught(op, i, data):
    case = data.draw(ROWS[op.name].cases)
    result = ROWS[op.name].call(*(Tensor(x, x.dtype.kind == "f") for x in case.inputs), **case.attrs)
    node = last_use(op, result)
    assume(node is not None and i < len(node.inputs))
    assume(all(np.isfinite(x.data).all() for x in node.inputs))  # no image whose padding is a pooling's only neighbour
    # A thousandth of a part of few values is lost among the others.
    assume(op.name not in ("unslices", "concatenate") or 2 * node.inputs[i].size >= sum(x.size for x in node.inputs))
    attrs = {**node.attrs, "dtype": np.dtype(float)} if op.name == "cast" else node.attrs
    report = check_gradients(*varied(node, broken_twice(op, i), attrs), names=names_of(op, node), directions=2, order=2)
    assert all(row.verdict == "ok" for row in report.rows if row.order == 1), f"\n{report}"
    assume(next(row for row in report.rows if row.name == str(i)).gradient > 0)
    # It is the row of the cotangent that is wrong, or, where that one has large other parts, that of an input.
    assert any(row.order == 2 for row in report.wrong), f"\n{report}"


def bowl(x):
    return o.exp(x @ x) + o.tanh(x).sum()


@given(generators, st.integers(1, 6), st.sampled_from([-1e-3, 3e-4, 1e-3, 0.1, -1.0, 1.0, 1e6]))
def test_a_gradient_scaled_by_little_or_much_is_wrong(rng, n, error):
    report = check_gradients(lambda x: bowl(scaled(1 + error)(x)), rng.normal(size=n) / 2)
    assert verdicts(report) == ["wrong"], f"\n{report}"


@given(generators, st.integers(2, 6))
def test_an_error_in_one_element_alone_is_caught(rng, n):
    factor = np.ones(n)
    factor[rng.integers(n)] = 1.01
    x = rng.uniform(0.5, 1.0, n) * rng.choice([-1, 1], n)
    report = check_gradients(lambda x: o.tanh(scaled(factor)(x)), x, directions=n)
    assert verdicts(report) == ["wrong"], f"\n{report}"


@given(generators, st.integers(1, 6))
def test_a_gradient_that_was_cut_off_is_wrong(rng, n):
    report = check_gradients(lambda x: o.exp(x.detach()) + 0 * x, rng.normal(size=n))
    assert verdicts(report) == ["wrong"]


def test_a_gradient_of_nothing_recorded_is_wrong():
    assert verdicts(check_gradients(lambda x: o.exp(x.detach()), np.ones(3))) == ["wrong"]


@pytest.mark.parametrize("bad", [NAN, INF])
def test_a_gradient_that_is_not_finite_is_wrong(bad):
    assert verdicts(check_gradients(lambda x: scaled(bad)(x), np.ones(3))) == ["wrong"]


def test_a_change_in_the_last_bit_of_a_saturated_net_is_no_kink():
    rng = np.random.default_rng(116098)
    x, labels = rng.normal(size=(2, 3)), rng.integers(0, 4, 2)
    point = (3 * rng.normal(size=shape) for shape in ((3, 33), (33,), (33, 4)))
    report = check_gradients(lambda v, b, w: o.cross_entropy(o.softmax(o.relu(x @ v + b) @ w), labels), *point)
    assert verdicts(report) == ["ok"] * 3, f"\n{report}"


def test_the_gradient_of_a_saturated_net_that_is_wrong_in_one_layer_is_wrong_there_only():
    rng = np.random.default_rng(0)
    x, v, w = rng.normal(size=(8, 4)), rng.normal(size=(4, 5)), rng.normal(size=(5, 3))
    report = check_gradients(lambda v, w: o.softmax(o.relu(x @ v) @ scaled(1.001)(w)), v, w)
    assert verdicts(report) == ["ok", "wrong"], f"\n{report}"


def test_a_wrong_gradient_is_found_behind_a_kink_that_is_near():
    report = check_gradients(lambda x: o.relu(scaled(1.001)(x)), np.array([1e-6, -1e-6]))
    assert verdicts(report) == ["wrong"], f"\n{report}"


@given(generators, st.integers(1, 5), st.sampled_from([-1e-3, 1e-3, 0.1, -1.0]))
def test_a_second_derivative_scaled_by_little_or_much_is_wrong_and_the_first_is_not(rng, n, error):
    square = Op("square", infer=lambda x: x, compute=lambda x: x * x,
                vjp=(lambda g, y, x: 2 * g * scaled(1 + error)(x),))  # fmt: skip
    report = check_gradients(square, rng.uniform(0.5, 1.0, n), names=["x"], order=2)
    assert [(row.name, row.order, row.verdict) for row in report.rows] == [
        ("x", 1, "ok"),
        ("x", 2, "wrong"),
        ("(cotangent)", 2, "ok"),
    ], f"\n{report}"


def test_a_first_derivative_that_is_wrong_is_told_in_either_order():
    report = check_gradients(lambda x: bowl(scaled(1.001)(x)), np.ones(3) / 3, order=2)
    assert ("x", 1) in [(row.name, row.order) for row in report.wrong]
    with pytest.raises(GradientError, match="with respect to x, x \\(second order\\)"):
        report.raise_if_wrong()


# --- what is right is left alone


SMOOTH = {
    "a bowl": bowl,
    "a steep bowl": lambda x: o.exp(5 * x).sum(),
    "a step, softened": lambda x: o.tanh(1000 * x),
    "a logistic loss": lambda x: o.logaddexp(0.0, 20 * x),
    "softmax": lambda x: o.softmax(4 * x),
    "a quotient": lambda x: x / (0.01 + x @ x),
    "a large offset": lambda x: 1e6 + o.sigmoid(x),
    "small numbers": lambda x: 1e-12 * o.sigmoid(x),
    "large numbers": lambda x: 1e12 * o.sigmoid(x),
    "float32 inside": lambda x: o.exp(x.astype("float32") * 0.3).astype("float64"),
    "only some of it": lambda x: x[0] * x[-1],
    "none of it": lambda x: 0 * x,
}


@pytest.mark.parametrize("f", SMOOTH.values(), ids=list(SMOOTH))
@given(rng=generators, n=st.integers(1, 6), size=st.sampled_from([1e-3, 1.0]))
def test_a_smooth_function_is_neither_wrong_nor_has_a_kink(f, rng, n, size):
    report = check_gradients(f, size * rng.normal(size=n))
    assert report.ok, f"\n{report}"
    assert not report.kinks, f"\n{report}"


@given(generators, st.integers(1, 4), st.integers(1, 40), st.sampled_from([0.1, 1.0, 3.0]))
def test_a_network_of_relus_whose_kinks_are_near_is_right(rng, n, hidden, size):
    x, labels = rng.normal(size=(n, 3)), rng.integers(0, 4, n)

    def loss(v, b, w):
        return o.cross_entropy(o.softmax(o.relu(x @ v + b) @ w), labels)

    report = check_gradients(
        loss, size * rng.normal(size=(3, hidden)), size * rng.normal(size=hidden), size * rng.normal(size=(hidden, 4))
    )
    assert report.ok, f"\n{report}"
    assert not report.kinks, f"\n{report}"


@pytest.mark.parametrize("f", SMOOTH.values(), ids=list(SMOOTH))
@settings(max_examples=5)
@given(rng=generators, n=st.integers(1, 4))
def test_a_smooth_function_is_neither_wrong_nor_has_a_kink_in_second_order(f, rng, n):
    report = check_gradients(f, rng.normal(size=n), order=2)
    assert report.ok, f"\n{report}"
    assert not report.kinks, f"\n{report}"


@given(generators, st.integers(1, 3), st.integers(1, 10), st.sampled_from([0.1, 1.0]))
@settings(max_examples=10)
def test_a_network_is_right_in_second_order(rng, n, hidden, size):
    x, labels = rng.normal(size=(n, 3)), rng.integers(0, 4, n)

    def loss(v, b, w):
        return o.cross_entropy(o.softmax(o.relu(x @ v + b) @ w), labels)

    shapes = (3, hidden), (hidden,), (hidden, 4)
    report = check_gradients(loss, *(size * rng.normal(size=shape) for shape in shapes), order=2)
    assert report.ok, f"\n{report}"
    assert not report.kinks, f"\n{report}"


# --- kinks


@given(generators, st.integers(0, 4), st.integers(1, 3))
def test_relu_at_zero_is_a_kink(rng, others, zeros):
    x = rng.permutation(np.concatenate([rng.normal(size=others), np.zeros(zeros)]))
    assert verdicts(check_gradients(o.relu, x)) == ["kink"]


@given(generators, st.integers(1, 4))
def test_abs_at_zero_is_a_kink(rng, n):
    x = rng.normal(size=n)
    x[0] = 0
    assert verdicts(check_gradients(o.abs, x)) == ["kink"]


@given(generators, st.integers(2, 5))
def test_a_tie_of_max_is_a_kink(rng, n):
    x = rng.uniform(-1, 0, n)
    x[rng.permutation(n)[:2]] = 1
    assert verdicts(check_gradients(o.max, x)) == ["kink"]


@given(generators, st.integers(1, 3))
def test_a_tie_of_max_pool_is_a_kink(rng, stride):
    x = rng.uniform(-1, 0, (1, 4, 4, 2))
    x[:, :2, 1] = 1
    assert verdicts(check_gradients(lambda x: o.max_pool(x, 2, stride), x)) == ["kink"]


def test_a_tie_of_maximum_is_a_kink_of_both_operands():
    assert verdicts(check_gradients(o.maximum, np.ones(3), np.array([1.0, 2.0, 0.0]))) == ["kink", "kink"]


@given(generators)
def test_a_small_kink_on_a_smooth_function_is_a_kink(rng):
    x = np.array([0.0, *rng.uniform(-1, 1, 2)])  # further out, the bowl is so steep that nothing is seen of the kink
    assert verdicts(check_gradients(lambda x: bowl(x) + 0.01 * o.relu(x).sum(), x)) == ["kink"]


@pytest.mark.parametrize("away", [1e-15, 1e-12])
def test_a_kink_too_near_to_step_around_is_a_kink(away):
    assert verdicts(check_gradients(o.relu, np.array([away]))) == ["kink"]


@pytest.mark.parametrize("away", [1e-8, 1e-5, 1e-2])
@pytest.mark.parametrize("side", [-1, 1])
def test_a_kink_that_can_be_stepped_around_does_not_count(away, side):
    assert check_gradients(o.relu, np.array([side * away, 1.0])).strict


@pytest.mark.parametrize("f", [o.sign, lambda x: o.where(x > 0, 1.0, 0.0) + 0 * x], ids=["sign", "step"])
def test_a_jump_is_a_kink(f):
    assert verdicts(check_gradients(f, np.zeros(2))) == ["kink"]


def test_the_edge_of_where_a_function_is_defined_is_a_kink():
    assert verdicts(check_gradients(lambda x: x**0.5, np.zeros(2))) == ["kink"]


def test_a_kink_in_some_directions_leaves_the_others_compared():
    (row,) = check_gradients(o.relu, np.array([1.0, 0.0, -2.0])).rows
    assert (row.verdict, row.compared, row.directions) == ("kink", 2, 6)


@given(generators, st.integers(0, 3), st.integers(1, 2))
def test_a_kink_is_one_in_second_order_too(rng, others, zeros):
    x = rng.permutation(np.concatenate([rng.normal(size=others), np.zeros(zeros)]))
    report = check_gradients(o.relu, x, names=["x"], order=2)
    assert [(row.name, row.verdict) for row in report.rows[:2]] == [("x", "kink"), ("x", "kink")]
    assert report.ok


@given(generators, st.integers(0, 3))
def test_a_kink_of_the_gradient_alone_is_one_in_second_order_alone(rng, others):
    x = rng.permutation(np.concatenate([rng.uniform(0.5, 1, others), np.zeros(1)]))
    report = check_gradients(lambda x: o.relu(x) * x, x, order=2)
    one, two, _ = report.rows
    assert (two.verdict, report.ok) == ("kink", True)
    assert one.verdict == ("ok" if others else one.verdict) != "kink"


# --- round-off


@given(generators, st.integers(1, 4))
def test_a_slope_lost_in_the_rounding_of_a_large_value_is_round_off(rng, n):
    report = check_gradients(lambda x: 1e9 + 1e-9 * o.tanh(x), rng.normal(size=n))
    assert verdicts(report) == ["round-off"], f"\n{report}"
    assert report.ok
    assert not report.strict


def test_what_cancels_is_round_off():
    (row,) = check_gradients(lambda x: o.softmax(x).sum(), np.array([0.3, 1.0, -2.0])).rows
    assert row.verdict in ("round-off", "ok")
    assert abs(row.numeric) < 1e-9


def test_results_in_float32_are_too_coarse_to_tell():
    assert verdicts(check_gradients(lambda x: o.tanh(x).astype("float32"), np.array([0.3, 1.0]))) == ["round-off"]


def test_a_wrong_gradient_is_not_called_wrong_where_rounding_hides_it():
    report = check_gradients(lambda x: 1e9 + 1e-9 * scaled(1.5)(x), np.array([0.5, 0.25]))
    assert verdicts(report) == ["round-off"]


# --- what may be given, and what comes of it


def test_no_input_is_modified():
    x, y = np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3), Tensor(np.linspace(0, 1, 3))
    before = x.tobytes(), y.data.tobytes()
    x.flags.writeable = False
    assert check_gradients(o.multiply, x, y).strict
    assert (x.tobytes(), y.data.tobytes()) == before
    assert not y.requires_grad


def test_the_check_is_in_float64_whatever_comes():
    seen = []
    check_gradients(lambda x: seen.append(x.dtype) or o.exp(x), np.ones(2, np.float32))
    assert set(seen) == {np.dtype(np.float64)}


def test_integers_are_passed_through():
    report = check_gradients(lambda x, i: x[i], np.arange(4.0), np.array([3, 1]))
    assert [row.name for row in report.rows] == ["x"]
    assert report.strict


def test_several_outputs_are_all_checked():
    wrong = scaled(1.01)
    assert check_gradients(lambda x: (o.exp(x), o.tanh(x), x > 0), np.ones(2)).strict
    assert verdicts(check_gradients(lambda x: (o.exp(x), wrong(x)), np.ones(2))) == ["wrong"]


def test_a_view_as_output_is_not_moved_with_its_input():
    assert check_gradients(lambda x: x.T, np.ones((2, 3))).strict


def test_an_input_of_no_values_has_nothing_wrong():
    report = check_gradients(lambda x, y: x.sum() + y.sum(), np.ones((0, 3)), np.ones(2))
    assert verdicts(report) == ["ok", "ok"]
    assert report.rows[0].directions == 0


def test_the_same_seed_gives_the_same_report():
    x = np.linspace(-1, 1, 5)
    assert check_gradients(bowl, x, seed=3) == check_gradients(bowl, x, seed=3)
    assert check_gradients(bowl, x, seed=3) != check_gradients(bowl, x, seed=4)


def test_names_are_those_of_the_function_unless_given():
    assert [row.name for row in check_gradients(lambda a, b: a * b, 1.0, 2.0).rows] == ["a", "b"]
    assert [row.name for row in check_gradients(o.multiply, 1.0, 2.0).rows] == ["input 0", "input 1"]
    assert [row.name for row in check_gradients(o.multiply, 1.0, 2.0, names="uv").rows] == ["u", "v"]


@pytest.mark.parametrize(
    ("arguments", "options", "says"),
    [
        ((o.exp, np.arange(3)), {}, "nothing to check"),
        ((o.exp, np.ones(0)), {}, "nothing to check"),
        ((o.exp, np.ones(2)), {"names": ["a", "b"]}, "names"),
        ((o.multiply, 1.0, 2.0), {"names": ["a", "a"]}, "distinct"),
        ((o.exp, np.ones(2)), {"directions": 0}, "directions"),
        ((o.exp, np.ones(2)), {"rtol": 0}, "rtol"),
        ((o.exp, np.ones(2)), {"order": 3}, "order"),
        ((o.exp, np.ones(2)), {"loss": "cross_entropy"}, "model"),
        ((lambda x: x.data, np.ones(2)), {}, "ndarray"),
        ((lambda x: x > 0, np.ones(2)), {}, "bool"),
        ((lambda x: (x, 1.0), np.ones(2)), {}, "float"),
    ],
)
def test_what_cannot_be_checked_is_refused(arguments, options, says):
    with pytest.raises(ArgumentError, match=says):
        check_gradients(*arguments, **options)


def test_a_function_that_is_random_is_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(ArgumentError, match="two results"):
        check_gradients(lambda x: x * rng.normal(), np.ones(2))


@pytest.mark.parametrize("f", [o.log, lambda x: 1 / x])
def test_a_function_that_is_not_finite_at_the_point_is_refused(f):
    with pytest.raises(DataError, match="1 of its 2 values"):
        check_gradients(f, np.array([0.0, 1.0]))


# --- the report


def test_the_table_tells_what_was_found():
    report = check_gradients(lambda x, y, z: x + o.relu(y) + scaled(1.5)(z), [1.0], [0.0], [2.0])
    lines = str(report).splitlines()
    assert lines[1].split() == [
        "input",
        "shape",
        "|gradient|",
        "analytic",
        "numeric",
        "rel.",
        "error",
        "compared",
        "verdict",
    ]
    assert [line.split()[-1] for line in lines[2:5]] == ["ok", "kink", "wrong"]
    assert [line.split(":")[0] for line in lines[6:]] == ["ok", "wrong", "kink"]
    assert lines[4].split()[-5:-3] == ["3.3e-01", "1"]
    assert len({line.index("(1,)") for line in lines[2:5]}) == 1
    assert repr(report) == str(report)


def test_the_table_of_second_order_tells_the_order_and_the_cotangents():
    report = check_gradients(lambda x: (o.exp(x), o.tanh(x)), [1.0], order=2)
    lines = str(report).splitlines()
    assert lines[1].split()[:2] == ["order", "input"]
    assert [line.split()[0] for line in lines[2:6]] == ["1", "2", "2", "2"]
    assert [row.name for row in report.rows] == ["x", "x", "(cotangent 0)", "(cotangent 1)"]
    assert report.strict


def test_an_op_of_first_derivatives_only_says_so():
    x, labels = np.ones((2, 3)), np.array([0, 1])
    with pytest.raises(GradientError, match="softmax_cross_entropy"):
        check_gradients(lambda x: OPS["softmax_cross_entropy"](x, labels)[0], x, order=2)


def test_a_wrong_gradient_can_be_raised():
    with pytest.raises(GradientError, match="with respect to x\n"):
        check_gradients(scaled(2.0), [1.0], names=["x"]).raise_if_wrong()
    check_gradients(o.relu, [0.0]).raise_if_wrong()


def test_a_report_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        check_gradients(o.exp, [1.0]).rtol = 1


# --- models


class TwoLayers:
    """A stand-in for a model: what the checker asks of one."""

    def __init__(self, dtype=np.float32, factor=1.0):
        rng = np.random.default_rng(0)
        shapes = {"hidden.weight": (3, 4), "hidden.bias": (4,), "out.weight": (4, 2)}
        self.parameters = {k: Tensor(rng.normal(size=s).astype(dtype), requires_grad=True) for k, s in shapes.items()}
        self.factor = factor

    def astype(self, dtype):
        other = TwoLayers(dtype, self.factor)
        for name, parameter in self.parameters.items():
            other.parameters[name].data[...] = parameter.data
        return other

    def __call__(self, x):
        w, b, v = self.parameters.values()
        return o.softmax(o.tanh(x @ w + b) @ scaled(self.factor)(v))


X = np.linspace(-1, 1, 15).reshape(5, 3).astype(np.float32)


@pytest.mark.parametrize(
    ("y", "loss"),
    [
        (None, None),
        ([0, 1, 1, 0, 0], "cross_entropy"),
        (np.ones((5, 2)), lambda output, y: ((output - y) ** 2).mean()),
    ],
    ids=["outputs", "by name", "by function"],
)
def test_a_model_is_checked_by_parameter(y, loss):
    model = TwoLayers()
    report = check_gradients(model, X, y, loss=loss) if y is not None else check_gradients(model, X)
    assert [row.name for row in report.rows] == list(model.parameters)
    assert report.strict, f"\n{report}"


def test_binary_cross_entropy_goes_by_its_name():
    class Logistic(TwoLayers):
        def __call__(self, x):
            return o.sigmoid(super().__call__(x)[:, 0])

        def astype(self, dtype):
            return Logistic(dtype)

    assert check_gradients(Logistic(), X, y=[0, 1, 0, 1, 1], loss="binary_cross_entropy").strict


def test_a_model_wrong_in_one_parameter_is_wrong_there():
    report = check_gradients(TwoLayers(factor=1.001), X, [0, 1, 1, 0, 0], loss="cross_entropy")
    assert [row.name for row in report.wrong] == ["out.weight"]


def test_a_model_is_not_modified():
    model = TwoLayers()
    before = [p.data.tobytes() for p in model.parameters.values()]
    check_gradients(model, X)
    assert [p.data.tobytes() for p in model.parameters.values()] == before
    assert all(p.grad is None for p in model.parameters.values())


def test_the_table_of_a_model_goes_by_layer():
    lines = str(check_gradients(TwoLayers(), X)).splitlines()
    assert lines[1].split()[:2] == ["layer", "parameter"]
    assert [line.split()[:2] for line in lines[2:5]] == [["hidden", "weight"], ["bias", "(4,)"], ["out", "weight"]]


@pytest.mark.parametrize(
    ("inputs", "options", "says"),
    [
        ((), {}, "x and y"),
        ((X, [0] * 5, 1), {}, "x and y"),
        ((X, [0] * 5), {"y": [0] * 5, "loss": "cross_entropy"}, "x and y"),
        ((X, [0] * 5), {}, "both"),
        ((X,), {"loss": "cross_entropy"}, "both"),
        ((X, [0] * 5), {"loss": "hinge"}, "hinge"),
    ],
)
def test_what_a_model_cannot_be_checked_with_is_refused(inputs, options, says):
    with pytest.raises(ArgumentError, match=says):
        check_gradients(TwoLayers(), *inputs, **options)
