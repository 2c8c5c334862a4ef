"""The engine: what flows where through a graph, what it refuses, what it keeps alive; and what a Tensor is."""

import gc
import itertools
import operator
import sys
import threading
import weakref
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet as tn
from tinynet.core.engine import Op, Tensor, filled, is_constant
from tinynet.core.mode import tracing
from tinynet.core.spec import Spec
from tinynet.errors import ArgumentError, DTypeError, GradientError, ShapeError, TraceError
from tinynet.inspection.gradcheck import check_gradients

o = tn.ops


def leaf(values, dtype=np.float64):
    return Tensor(np.array(values, dtype), requires_grad=True)


def gradients(y, *inputs, **options):
    return [g.data for g in tn.grad(y, list(inputs), **options)]


def gradient(y, x, **options):
    return gradients(y, x, **options)[0]


# --- what flows where


def test_a_tensor_used_twice_gets_the_sum_of_both_gradients():
    x = leaf(3.0)
    assert gradient(x * x + 2 * x, x) == 8


def test_the_arms_of_a_diamond_meet_again():
    x = leaf(2.0)
    y = x * x
    assert gradient(y * 3 + y * y, x) == 3 * 4 + 4 * 8


def test_a_ladder_of_diamonds_takes_time_in_its_length_not_in_its_paths():
    x = leaf(1.0)
    y = x
    for _ in range(200):
        y = 0.5 * y + 0.5 * y
    assert gradient(y, x) == 1


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.sampled_from("+*")), min_size=1, max_size=12))
def test_any_graph_of_sums_and_products_differentiates_as_forward_mode_does(steps):
    x = leaf(0.7)
    values, duals = [x, 1 - x], [(0.7, 1.0), (0.3, -1.0)]
    for i, j, sign in steps:
        a, b = values[-1 - i % len(values)], values[j % len(values)]
        (p, dp), (q, dq) = duals[-1 - i % len(duals)], duals[j % len(duals)]
        values.append(a + b if sign == "+" else a * b * 0.5)
        duals.append((p + q, dp + dq) if sign == "+" else (p * q * 0.5, (dp * q + p * dq) * 0.5))
    assert values[-1].item() == pytest.approx(duals[-1][0], rel=1e-12)
    assert gradient(values[-1], x) == pytest.approx(duals[-1][1], rel=1e-10, abs=1e-10)


def test_a_gradient_with_respect_to_a_tensor_in_between():
    x = leaf(2.0)
    y = x**2
    z = y**3
    assert gradients(z, y, x) == [3 * 4.0**2, 3 * 4.0**2 * 4.0]


def test_an_output_may_be_an_input_of_another():
    x = leaf(2.0)
    y = x**2
    assert gradient([y, y**2], x) == 4 + 2 * 4 * 4


def test_an_output_that_is_the_input_has_the_gradient_one():
    x = leaf(2.0)
    assert gradient(x, x) == 1


def test_an_input_asked_for_twice_is_given_twice():
    x = leaf(2.0)
    assert gradients(x**2, x, x) == [4, 4]


def test_an_input_that_does_not_matter_has_a_gradient_of_zeros():
    x, y = leaf([1.0, 2.0]), leaf(np.ones((2, 3), np.float32), np.float32)
    (g,) = tn.grad(x.sum(), [y])
    np.testing.assert_array_equal(g.data, np.zeros((2, 3)))
    assert g.dtype == np.float32


def test_cotangents_weigh_the_outputs():
    x = leaf([1.0, 2.0])
    found = gradient([x * x, 3 * x], x, cotangents=[Tensor([1.0, 10.0]), Tensor([100.0, 0.0])])
    np.testing.assert_array_equal(found, [2 * 1 + 300, 40])


def test_a_cotangent_is_brought_to_the_dtype_of_its_output():
    x = leaf([1.0, 2.0], np.float32)
    (g,) = tn.grad(x * x, [x], [Tensor([1.0, 1.0])])
    assert g.dtype == np.float32


def test_nothing_is_computed_for_inputs_that_were_not_asked_for():
    calls = []

    def rule(i):
        return lambda g, y, a, b: calls.append(i) or g

    op = Op("add_and_tell", infer=lambda a, b: a, compute=np.add, vjp=(rule(0), rule(1)))
    x, w = leaf(1.0), leaf(2.0)
    y = op(o.exp(x), w)
    gradients(y, w)
    assert calls == [1]


def test_integers_and_bools_carry_no_gradient():
    x = leaf([1.5, 2.5])
    assert not (x > 2).requires_grad
    assert not x.astype(int).requires_grad
    assert not x.astype(int).astype(float).requires_grad


def test_outputs_declared_constant_carry_no_gradient():
    split = Op(
        "split", infer=lambda x: (x, x), compute=lambda x: (x, x),
        vjp=(lambda g, out, x: g[0],), constant=frozenset({1}),
    )  # fmt: skip
    first, second = split(leaf(1.0))
    assert (first.requires_grad, second.requires_grad) == (True, False)


def test_an_op_with_several_outputs_gets_none_for_those_that_nothing_flows_into():
    seen = []
    both = Op(
        "both", infer=lambda x: (x, x), compute=lambda x: (x, 2 * x),
        vjp=(lambda g, out, x: seen.append(g) or 2 * g[1],),
    )  # fmt: skip
    x = leaf(1.0)
    assert gradient(both(x)[1], x) == 2
    assert seen[0][0] is None


def test_detach_cuts_the_history_and_shares_the_values():
    x = leaf([1.0, 2.0])
    y = (x * x).detach()
    assert (y.requires_grad, y.node) == (False, None)
    assert np.shares_memory(x.detach().data, x.data)
    np.testing.assert_array_equal(gradient((x * y).sum(), x), y.data)


# --- backward


def test_backward_gives_each_leaf_its_gradient():
    x, y, constant = leaf([1.0, 2.0]), leaf(3.0), Tensor(5.0)
    (x * y * constant).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [15, 15])
    assert y.grad.item() == 15
    assert constant.grad is None


def test_a_leaf_that_is_only_compared_has_no_gradient():
    x, y = leaf([1.0, -1.0]), leaf([3.0, 4.0])
    o.where(x > 0, y, 0.0).sum().backward()
    assert y.grad.data.tolist() == [1, 0]
    assert x.grad is None


def test_backward_twice_adds_up():
    x = leaf([1.0, 2.0])
    y = (x * x).sum()
    y.backward()
    y.backward()
    (3 * x).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [2 * 2 + 3, 2 * 4 + 3])


def test_backward_adds_into_the_array_that_is_there():
    x = leaf([1.0, 2.0])
    x.sum().backward()
    array = x.grad.data
    x.sum().backward()
    assert x.grad.data is array
    assert array.tolist() == [2, 2]


def test_backward_of_a_leaf_is_its_cotangent():
    x = leaf(2.0)
    x.backward()
    assert x.grad.item() == 1


def test_backward_with_a_cotangent():
    x, weights = leaf([1.0, 2.0]), np.array([10.0, 1.0])
    (x * x).backward(Tensor(weights))
    np.testing.assert_array_equal(x.grad.data, [20, 4])
    x.grad.data[...] = 0
    assert weights.tolist() == [10, 1]


def test_the_gradients_of_two_leaves_share_no_memory():
    x, y = leaf([1.0]), leaf([2.0])
    (x + y).sum().backward()
    assert not np.shares_memory(x.grad.data, y.grad.data)


# --- depth


@pytest.fixture
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_a_chain_of_ten_thousand_ops_is_built_differentiated_and_freed(no_collector):
    x = leaf(1.0)
    y = x
    for _ in range(10_000):
        y = y + 1e-4 * y
    assert sys.getrecursionlimit() < 10_000
    assert gradient(y, x) == pytest.approx((1 + 1e-4) ** 10_000, rel=1e-9)
    value = weakref.ref(y)
    first = weakref.ref(x)
    del y, x
    assert value() is None
    assert first() is None


def test_a_chain_of_ten_thousand_ops_goes_backward_into_its_leaf():
    x = leaf(1.0)
    y = x
    for _ in range(10_000):
        y = y * 1.0
    y.backward()
    assert x.grad.item() == 1


# --- memory: a graph is freed at once, without the cycle collector


def test_a_graph_is_freed_with_its_output(no_collector):
    x = leaf(np.ones(3))
    y = o.exp(x)
    inner = weakref.ref(y.data)
    z = (y * y).sum()
    del y
    assert inner() is not None
    del z
    assert inner() is None


def test_differentiating_leaves_nothing_behind(no_collector):
    x = leaf(np.ones((2, 5, 5, 1)))
    w = leaf(np.ones((2, 2, 1, 3)))

    def run():
        y = o.max_pool(o.relu(o.conv2d(x, w)), 2)
        loss = (o.softmax(y.reshape(2, -1)) * 2.0).sum()
        tn.grad(loss, [w])
        loss.backward()
        return weakref.ref(y.data)

    run()  # A call that compiles leaves its arguments in cycles of Numba's compiler.
    assert run()() is None


def test_a_graph_of_gradients_is_freed_with_them(no_collector):
    x = leaf(np.ones(3))
    y = o.tanh(x)
    inner = weakref.ref(y.data)
    (first,) = tn.grad(y.sum(), [x], create_graph=True)
    (second,) = tn.grad(first.sum(), [x])
    del y, first
    assert inner() is None
    assert second.shape == (3,)


def test_without_recording_what_lies_between_is_freed_at_once(no_collector):
    x = leaf(np.ones(3))
    with tn.no_grad():
        y = o.exp(x)
        inner = weakref.ref(y.data)
        z = o.tanh(o.exp(y))
        del y
        assert inner() is None
    assert z.shape == (3,)


def test_constants_are_not_kept_through_ops_on_constants(no_collector):
    y = Tensor(np.ones(3))
    first = weakref.ref(y.data)
    for _ in range(3):
        y = y * 2.0
    assert first() is None


# --- gradients of gradients


def test_gradients_are_constants_unless_their_graph_is_asked_for():
    x = leaf(2.0)
    assert not tn.grad(x**2, [x])[0].requires_grad
    assert tn.grad(x**2, [x], create_graph=True)[0].requires_grad


def test_create_graph_wins_over_no_grad():
    x = leaf(2.0)
    y = x**3
    with tn.no_grad():
        (first,) = tn.grad(y, [x], create_graph=True)
        assert not (x * x).requires_grad
    assert gradient(first, x) == 12


# --- errors


def test_an_input_must_require_a_gradient():
    x = leaf(1.0)
    with pytest.raises(GradientError, match=r"shape \(3,\) and dtype float32.*requires_grad=True"):
        tn.grad(x * 2, [Tensor(np.ones(3, np.float32))])


@pytest.mark.parametrize("differentiate", [lambda y, x: tn.grad(y, [x]), lambda y, x: y.backward()])
def test_an_output_must_depend_on_something(differentiate):
    with pytest.raises(GradientError, match=r"depends on no tensor that requires a gradient.*no_grad"):
        differentiate(Tensor(1.0) * 2, leaf(1.0))


@pytest.mark.parametrize("differentiate", [lambda y, x: tn.grad(y, [x]), lambda y, x: y.backward()])
def test_an_output_of_several_elements_needs_a_cotangent(differentiate):
    x = leaf([1.0, 2.0])
    with pytest.raises(GradientError, match=r"shape \(2,\).*\.sum\(\)"):
        differentiate(x * 2, x)


@pytest.mark.parametrize("wrong", [[np.ones(3)], [np.ones((2, 1))], [np.ones(2), np.ones(2)], []])
def test_a_cotangent_must_have_the_shape_of_its_output(wrong):
    x = leaf([1.0, 2.0])
    with pytest.raises(ShapeError, match=r"outputs of shapes \[\(2,\)\]"):
        tn.grad(x * 2, [x], [Tensor(g) for g in wrong])


def test_a_cotangent_must_be_floating():
    x = leaf([1.0, 2.0])
    with pytest.raises(DTypeError, match="int64"):
        tn.grad(x * 2, [x], [Tensor([1, 1])])


def test_an_op_without_a_rule_has_no_derivative():
    step = Op("step", infer=lambda x: x, compute=lambda x: (x > 0).astype(x.dtype))
    x = leaf(1.0)
    with pytest.raises(GradientError, match="'step' has no derivative with respect to its argument 0"):
        tn.grad(step(x), [x])


def test_an_op_without_a_rule_is_no_obstacle_to_what_goes_around_it():
    step = Op("step", infer=lambda x: x, compute=lambda x: (x > 0).astype(x.dtype))
    x, w = leaf(1.0), leaf(2.0)
    assert gradient(step(x) * w, w) == 1


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (lambda g, y, x: g.sum(), r"shape \(\) and dtype float64"),
        (lambda g, y, x: g.reshape(1, 2), r"shape \(1, 2\)"),
        (lambda g, y, x: g.astype(np.float32), "dtype float32"),
    ],
)
def test_a_rule_that_gives_the_wrong_shape_or_dtype_is_named(rule, says):
    odd = Op("odd", infer=lambda x: x, compute=lambda x: x, vjp=(rule,))
    x = leaf([1.0, 2.0])
    with pytest.raises(GradientError, match=rf"'odd' for its argument 0 returned .*{says}.*\(2,\) and float64"):
        tn.grad(odd(x).sum(), [x])


def test_an_op_that_cannot_compute_cannot_be_declared():
    with pytest.raises(TypeError, match="'compute'"):
        Op("empty", infer=lambda x: x)


def test_a_leaf_changed_in_place_is_noticed():
    x = leaf([1.0, 2.0])
    y = (x * x).sum()
    x.data[...] = 0
    x.version += 1
    with pytest.raises(GradientError, match="'multiply' used was changed in place"):
        y.backward()


def test_a_leaf_that_takes_other_memory_is_noticed():
    x = leaf([1.0, 2.0])
    y = (x * x).sum()
    x.use_memory(np.array([3.0, 4.0]))
    assert x.data.tolist() == [3, 4]
    with pytest.raises(GradientError, match="'multiply' used was changed in place"):
        y.backward()


@pytest.mark.parametrize("array", [np.zeros(3), np.zeros(2, np.float32)])
def test_a_leaf_takes_memory_of_its_own_shape_and_dtype_alone(array):
    x = leaf([1.0, 2.0])
    for tensor, memory in ((x, array), (x * x, np.zeros(2))):
        with pytest.raises(ShapeError, match=r"a leaf of shape \(2,\) and dtype float64 cannot hold"):
            tensor.use_memory(memory)
    assert x.data.tolist() == [1, 2]


def test_a_change_before_its_use_does_no_harm():
    x = leaf([1.0, 2.0])
    x.data[...] = 3
    x.version += 1
    assert gradient((x * x).sum(), x).tolist() == [6, 6]


def test_only_integers_among_the_leaves_is_an_error():
    with pytest.raises(DTypeError, match="int64"):
        Tensor([1, 2], requires_grad=True)


# --- gradients of gradients


def test_derivatives_of_any_order():
    x = leaf(0.5)
    y, found = o.exp(2 * x), []
    for _ in range(4):
        (y,) = tn.grad(y, [x], create_graph=True)
        found.append(y.item())
    np.testing.assert_allclose(found, [2**k * np.exp(1) for k in (1, 2, 3, 4)], rtol=1e-14)


def network(x, k1, b1, k2, w, labels):
    h = o.max_pool(o.tanh(o.conv2d(x, k1, padding="same") + b1), 2, stride=1)
    h = o.sigmoid(o.conv2d(h, k2, stride=2))
    return o.cross_entropy(o.softmax(h.reshape(h.shape[0], -1) @ w), labels)


def test_the_gradient_of_the_gradient_of_a_network():
    rng = np.random.default_rng(0)
    shapes = [(2, 6, 6, 1), (3, 3, 1, 2), (2,), (2, 2, 2, 3), (12, 4)]
    inputs, labels = [rng.normal(size=s) for s in shapes], np.array([1, 3])
    weights = [rng.normal(size=s) for s in shapes]

    def slope(*inputs):
        found = tn.grad(network(*inputs, labels), list(inputs), create_graph=True)
        return sum(((g * w).sum() for g, w in zip(found, weights, strict=True)), Tensor(0.0))

    assert check_gradients(slope, *inputs, names=["x", "k1", "b1", "k2", "w"]).strict


def test_a_hessian_is_symmetric():
    rng = np.random.default_rng(1)
    a, x = rng.normal(size=(4, 4)), leaf(rng.normal(size=4))
    (g,) = tn.grad(o.logaddexp(o.tanh(a @ x), x).sum(), [x], create_graph=True)
    hessian = np.array([gradient(g[i], x) for i in range(4)])
    np.testing.assert_allclose(hessian, hessian.T, rtol=1e-12, atol=1e-14)


# --- Python threads


def test_two_python_threads_record_graphs_at_once():
    def work(seed):
        rng = np.random.default_rng(seed)
        x, w = leaf(rng.normal(size=(4, 6, 6, 2))), leaf(rng.normal(size=(3, 3, 2, 3)))
        for _ in range(20):
            loss = o.max_pool(o.relu(o.conv2d(x, w)), 2).sum()
            found = gradient(loss, w)
            x = leaf(x.data * 0.99)
        return found

    expected, found = [work(0), work(1)], [None, None]

    def run(i):
        found[i] = work(i)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_array_equal(a, b)


def test_no_grad_is_a_matter_of_its_own_python_thread():
    x, recorded = leaf(1.0), []
    with tn.no_grad():
        thread = threading.Thread(target=lambda: recorded.append((x * x).requires_grad))
        thread.start()
        thread.join()
    assert recorded == [True]


# --- the Tensor


def test_a_tensor_does_not_copy_an_array():
    array = np.ones(3)
    assert Tensor(array).data is array
    assert Tensor(Tensor(array)).data is array
    assert np.asarray(Tensor(array)) is array
    assert Tensor(array).numpy() is array


@pytest.mark.parametrize("bad", [np.array(["a"]), np.array([1j]), np.array([None]), np.array("2020", "datetime64[D]")])
def test_a_tensor_holds_real_numbers_only(bad):
    with pytest.raises(DTypeError, match=f"has dtype {bad.dtype}".replace("[", r"\[")):
        Tensor(bad)


OPERATORS = [
    operator.add, operator.sub, operator.mul, operator.truediv, operator.pow,
    operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne,
]  # fmt: skip


@pytest.mark.parametrize("function", OPERATORS)
def test_operators_are_those_of_numpy_from_either_side(function):
    a, b = np.array([1.0, 2.0, 3.0]), np.array([3.0, 2.0, 0.5])
    for left, right in itertools.product((a, Tensor(a), 2.0), (b, Tensor(b), 2.0)):
        if isinstance(left, Tensor) or isinstance(right, Tensor):
            found = function(left, right)
            assert isinstance(found, Tensor)
            plain = (x.data if isinstance(x, Tensor) else x for x in (left, right))
            np.testing.assert_array_equal(found.data, function(*plain))


def test_matrix_products_work_from_either_side():
    a = np.arange(4.0).reshape(2, 2)
    for found in (Tensor(a) @ a, a @ Tensor(a), Tensor(a) @ Tensor(a)):
        np.testing.assert_array_equal(found.data, a @ a)


def test_signs():
    x = Tensor([-1.0, 2.0])
    np.testing.assert_array_equal((-x).data, [1, -2])
    np.testing.assert_array_equal(abs(x).data, [1, 2])


def test_methods_are_those_of_numpy():
    a = np.arange(24.0).reshape(2, 3, 4)
    x = Tensor(a)
    for found, expected in [
        (x.sum(), a.sum()), (x.sum(1), a.sum(1)), (x.sum((0, -1), keepdims=True), a.sum((0, -1), keepdims=True)),
        (x.mean(0), a.mean(0)), (x.max(2), a.max(2)), (x.reshape(6, 4), a.reshape(6, 4)),
        (x.reshape((4, -1)), a.reshape(4, -1)), (x.reshape(-1), a.reshape(-1)), (x.T, a.T),
        (x.transpose(), a.T), (x.transpose(0, 2, 1), a.transpose(0, 2, 1)),
        (x.transpose((2, 0, 1)), a.transpose(2, 0, 1)), (x.astype(int), a.astype(int)),
        (x[1, ..., None, ::2], a[1, ..., None, ::2]), (x[[1, 0], [2, 2]], a[[1, 0], [2, 2]]),
    ]:  # fmt: skip
        np.testing.assert_array_equal(found.data, expected, strict=isinstance(expected, np.ndarray))


def test_numbers_come_out_of_a_tensor_of_one_element():
    x = Tensor([[2.5]])
    assert (x.item(), float(x), int(x), bool(x)) == (2.5, 2.5, 2, True)


@pytest.mark.parametrize("read", [Tensor.item, float, int, bool])
def test_no_number_comes_out_of_several_elements(read):
    with pytest.raises(ShapeError, match=r"\(2,\)"):
        read(Tensor([1.0, 2.0]))


def test_a_tensor_is_walked_along_its_first_axis():
    assert [row.data.tolist() for row in Tensor([[1, 2], [3, 4]])] == [[1, 2], [3, 4]]
    assert len(Tensor(np.ones((3, 2)))) == 3
    with pytest.raises(ShapeError, match="without axes"):
        len(Tensor(1.0))


def test_tensors_can_be_keys():
    x, y = Tensor(1.0), Tensor(1.0)
    assert {x: "x", y: "y"}[x] == "x"


def test_what_a_tensor_looks_like():
    assert repr(Tensor([1.0, 2.0])) == "Tensor([1., 2.])"
    assert repr(leaf([1.0], np.float32)) == "Tensor([1.], dtype=float32, requires_grad=True)"
    assert repr(Tensor(Spec((2, 3), np.dtype(np.float32)))) == "Tensor(shape=(2, 3), dtype=float32)"


def test_a_list_before_an_operator_is_its_first_operand():
    t = Tensor([[1.0, 2.0], [3.0, 4.0]])
    rows = [[0.0, 1.0], [2.0, 0.0]]
    np.testing.assert_array_equal((rows @ t).data, np.array(rows) @ t.data)
    np.testing.assert_array_equal((rows - t).data, np.array(rows) - t.data)
    np.testing.assert_array_equal((rows / t).data, np.array(rows) / t.data)


@pytest.mark.parametrize(
    ("change", "value", "slope"),
    [
        (operator.iadd, 5.0, 1.0),
        (operator.isub, -1.0, 1.0),
        (operator.imul, 6.0, 3.0),
        (operator.itruediv, 2 / 3, 1 / 3),
    ],
)
def test_an_operator_in_place_gives_the_name_to_a_new_tensor(change, value, slope):
    x = leaf(2.0)
    y = change(x, 3.0)
    assert (y.item(), x.item()) == (pytest.approx(value), 2)
    assert gradient(y, x) == pytest.approx(slope)
    with tn.no_grad():
        assert change(x * 1.0, 3.0).item() == pytest.approx(value)
        with pytest.raises(GradientError, match="does not change in place"):
            change(x, 3.0)


def test_an_op_shows_its_name():
    assert repr(Op("twice", infer=lambda x: x, compute=lambda x: 2 * x)) == "<Op twice>"


def test_an_op_cannot_be_changed_and_is_told_from_another_by_identity():
    first, second = (Op("twice", infer=len, compute=len) for _ in range(2))
    with pytest.raises(FrozenInstanceError):
        first.name = "thrice"
    assert len({first, first, second}) == 2


def test_a_tensor_looks_like_its_values_here_and_now():
    x = leaf([2.0])
    model = tn.Sequential([tn.Input((1,)), tn.Dense(1, kernel_init="zeros", use_bias=False)], dtype="float64")
    weight = model.parameters["dense.weight"]
    with tn.train_mode(seed=0):
        tn.SGD(0.5).minimize(model([[1.0]]).sum(), model)
        assert repr(weight) == "Tensor([[-0.5]], requires_grad=True)"
    with tracing():  # where they are not final
        assert repr(x) == "Tensor(shape=(1,), dtype=float64, requires_grad=True)"


@pytest.mark.parametrize("read", [lambda t: t.data, np.asarray, float, bool, lambda t: t.numpy(), lambda t: t.item()])
def test_no_values_come_out_of_shapes_alone(read):
    with pytest.raises(TraceError, match=r"shape \(1,\).*compiled=False"):
        read(Tensor(Spec((1,), np.dtype(float))))


def test_a_gradient_with_respect_to_one_tensor():
    t = tn.Tensor([1.0, 2.0, 3.0], requires_grad=True)
    assert [g.data.tolist() for g in tn.grad((t * t).sum(), t)] == [[2.0, 4.0, 6.0]]


def test_a_tensor_of_one_element_is_written_and_rounded_as_a_number():
    t = leaf(2.567)
    assert f"{t:.2f} {t:>6.1f}" == "2.57    2.6"
    assert (round(t, 1), round(t)) == (2.6, 3)
    assert f"{leaf([1.0, 2.0])}" == "Tensor([1., 2.], requires_grad=True)"
    with pytest.raises(ShapeError, match=r"\(2,\)"):
        f"{leaf([1.0, 2.0]):.4f}"


@pytest.mark.parametrize("other", [None, "auto"])
def test_a_tensor_equals_nothing_that_holds_no_numbers(other):
    t = leaf([1.0, 2.0])
    assert (t == other) is False
    assert (other == t) is False
    assert (t != other) is True
    assert t not in ("auto", None)


def test_bool_tensors_are_combined_by_the_signs_of_numpy():
    a, b = np.array([True, True, False, False]), np.array([True, False, True, False])
    for left, right in itertools.product((a, Tensor(a)), (b, Tensor(b))):
        if isinstance(left, Tensor) or isinstance(right, Tensor):
            np.testing.assert_array_equal((left & right).data, a & b)
            np.testing.assert_array_equal((left | right).data, a | b)
    np.testing.assert_array_equal((~Tensor(a)).data, ~a)
    with pytest.raises(DTypeError, match="takes bool tensors, but got float64"):
        Tensor([1.0]) & True


SCALARS = [np.float64(2), np.int64(2), np.float32(2), 2.0, 2]


@pytest.mark.parametrize("scalar", SCALARS, ids=repr)
def test_scalars_of_numpy_take_the_dtype_of_the_tensor_as_those_of_python_do(scalar):
    t = Tensor(np.ones(2, np.float32))
    made = [scalar * t, t * scalar, t**scalar, t / scalar, scalar - t, o.maximum(t, scalar), o.where(t > 0, t, scalar)]
    assert {x.dtype for x in made} == {np.dtype(np.float32)}


def test_scalars_of_numpy_among_themselves_keep_their_dtype():
    assert o.exp(np.float32(1)).dtype == np.float32
    assert (o.add(np.float32(1), 1)).dtype == np.float32


# --- NumPy and lists would lose the history


A, B = 2.0, 3.0


@pytest.mark.parametrize(
    "use",
    [
        lambda a, b: o.sum([a * a, b]),
        lambda a, b: Tensor([a, b]),
        lambda a, b: Tensor([1.0, [a]][1]),
        lambda a, b: Tensor([1.0, 2.0]) * [a, b],
        lambda a, b: o.concatenate([[a, b], [a]]),
        lambda a, b: o.where(Tensor([True, False]), [a, b], 0.0),
        lambda a, b: np.array(a),
        lambda a, b: np.asarray(a),
        lambda a, b: np.cross(a, b),
        lambda a, b: np.sinh(a),
        lambda a, b: tn.Dense(1)([[a, b]]),
    ],
)
def test_what_would_lose_the_history_of_a_tensor_is_refused(use):
    with pytest.raises(GradientError, match=r"lose the history.*tn\.ops\.stack or tn\.ops\.concatenate.*t\.data"):
        use(leaf(A), leaf(B))


@pytest.mark.parametrize(
    ("use", "op"),
    [
        (lambda t: np.exp(t), "np.exp .* use tn.ops.exp,"),
        (lambda t: np.square(t), "np.square .* use tn.ops.power,"),
        (lambda t: np.maximum(t.data, t), "np.maximum .* use tn.ops.maximum,"),
        (lambda t: np.sum(t), "np.sum .* use tn.ops.sum,"),
        (lambda t: np.mean(t, axis=0), "np.mean .* use tn.ops.mean,"),
        (lambda t: np.add.reduce(t), "np.add .* use tn.ops.add,"),
        (lambda t: np.concatenate([t, t]), "np.concatenate .* use tn.ops.concatenate,"),
        (lambda t: np.clip(t, 0, 1), "np.clip .* use tn.ops.clip,"),
        (lambda t: np.add(t.data, t, out=t.data), "np.add .* use tn.ops.add,"),
    ],
)
def test_functions_of_numpy_name_the_op_that_keeps_the_history(use, op):
    t = leaf([1.0, 2.0])
    with pytest.raises(GradientError, match=f"{op} .*t.data"):
        use(t)
    np.testing.assert_array_equal(t.data, [1, 2])


def test_functions_of_numpy_that_are_operators_keep_the_history():
    t = leaf([1.0, 2.0])
    y = np.multiply(np.float64(2), np.add([3.0, 4.0], t)).sum() + np.ones(2) @ t
    assert float(y) == 23
    np.testing.assert_array_equal(tn.grad(y, [t])[0].data, [3, 3])


def test_shapes_of_tensors_are_asked_of_numpy_too():
    t = leaf(np.ones((3, 2)))
    assert (np.shape(t), np.ndim(t), np.size(t), np.size(t, 1)) == ((3, 2), 2, 6, 2)


def test_stacked_tensors_keep_their_history():
    a, b = leaf(A), leaf(B)
    assert gradients(o.sum(o.stack([a * a, b])) + a, a, b) == [5, 1]


def test_numpy_takes_tensors_that_have_no_history_to_lose():
    t = Tensor([1.0, 3.0])
    assert np.sum(t) == 4
    assert np.average([1.0, 5.0], weights=t, axis=0) == 4
    np.testing.assert_array_equal(np.concatenate([t, [5.0]]), [1, 3, 5])
    np.testing.assert_array_equal(Tensor([t, t]).data, [[1, 3], [1, 3]])
    with tn.no_grad():
        assert np.argmax(leaf([1.0, 3.0])) == 1
    np.testing.assert_array_equal(np.exp(t), np.exp([1.0, 3.0]))
    assert np.add.reduce(t) == 4


def test_a_forward_that_calls_numpy_is_refused_when_it_is_trained_eagerly():
    class Cut(tn.Layer):
        def forward(self, x):
            return o.cast(Tensor(np.clip(x, -1, 1)), x.dtype)

    model = tn.Sequential([tn.Input((2,)), tn.Dense(3), Cut()], seed=0)
    with pytest.raises(GradientError, match="lose the history"):
        model.fit(np.eye(2), [0, 1], epochs=1, verbose=0, compiled=False)


# --- what is not a tensor


def test_a_tensor_of_integers_cannot_require_a_gradient_later_either():
    t = Tensor([1, 2])
    with pytest.raises(DTypeError, match=r"only floating tensors have gradients.*int64"):
        t.requires_grad = True
    assert not t.requires_grad
    t = Tensor([1.0, 2.0])
    t.requires_grad = True
    np.testing.assert_array_equal(gradient((t * t).sum(), t), [2, 4])


@pytest.mark.parametrize(
    ("use", "error", "says"),
    [
        (lambda t: tn.grad(t, [3.0]), GradientError, "a float came"),
        (lambda t: tn.grad(3.0, [t]), GradientError, "a float came"),
        (lambda t: tn.grad(t, 3), GradientError, "an? int came"),
        (lambda t: tn.grad(t, [t], [None]), DTypeError, "object"),
        (lambda t: t.sum(1.0), ArgumentError, "sum: axis must be an integer or a sequence of integers, but got 1.0"),
        (lambda t: t.reshape("a"), ArgumentError, "reshape: shape must be"),
        (lambda t: t.transpose(1.5), ArgumentError, "transpose: axes must be"),
        (lambda t: t.astype("foo"), DTypeError, "'foo'"),
        (lambda t: o.broadcast_to(t, "a"), ArgumentError, "broadcast_to: shape must be"),
        (lambda t: o.sum_to(t, None), ArgumentError, "sum_to: shape must be"),
        (lambda t: o.softmax(leaf([1.0]), "a"), ArgumentError, "softmax: axis must be"),
        (lambda t: o.softmax(leaf([[1.0]]), None), ShapeError, "softmax: works along one axis"),
        (lambda t: o.pad(leaf([1.0]), 3), ShapeError, "pad: .* 1 pairs"),
        (lambda t: o.concatenate(5), ArgumentError, "concatenate: takes a list of tensors, but got a int"),
        (lambda t: t + None, DTypeError, "object"),
        (lambda t: t.backward("x"), DTypeError, "<U1"),
        (lambda t: Tensor([[1], [2, 3]]), DTypeError, "cannot be made into an array"),
        (lambda t: leaf([1.0, 2.0])[[[0], [1, 0]]], DTypeError, "cannot be made into an array"),
        (lambda t: tn.Input((2,), shift="a"), DTypeError, "Input: shift must be an array of numbers"),
        (lambda t: t + np.ma.masked_less([1.0], 2), DTypeError, "but is a masked array; say what stands in the gaps"),
        (lambda t: tn.Input(5.0), ArgumentError, "Input: shape must be a sequence"),
        (lambda t: tn.Dense(2).add_parameter("w", "ab"), ArgumentError, "the shape of 'w' must be"),
        (lambda t: tn.Dense(2).add_parameter(3, (2,)), ArgumentError, "a parameter's name must be"),
    ],
)
def test_what_does_not_fit_is_refused_by_an_error_of_the_package(use, error, says):
    with pytest.raises(error, match=says):
        use(leaf(2.0))


def test_what_fills_a_shape_is_one_number_that_never_changes():
    zeros = filled(Spec((1000, 1000), np.dtype("f4")), 7)
    assert is_constant(zeros)
    assert zeros.memory.strides == (0, 0)
    assert (zeros.memory == 7).all()
    assert not is_constant(Tensor(np.ones(3)))
