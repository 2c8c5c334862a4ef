"""Random numbers that a plan would repeat for ever are refused, wherever they come from; what does not draw is not."""

import functools
import random
import secrets
import types

import numpy as np
import pytest

import tinynet as tn
from tests.fast.networks import Apply
from tinynet.errors import TraceError

X, Y = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32), np.arange(6) % 2
RNG = np.random.default_rng(1)

helpers = types.ModuleType("helpers")
helpers.rng = np.random.default_rng(2)
helpers.scale = lambda: helpers.rng.uniform()


class Settings:
    """An object of the user's, which holds a generator."""

    def __init__(self):
        self.rng = np.random.default_rng(3)

    def scale(self):
        return self.rng.uniform()


class ByMethod(tn.Layer):
    def scale(self):
        return RNG.uniform()

    def forward(self, x):
        return x * self.scale()


class ByClassAttribute(tn.Layer):
    rng = np.random.default_rng(4)

    def forward(self, x):
        return x * self.rng.uniform()


class ByObject(tn.Layer):
    def __init__(self):
        self.settings = Settings()

    def forward(self, x):
        return x * self.settings.scale()


class ByProperty(tn.Layer):
    @property
    def scale(self):
        return RNG.uniform()

    def forward(self, x):
        return x * self.scale


def by_closure(generator, draw):
    return lambda: Apply(lambda x: x * draw(generator))


def of_default(x, rng=np.random.default_rng(5)):  # noqa: B008 - the one generator is meant
    return x * rng.uniform()


GENERATORS = {
    "Generator": by_closure(np.random.default_rng(0), lambda g: g.uniform()),
    "RandomState": by_closure(np.random.RandomState(0), lambda g: g.uniform()),
    "BitGenerator": by_closure(np.random.PCG64(0), lambda g: g.random_raw() % 97),
    "Random": by_closure(random.Random(0), lambda g: g.random()),
    "SystemRandom": by_closure(random.SystemRandom(), lambda g: g.random()),
    "numpy's": lambda: Apply(lambda x: x * np.random.uniform()),  # noqa: NPY002 - a user's
    "Python's": lambda: Apply(lambda x: x * random.random()),
    "secrets": lambda: Apply(lambda x: x * secrets.randbelow(10**9)),
    "a new one": lambda: Apply(lambda x: x * np.random.default_rng().uniform()),
    "an array": by_closure(np.random.default_rng(0), lambda g: g.uniform(size=3).astype(np.float32)),
}
PLACES = {
    "method": ByMethod,
    "property": ByProperty,
    "class": ByClassAttribute,
    "object": ByObject,
    "global": lambda: Apply(lambda x: x * RNG.uniform()),
    "module": lambda: Apply(lambda x: x * helpers.rng.uniform()),
    "function of a module": lambda: Apply(lambda x: x * helpers.scale()),
    "comprehension": lambda: Apply(lambda x: x * sum([RNG.uniform() for _ in range(2)])),
    "inner function": lambda: Apply(lambda x: (lambda: x * RNG.uniform())()),
    "default": lambda: Apply(of_default),
    "partial": lambda: Apply(functools.partial(of_default, rng=np.random.default_rng(6))),
    "bound method": lambda: Apply(Noisy().apply),
    "iterator": lambda: Apply(functools.partial(by_iterator, iter(RNG.uniform(size=99).astype("f4")[:, None]))),
}


class Noisy:
    def __init__(self):
        self.settings = Settings()

    def apply(self, x):
        return x * self.settings.scale()


def by_iterator(numbers, x):
    return x * np.array(next(numbers))


def network(layer):
    return tn.Sequential([tn.Input((3,)), layer, tn.Dense(2)], seed=0)


MESSAGE = (
    "(draws random numbers while it is traced|makes other arrays when it is traced again).*tn.random within a step"
)


@pytest.mark.parametrize("make", [*GENERATORS.values(), *PLACES.values()], ids=[*GENERATORS, *PLACES])
def test_random_numbers_in_a_forward_are_refused(make):
    with pytest.raises(TraceError, match=MESSAGE):
        network(make()).predict(X)


@pytest.mark.parametrize("make", GENERATORS.values(), ids=GENERATORS)
def test_so_they_are_in_fit_evaluate_objectives_and_compiled_functions(make):
    model = network(make())
    theta = model.theta.copy()
    for call in (
        lambda: model.fit(X, Y, epochs=1, seed=0, verbose=0),
        lambda: model.evaluate(X, Y),
        lambda: tn.Objective(model, X, Y).value(model.theta),
        lambda: model.fit(X, Y, epochs=1, batch_size=None, optimizer=tn.GradientDescent(), verbose=0),
        lambda: tn.compile(model)(X),
        lambda: tn.compile(model, freeze=True)(X),
        lambda: tn.compile(lambda x: model(x) * 2.0)(X),
    ):
        with pytest.raises(TraceError, match=MESSAGE):
            call()
    np.testing.assert_array_equal(model.theta, theta)


@pytest.mark.parametrize("name", ["Generator", "Python's", "an array"])
def test_without_plans_they_are_drawn_anew(name):
    model = network(GENERATORS[name]())
    first, second = (model.predict(X, compiled=False) for _ in range(2))
    assert (first != second).any()


def test_a_loss_that_draws_is_refused():
    rng = np.random.default_rng(0)

    def loss(output, labels):
        return (output**2).mean() * rng.uniform()

    with pytest.raises(TraceError, match=MESSAGE):
        network(tn.ReLU()).fit(X, Y, epochs=1, loss=loss, seed=0, verbose=0)


def test_generators_that_are_there_and_do_not_draw_are_no_matter():
    settings, calls = Settings(), []

    def forward(x):
        calls.append(settings.rng is not RNG)
        return x * 0.3 + np.float32(0.1)

    model = network(Apply(forward))
    np.testing.assert_allclose(model.predict(X), model.predict(X, compiled=False), rtol=1e-5)


def test_an_array_that_the_user_holds_is_not_drawn_though_its_base_is_held_by_nobody_else():
    table, calls = np.arange(9, dtype=np.float32)[6:], []

    def function(x):
        calls.append(len(calls))
        return x * table

    np.testing.assert_array_equal(tn.compile(function)(X), X * table)
    assert calls == [0]


def test_layers_that_draw_from_the_step_are_off_in_objectives():
    model = network(tn.Dropout(0.5))
    objective = tn.Objective(model, X, Y)
    assert objective.value(model.theta) == objective.value(model.theta)
    np.testing.assert_allclose(objective.value(model.theta), model.evaluate(X, Y)["loss"], rtol=1e-5)


def test_a_bit_that_is_the_same_in_two_traces_is_refused_too(monkeypatch):
    bits = iter([1, 1, 1, 0] + [1] * 99)
    monkeypatch.setattr(secrets, "randbits", lambda count: next(bits))
    with pytest.raises(TraceError, match=MESSAGE):
        network(Apply(lambda x: x * np.full(3, secrets.randbits(1), np.float32))).predict(X)
