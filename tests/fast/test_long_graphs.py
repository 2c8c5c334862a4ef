"""Plans of long graphs: their calls and bytes grow with the number of nodes, and are no more than eager execution's."""

import math
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet as tn
from tests.fast.networks import same_bits
from tests.fast.test_plan import assert_apart, planned
from tinynet.core.engine import Node, Tensor, ancestors
from tinynet.core.graph import Graph
from tinynet.core.mode import tracing
from tinynet.core.spec import Spec
from tinynet.fast.compile import fuse_graph
from tinynet.fast.plan import Plan

o = tn.ops
BATCH, WIDTH = 2, 16  # the weights are larger than what a step makes

BODIES = [
    lambda h, x, w, t: o.tanh(x[:, t] + h),
    lambda h, x, w, t: o.tanh(x[:, t] @ w + h),
    lambda h, x, w, t: o.relu(h @ w + w[t % WIDTH]) + x[:, t],
    lambda h, x, w, t: h * x[:, t] - h,
    lambda h, x, w, t: o.tanh(x[:, t] * x[:, t - 1] + h),
    lambda h, x, w, t: o.concatenate([x[:, t, :3] * 2, h[:, 3:]], axis=1),
    lambda h, x, w, t: o.tanh(h + x[:, t : t + 1].reshape(BATCH, WIDTH)),
    lambda h, x, w, t: o.tanh(x[:, t].T.reshape(BATCH, WIDTH) + h),
    lambda h, x, w, t: o.softmax(h + x[:, t].mean(0)),
]  # fmt: skip


@st.composite
def loops(draw):
    """A function of data (batch, steps, width) and weights that takes the steps one after another."""
    picks = draw(st.lists(st.sampled_from(BODIES), min_size=1, max_size=3))
    stacked = draw(st.booleans())

    def function(x, w):
        states = [x[:, 0]]
        for t in range(1, x.shape[1]):
            states.append(picks[t % len(picks)](states[-1], x, w, t))
        return (o.stack(states, axis=1) if stacked else states[-1]).mean()

    return function


class Planned(NamedTuple):
    """A plan of a value and its gradients, and the nodes of the value alone."""

    plan: Plan
    forward: list[Node]


def plan_of(function, steps, fused):
    with tracing():
        leaves = [Tensor(Spec(s, np.dtype("f4")), True) for s in ((BATCH, steps, WIDTH), (WIDTH, WIDTH))]
        y = function(*leaves)
        gradients = tn.grad(y, leaves)
        outputs = {str(i): value for i, value in enumerate([y, *gradients])}
        plan = Plan(*fuse_graph(Graph(dict(zip("xw", leaves, strict=True)), outputs), fused))
    return Planned(plan, ancestors([y]))


def held_by_eager_execution(nodes):
    """The bytes of the values that a graph holds until its gradients are made."""
    values = [value for node in nodes if not node.op.view for value in node.values]
    return sum(math.prod(value.shape) * value.dtype.itemsize for value in values)


with_and_without_fusion = pytest.mark.parametrize("fused", [False, True], ids=["unfused", "fused"])


@with_and_without_fusion
@given(loops())
def test_calls_and_bytes_of_a_loop_grow_with_its_steps(fused, function):
    short, long = (plan_of(function, steps, fused).plan for steps in (40, 80))
    assert len(long.calls) <= 2.2 * len(short.calls)
    assert long.bytes <= 2.2 * short.bytes


@with_and_without_fusion
@given(loops())
def test_the_plan_of_a_loop_takes_no_more_than_eager_execution(fused, function):
    plan, forward = plan_of(function, 60, fused)
    data, weights = 4 * BATCH * 60 * WIDTH, 4 * WIDTH * WIDTH
    waiting, gradient, sum_of_both = data, data, data
    assert plan.bytes <= held_by_eager_execution(forward) + waiting + gradient + sum_of_both + 4 * weights


@given(loops(), st.integers(0, 2**32 - 1))
def test_the_plan_of_a_loop_gives_the_values_of_eager_execution(function, seed):
    rng = np.random.default_rng(seed)
    x, w = rng.standard_normal((BATCH, 9, WIDTH), np.float32), rng.standard_normal((WIDTH, WIDTH), np.float32) / WIDTH
    leaves = [Tensor(a, requires_grad=True) for a in (x, w)]
    y = function(*leaves)
    expected = [y.data, *(g.data for g in tn.grad(y, leaves))]
    for fused in (False, True):
        plan = plan_of(function, 9, fused).plan
        assert_apart(plan)
        for _ in range(2):
            found = plan.run(x=x, w=w).values()
            for a, b in zip(found, expected, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
                assert fused or same_bits(a, b)


def test_copies_of_parts_that_are_not_in_row_order_take_the_same_memory():
    def products(n):
        return planned(lambda x, w: sum((x[:, i] @ w for i in range(n)), np.zeros((2, 4))), (2, 50, 3), (3, 4)).bytes

    assert products(50) == products(5)


def test_a_copy_lives_as_long_as_a_view_of_it():
    plan = planned(lambda x: o.tanh(o.exp(x.T.reshape(-1)).sum() + x * 2) + x.T.reshape(2, 3), (2, 3))
    x = np.arange(6.0).reshape(2, 3) / 9
    for _ in range(2):
        (y,) = plan.run(a=x).values()
        np.testing.assert_allclose(y, np.tanh(np.exp(x).sum() + 2 * x) + x.T.reshape(2, 3))
    assert_apart(plan)


def test_backward_through_the_rows_of_a_tensor_is_a_few_calls_a_row():
    def gradient(n):
        return planned(lambda x: tn.grad(sum((row * row).sum() for row in x), [x])[0], (n, 5))

    short, long = gradient(50), gradient(100)
    assert len(long.calls) <= 2 * len(short.calls)
    assert long.bytes <= 2 * short.bytes
    assert short.bytes <= 3 * 50 * 5 * 8
