"""Optimizer.minimize: the step that fit makes, for one model or several, in and out of compiled functions."""

import numpy as np
import pytest

import tinynet as tn
from tests.steps import WAYS, as_run, batches, everything
from tinynet.errors import ArgumentError, GradientError

OPTIMIZERS = {
    "sgd": lambda: tn.SGD(0.1, weight_decay=0.01),
    "momentum": lambda: tn.SGD(0.1, momentum=0.9),
    "adam": lambda: tn.Adam(0.01),
}


def network(seed=0, dtype="float64"):
    return tn.Sequential([tn.Input((3,)), tn.Dense(4, "tanh"), tn.Dense(2)], seed=seed, dtype=dtype)


def cross_entropy(model, x, y):
    return tn.ops.cross_entropy(tn.ops.softmax(model(x)), y)


def by_hand(name, theta, gradients):
    """The parameters after some gradients, by the rules as they are written in textbooks."""
    theta, first, second = theta.copy(), 0.0, 0.0
    for t, gradient_of in enumerate(gradients, 1):
        g = gradient_of(theta)
        if name == "sgd":
            theta -= 0.1 * (g + 0.01 * theta)
        elif name == "momentum":
            first = 0.9 * first + g
            theta -= 0.1 * first
        else:
            first, second = 0.9 * first + 0.1 * g, 0.999 * second + 0.001 * g * g
            theta -= 0.01 * first / (1 - 0.9**t) / (np.sqrt(second / (1 - 0.999**t)) + 1e-8)
    return theta


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_parameters_move_by_the_rule(name, way):
    model, optimizer, mode = network(), OPTIMIZERS[name](), tn.train_mode(seed=0)
    data = batches(4, dtype="float64")

    def step(x, y):
        loss = cross_entropy(model, x, y)
        optimizer.minimize(loss, model)
        return loss

    def gradient_of(other, x, y):
        def gradient(theta):
            other.theta[...] = theta
            found = tn.grad(cross_entropy(other, x, y), list(other.parameters.values()))
            return np.concatenate([g.data.ravel() for g in found])

        return gradient

    expected = by_hand(name, model.theta, [gradient_of(network(), *batch) for batch in data])
    run = as_run(step, way)
    for batch in data:
        with mode:
            run(*batch)
    np.testing.assert_allclose(model.theta, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("compiled", [False, True])
def test_a_loop_by_hand_has_the_bits_of_fit(name, compiled):
    (x, y), _ = batches(2, size=12, dtype="float32")
    fitted, model = network(dtype="float32"), network(dtype="float32")
    fitted.fit(
        x, y, epochs=3, batch_size=None, optimizer=OPTIMIZERS[name](), shuffle=False, verbose=0, compiled=compiled
    )
    optimizer, mode = OPTIMIZERS[name](), tn.train_mode(seed=0)
    data = [tn.Tensor(x), tn.Tensor(y)]

    def step(indices):
        loss = tn.ops.cross_entropy(model(data[0][indices]), data[1][indices])
        optimizer.minimize(loss, model)
        return loss

    run = as_run(step, "fused" if compiled else "eager")
    for _ in range(3):
        with mode:
            run(np.arange(12))
    np.testing.assert_allclose(model.theta, fitted.theta, rtol=1e-5, atol=1e-7)
    if not compiled:
        np.testing.assert_array_equal(model.theta, fitted.theta)


@pytest.mark.parametrize("way", WAYS)
def test_several_models_move_by_one_loss(way):
    first, second, optimizer = network(0), network(1), tn.SGD(0.1, momentum=0.9)
    apart = network(0), network(1)

    def step(x):
        loss = ((first(x) - second(x)) ** 2).mean()
        optimizer.minimize(loss, [first, second])
        return loss

    run, mode = as_run(step, way), tn.train_mode(seed=0)
    other_optimizer = tn.SGD(0.1, momentum=0.9)
    for x, _ in batches(3, dtype="float64"):
        with mode:
            run(x)
        for model in apart:
            model.zero_grad()
        ((apart[0](x) - apart[1](x)) ** 2).mean().backward()
        for model in apart:
            other_optimizer.step(model)
    for model, other in zip((first, second), apart, strict=True):
        np.testing.assert_allclose(model.theta, other.theta, rtol=1e-9, atol=1e-12)


def test_each_model_has_slots_of_its_own():
    first, second, optimizer = network(0), network(1), tn.Adam(0.1)
    x, y = batches(1, dtype="float64")[0]
    with tn.train_mode(seed=0):
        optimizer.minimize(cross_entropy(first, x, y), first)
    assert optimizer.state_of(first)["steps"] == 1
    assert optimizer.state_of(second)["steps"] == 0
    assert not optimizer.state_of(second)["first_moment"].any()


@pytest.mark.parametrize("way", WAYS)
def test_a_learning_rate_that_is_set_is_seen_without_a_new_trace(way):
    model, optimizer, mode = network(), tn.SGD(1.0), tn.train_mode(seed=0)
    x, y = batches(1, dtype="float64")[0]

    def step(x, y):
        loss = cross_entropy(model, x, y)
        optimizer.minimize(loss, model)
        return loss

    run, moved = as_run(step, way), []
    for rate in (1e-3, 1e-6):
        optimizer.learning_rate = rate
        before = model.theta.copy()
        with mode:
            run(x, y)
        moved.append(np.linalg.norm(model.theta - before))
    np.testing.assert_allclose(moved[0] / moved[1], 1e3, rtol=0.02)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("rate", [np.nan, np.inf, -1.0, "fast", None])
def test_a_learning_rate_that_is_none_is_refused_and_nothing_changes(way, rate):
    model, optimizer, mode = network(), tn.Adam(0.1), tn.train_mode(seed=0)
    x, y = batches(1, dtype="float64")[0]

    def step(x, y):
        loss = cross_entropy(model, x, y)
        optimizer.minimize(loss, model)
        return loss

    run = as_run(step, way)
    with mode:
        run(x, y)
    before = everything([model], [optimizer], mode)
    optimizer.learning_rate = rate
    with pytest.raises(ArgumentError, match="Adam: learning_rate must be a finite number"), mode:
        run(x, y)
    assert everything([model], [optimizer], mode) == before


@pytest.mark.parametrize("way", WAYS)
def test_transforms_act_between_the_gradient_and_the_update(way):
    model, optimizer, mode = network(), tn.SGD(0.1), tn.train_mode(seed=0)
    x, y = batches(1, dtype="float64")[0]
    optimizer.transforms = (lambda gradients: [g * 0.0 + 1.0 for g in gradients],)
    before = model.theta.copy()

    def step(x, y):
        loss = cross_entropy(model, x, y)
        optimizer.minimize(loss, model)
        return loss

    run = as_run(step, way)
    with mode:
        run(x, y)
    np.testing.assert_allclose(model.theta, before - 0.1, rtol=1e-12)


def test_parameters_that_the_loss_does_not_depend_on_stay():
    class Half(tn.Model):
        def __init__(self):
            super().__init__((3,), seed=0)
            self.used, self.unused = tn.Dense(2), tn.Dense(2)

        def forward(self, x):
            self.unused(x)
            return self.used(x)

    model = Half()
    before = {name: p.data.copy() for name, p in model.parameters.items()}
    with tn.train_mode(seed=0):
        tn.SGD(0.1).minimize((model(np.ones((2, 3))) ** 2).sum(), model)
    changed = [name for name, p in model.parameters.items() if (p.data != before[name]).any()]
    assert changed == ["dense.weight", "dense.bias"]


@pytest.mark.parametrize("way", WAYS)
def test_a_penalty_on_the_gradient_with_respect_to_the_input(way):
    model, optimizer, mode = network(), tn.Adam(0.01), tn.train_mode(seed=0)
    expected = network()
    penalties = []

    def step_of(model, optimizer):
        def step(x):
            x = tn.Tensor(x)
            x.requires_grad = True
            (slope,) = tn.grad(model(x).sum(), [x], create_graph=True)
            penalty = ((slope * slope).sum(-1) - 1.0).mean() ** 2
            optimizer.minimize(penalty, model)
            return penalty

        return step

    run, eager, eager_mode = as_run(step_of(model, optimizer), way), step_of(expected, tn.Adam(0.01)), tn.train_mode(0)
    for x, _ in batches(4, dtype="float64") * 5:
        with mode:
            penalties.append(float(run(x)[0]))
        with eager_mode:
            eager(x)
    assert penalties[-1] < penalties[0]
    if way == "fused":
        np.testing.assert_allclose(model.theta, expected.theta, rtol=1e-8)
    else:
        np.testing.assert_array_equal(model.theta, expected.theta)


def test_what_cannot_be_minimised_is_refused_and_nothing_changes():
    model, optimizer = network(), tn.Adam(0.1)
    x, y = batches(1, dtype="float64")[0]
    mode = tn.train_mode(seed=0)
    before = everything([model], [optimizer], mode)
    with pytest.raises(ArgumentError, match=r"Optimizer.minimize is part of a step of training.*with mode:"):
        optimizer.minimize(cross_entropy(model, x, y), model)
    cases = {
        "depends on no tensor": lambda: tn.Tensor(1.0),
        "a gradient is taken of one number": lambda: model(x),
        "minimize takes a Tensor .* but got a float": lambda: 1.0,
        "dtype int64 depends on no tensor": lambda: tn.Tensor(1),
    }
    for message, loss in cases.items():
        with pytest.raises(GradientError, match=message), mode:
            optimizer.minimize(loss(), model)
    frozen = network()
    frozen.trainable = False
    with pytest.raises(ArgumentError, match="nothing to train: no parameter is trainable"), mode:
        optimizer.minimize(cross_entropy(model, x, y), frozen)
    for models in ([], None, "model", [model, None]):
        with pytest.raises(ArgumentError, match="an optimizer moves a model"), mode:
            optimizer.minimize(cross_entropy(model, x, y), models)
    assert everything([model], [optimizer], mode) == before
