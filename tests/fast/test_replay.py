"""Unfused replay gives the bits of eager execution, which is the reference: for any network, loss and optimizer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet as tn
from tests.fast.networks import (
    LOSSES,
    OPTIMIZERS,
    Apply,
    Network,
    Problem,
    assert_same_bits,
    networks,
    problems,
    same_bits,
    samples,
    train,
)
from tests.plans import evaluation_plan, inference_plan
from tinynet.core.engine import Tensor
from tinynet.recipes import DOCUMENTED, RECIPES
from tinynet.train.task import find_task

BATCHES = [[0, 1, 2], [5, 3, 4], [6, 7], [2, 0, 7], [3, 6]]  # the last of an epoch smaller


def compare(problem, optimizer, batches=BATCHES):
    """Train both ways; returns the moments of the run."""
    eager, _ = train(problem, optimizer(), batches, compiled=False)
    unfused, _ = train(problem, optimizer(), batches, fused=False)
    assert_same_bits(unfused, eager)
    return eager


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss if isinstance(loss, str) else loss.__name__)
@given(data=st.data())
def test_training_gives_the_bits_of_eager_execution(loss, data):
    problem = data.draw(problems(losses=(loss,)))
    compare(problem, data.draw(st.sampled_from(list(OPTIMIZERS.values()))))


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=list(OPTIMIZERS))
@given(problem=problems(losses=("cross_entropy",)))
def test_every_optimizer_gives_the_bits_of_eager_execution(optimizer, problem):
    moments = compare(problem, optimizer)
    moved = any(not same_bits(moments[0].theta, moment.theta) for moment in moments[1:])
    assert moved or not np.isfinite([moment.loss for moment in moments]).all()


@given(data=st.data())
def test_prediction_and_evaluation_give_the_bits_of_eager_execution(data):
    problem = data.draw(problems())
    model = problem.network.make()
    x, y = Tensor(problem.x), Tensor(problem.y)
    loss = find_task(problem.loss, None).loss
    with tn.no_grad():
        output = model(x)
        value = loss(output, y)
    assert same_bits(inference_plan(model, x.spec, fused=False).run(x=problem.x)["output"], output.data)
    plan, _ = evaluation_plan(model, loss, x.spec, y.spec, fused=False)
    found = plan.run(x=problem.x, y=problem.y)
    assert same_bits(found["output"], output.data)
    assert same_bits(found["loss"], value.data)


@pytest.mark.parametrize("name", DOCUMENTED)
def test_the_reference_models_give_the_bits_of_eager_execution(name):
    """Large enough for several chunks in each kernel."""
    (x, y), _ = tn.datasets.mnist(source="sample")
    recipe = RECIPES[name]

    class Reference(Network):
        def make(self):
            return recipe.model(seed=0)

    batches = [np.arange(32), np.arange(40, 49)]
    compare(Problem(Reference({}, ()), x[:80], y[:80], recipe.loss), lambda: tn.SGD(0.1), batches)


def slope(x):
    """A derivative as part of the forward pass, where there are any."""
    if not x.requires_grad:
        return x
    (g,) = tn.grad((tn.ops.tanh(x) * x).sum(), [x], create_graph=True)
    return x + g


@given(st.integers(0, 1000), st.sampled_from(["float32", "float64"]))
def test_a_forward_that_differentiates_gives_the_bits_of_eager_execution(seed, dtype):
    def dense():
        return tn.Dense(4)

    network = Network({"shape": (3,)}, (dense, lambda: Apply(slope), dense), dtype)
    rng = np.random.default_rng(seed)
    compare(
        Problem(network, samples(rng, (8, 3), "float32"), rng.integers(0, 4, 8), "cross_entropy"), OPTIMIZERS["both"]
    )


@given(networks(outputs=3, dtypes=("float32",)), st.sampled_from(["F", "strided", "reversed", "read-only"]))
def test_data_in_any_layout_give_the_same_bits(network, layout):
    rng = np.random.default_rng(0)
    x = samples(rng, (8, *network.input["shape"]), "float32")
    wide = np.repeat(x, 2, axis=0)
    other = {"F": np.asarray(x, order="F"), "strided": wide[::2], "reversed": x[::-1].copy()[::-1]}.get(
        layout, x.copy()
    )
    labels = np.repeat(rng.integers(0, 3, 8), 2)[::2]
    other.flags.writeable = layout != "read-only"
    expected, _ = train(Problem(network, x, labels.copy(), "cross_entropy"), tn.SGD(0.1), BATCHES, compiled=False)
    found, _ = train(Problem(network, other, labels, "cross_entropy"), tn.SGD(0.1), BATCHES, fused=False)
    assert_same_bits(found, expected)


def test_a_layer_that_stands_in_two_places_gives_the_bits_of_eager_execution():
    class Shared(Network):
        def make(self):
            dense = tn.Dense(5, activation="tanh")
            return tn.Sequential([tn.Input((5,)), dense, tn.ReLU(), dense, tn.Dense(3)], seed=0)

    rng = np.random.default_rng(0)
    x, y = samples(rng, (8, 5), "float64"), rng.integers(0, 3, 8)
    compare(Problem(Shared({}, ()), x, y, "cross_entropy"), OPTIMIZERS["momentum"])


def test_a_learning_rate_that_changes_between_steps_is_no_constant_of_the_plan():
    class Decaying(tn.SGD):
        @property
        def learning_rate(self):
            self.count = getattr(self, "count", 0) + 1
            return 0.1 / self.count

        @learning_rate.setter
        def learning_rate(self, value):
            pass

    network = Network({"shape": (5,)}, (lambda: tn.Dense(3),))
    rng = np.random.default_rng(0)
    problem = Problem(network, samples(rng, (8, 5), "float32"), rng.integers(0, 3, 8), "cross_entropy")
    moments = compare(problem, Decaying)
    constant = compare(problem, lambda: tn.SGD(0.1))
    assert not same_bits(moments[-1].theta, constant[-1].theta)


def test_changes_of_theta_from_outside_are_seen():
    network = Network({"shape": (4,)}, (lambda: tn.Dense(3),))
    model = network.make()
    x = samples(np.random.default_rng(0), (2, 4), "float32")
    plan = inference_plan(model, Tensor(x).spec, fused=False)
    before = plan.run(x=x)["output"]
    model.theta[...] *= 2
    np.testing.assert_array_equal(plan.run(x=x)["output"], 2 * before)
