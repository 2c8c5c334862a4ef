"""Ops are known by their identity: one of the user's own is computed as it says, whatever it is called."""

from functools import partial

import numpy as np
import pytest

import tinynet as tn
from tests.fast.networks import Apply, Network, Problem, assert_close, train
from tests.ops.op_table import OPS
from tests.plans import inference_plan
from tinynet.core.engine import Tensor
from tinynet.core.spec import Spec
from tinynet.fast import fusions

o = tn.ops
BATCHES = [[0, 1, 2], [3, 4], [5, 2, 0]]


def unary(name):
    """An op of one input that is not an op of tinynet: a line."""
    return tn.Op(name, infer=lambda x: x, compute=lambda x: 0.5 * x + 0.125, vjp=(lambda g, y, x: 0.5 * g,))


def binary(name):
    """An op of two inputs of one shape, or the second for the last axis of the first: x - 2 y."""
    return tn.Op(
        name, infer=lambda x, y: x, compute=lambda x, y: x - 2 * y,
        vjp=(lambda g, out, x, y: g, lambda g, out, x, y: o.sum_to(-2 * g, y.shape)),
    )  # fmt: skip


def at_each_place(op):
    """A network in which every pattern of a fusion ends in the op, or has it inside."""
    layers = (
        partial(Apply, lambda x: op(o.cast(x, "float64") - 1.0) * 0.5),
        partial(tn.Conv2D, 2, (2, 2)),
        partial(Apply, lambda x: o.max_pool(op(x), 2)),
        partial(Apply, lambda x: op(o.max_pool(o.relu(x), (1, 1)))),
        partial(tn.Flatten),
        partial(tn.Dense, 4),
        partial(Apply, op),
        partial(tn.Dense, 3),
    )
    return Network({"shape": (5, 5, 1)}, layers, "float64")


def loss_with(op):
    def loss(output, labels):
        logs = op(o.log_softmax(output))
        return -o.mean(o.getitem(logs, (np.arange(output.shape[0]), labels))) + op(o.cross_entropy(output, labels))

    return loss


class Descent(tn.Optimizer):
    """The step of gradient descent, by ops of the user's own."""

    def __init__(self, subtract, multiply):
        super().__init__(0.1)
        self.subtract, self.multiply = subtract, multiply

    def update(self, theta, gradient, learning_rate, **state):
        return (self.subtract(theta, self.multiply(gradient, gradient) * learning_rate),)


def agree(network, loss, optimizer):
    """Train compiled and eagerly; returns the names of the calls of the compiled step."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (8, *network.input["shape"]), np.uint8) / 64
    problem = Problem(network, x, rng.integers(0, 3, 8), loss)
    compiled, step = train(problem, optimizer(), BATCHES)
    eager, _ = train(problem, optimizer(), BATCHES, compiled=False)
    assert_close(compiled, eager, 1e-10)
    return [call.name for call in step.compiled.plans[0].calls]


@pytest.mark.parametrize("name", OPS)
def test_an_op_of_one_input_is_never_taken_for_another_of_its_name(name):
    op = unary(name)
    names = agree(at_each_place(op), loss_with(op), partial(tn.SGD, 0.1))
    # relu_gradient and the like are of the one relu that is tinynet's.
    assert names.count(name) >= 5


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide", "matmul", "where", "maximum", "index"])
def test_an_op_of_two_inputs_is_never_taken_for_another_of_its_name(name):
    op = binary(name)

    class Layer(tn.Layer):
        def build(self, input_shape, rng):
            self.weight = self.add_parameter("weight", (input_shape[-1], 3), lambda s, rng: rng.normal(size=s))
            self.bias = self.add_parameter("bias", (3,), lambda s, rng: rng.normal(size=s))

        def forward(self, x):
            return o.relu(op(x @ self.weight, self.bias)) + op(x @ self.weight, self.bias)

    network = Network({"shape": (4,)}, (Layer,), "float64")
    names = agree(network, "cross_entropy", partial(Descent, op, op))
    assert names.count(name) >= 3
    assert "descend" not in names


@pytest.mark.parametrize("name", ["relu", "add", "max_pool", "multiply", "cast", "softmax_cross_entropy"])
def test_a_prediction_computes_the_op_that_is_written(name):
    op = unary(name)

    class Written(tn.Model):
        def __init__(self):
            self.dense = tn.Dense(3)
            super().__init__(input_shape=(4,), seed=0)

        def forward(self, x):
            return op(self.dense(x))

    model, x = Written(), np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    np.testing.assert_allclose(model.predict(x), model.predict(x, compiled=False), rtol=1e-6)
    plan = inference_plan(model, Spec(x.shape, x.dtype))
    assert [call.name for call in plan.calls] == ["matmul_bias", name]
    assert plan.calls[1].node.op is op


def test_a_loss_looks_through_no_activation_of_the_users_own():
    x = Tensor([[800.0, 0.0]])
    assert o.cross_entropy(unary("softmax")(x), [1]).item() == 400
    assert o.binary_cross_entropy(unary("sigmoid")(x[0, :1]), [0]).item() == 400.125


def test_two_ops_of_one_name_are_two_ops_in_a_plan():
    half, other = unary("same"), tn.Op("same", infer=lambda x: x, compute=lambda x: x * 3)

    class Both(tn.Model):
        def forward(self, x):
            return half(x) + other(x)

    x = np.array([[1.0, 2.0]])
    assert Both(input_shape=(2,), dtype="float64").predict(x).tolist() == [[3.625, 7.125]]


def test_no_rule_of_a_fusion_is_asked_for_a_graph_without_its_ops():
    """Each pattern looks at the op before it looks at its inputs, of which there may be any number."""
    nothing = tn.Op("nothing", infer=lambda: Spec((2, 3), np.dtype("f8")), compute=lambda: np.ones((2, 3)))
    many = tn.Op("multiply", infer=lambda *xs: xs[0], compute=lambda *xs: sum(xs))

    class Odd(tn.Model):
        def forward(self, x):
            return many(nothing(), nothing() * x, x)

    assert Odd(input_shape=(3,), dtype="float64").predict(np.ones((2, 3))).tolist() == [[3] * 3] * 2
    assert all(fusion.pattern for fusion in fusions.FUSIONS)
