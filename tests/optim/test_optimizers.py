"""Optimizers follow their published formulas, however a step is made: against plain loops over numbers in float64."""

import copy
import math
import pickle
from functools import partial
from itertools import product

import numpy as np
import pytest

import tinynet as tn
from tests.train.test_fit import run as train
from tinynet.errors import ArgumentError, NonFiniteError
from tinynet.fast.threads import kernel_gate
from tinynet.optim.optimizer import hyperparameters, set_hyperparameters
from tinynet.train.step import BatchStep
from tinynet.train.task import find_task

STEPS = 30


# --- the formulas, for one parameter: each takes its value, its gradients by step, and returns its values by step


def sgd(theta, gradients, rate, momentum=0.0, weight_decay=0.0, nesterov=False):
    velocity = 0.0
    for g in gradients:
        g = g + weight_decay * theta
        velocity = momentum * velocity + g
        theta = theta - rate * (g + momentum * velocity if nesterov else velocity)
        yield theta


def adam(theta, gradients, rate, beta1=0.9, beta2=0.999, epsilon=1e-8, weight_decay=0.0, decoupled=False):
    first = second = 0.0
    for t, g in enumerate(gradients, 1):
        if decoupled:
            theta = theta - rate * weight_decay * theta
        else:
            g = g + weight_decay * theta
        first = beta1 * first + (1 - beta1) * g
        second = beta2 * second + (1 - beta2) * g * g
        theta = theta - rate * (first / (1 - beta1**t)) / (math.sqrt(second / (1 - beta2**t)) + epsilon)
        yield theta


def adamw(theta, gradients, rate, weight_decay=0.01, **betas):
    yield from adam(theta, gradients, rate, weight_decay=weight_decay, decoupled=True, **betas)


def rmsprop(theta, gradients, rate, rho=0.9, momentum=0.0, epsilon=1e-8, weight_decay=0.0):
    square = velocity = 0.0
    for g in gradients:
        g = g + weight_decay * theta
        square = rho * square + (1 - rho) * g * g
        velocity = momentum * velocity + g / (math.sqrt(square) + epsilon)
        theta = theta - rate * velocity
        yield theta


CASES = {
    "sgd": (tn.SGD, sgd, {}),
    "decay": (tn.SGD, sgd, {"weight_decay": 0.3}),
    "momentum": (tn.SGD, sgd, {"momentum": 0.9, "weight_decay": 0.1}),
    "nesterov": (tn.SGD, sgd, {"momentum": 0.8, "weight_decay": 0.1, "nesterov": True}),
    "adam": (tn.Adam, adam, {"beta1": 0.8, "beta2": 0.95, "epsilon": 1e-3}),
    "adam with decay": (tn.Adam, adam, {"weight_decay": 0.2}),
    "adamw": (tn.AdamW, adamw, {"weight_decay": 0.4, "beta1": 0.7}),
    "adamw by default": (tn.AdamW, adamw, {}),
    "rmsprop": (tn.RMSprop, rmsprop, {"rho": 0.8}),
    "rmsprop with all": (tn.RMSprop, rmsprop, {"momentum": 0.7, "epsilon": 1e-2, "weight_decay": 0.2}),
}
RATE = 0.05


def network():
    """A model whose loss is made to have any gradient that a test wants."""
    layers = [tn.Input((2,)), tn.Dense(3, "tanh"), tn.Dense(1, use_bias=False)]
    model = tn.Sequential(layers, seed=0, dtype="float64")
    model.theta[...] = np.random.default_rng(1).normal(size=model.theta.size)
    return model


def directions(size, steps=STEPS):
    return np.random.default_rng(2).normal(size=(steps, size)) * np.geomspace(1e-2, 10, size)


def expected(model, gradients, formula, **options):
    """Return theta after each step."""
    columns = [
        list(formula(float(theta), map(float, gradients[:, i]), RATE, **options)) for i, theta in enumerate(model.theta)
    ]
    return np.array(columns).T


def linear_loss(model, direction):
    """A loss with a given gradient."""
    loss, start = 0.0, 0
    for parameter in model.parameters.values():
        part = tn.ops.reshape(direction[start : start + parameter.size], parameter.shape)
        loss, start = loss + (parameter * part).sum(), start + parameter.size
    return loss


def by_step(model, optimizer):
    def step(direction):
        model.gradient[...] = direction
        optimizer.step(model)

    return step


def by_minimize(model, optimizer, compiled):
    def descend(direction):
        loss = linear_loss(model, direction)
        optimizer.minimize(loss, model)
        return loss

    run, mode = tn.compile(descend) if compiled else lambda d: descend(tn.Tensor(d)), tn.train_mode(seed=0)

    def step(direction):
        with mode:
            run(direction)

    return step


WAYS = {
    "step": by_step,
    "minimize": lambda m, o: by_minimize(m, o, False),
    "compiled": lambda m, o: by_minimize(m, o, True),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", CASES)
def test_each_step_is_that_of_the_formula(case, way):
    kind, formula, options = CASES[case]
    model = network()
    gradients = directions(model.theta.size)
    wanted = expected(model, gradients, formula, **options)
    step = WAYS[way](model, kind(RATE, **options))
    for gradient, theta in zip(gradients, wanted, strict=True):
        step(gradient)
        np.testing.assert_allclose(model.theta, theta, rtol=1e-12, atol=1e-13)


FROZEN = {
    "nesterov": [0.82, 0.576],
    "adamw": [0.8801, 0.76258601],
    "rmsprop": [0.683772234, 0.454356507],
}


@pytest.mark.parametrize("case", FROZEN)
def test_two_steps_by_hand(case):
    """From 1, with the gradient 1 and the rate 0.1."""
    make = {
        "nesterov": tn.SGD(0.1, momentum=0.8, nesterov=True),
        "adamw": tn.AdamW(0.1, weight_decay=0.199),
        "rmsprop": tn.RMSprop(0.1),
    }
    model = network()
    model.theta[...] = 1
    for wanted in FROZEN[case]:
        by_step(model, make[case])(np.ones(model.theta.size))
        np.testing.assert_allclose(model.theta, wanted, rtol=1e-7)


# --- clipping


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", ["momentum", "adam", "rmsprop"])
def test_a_clipped_gradient_is_scaled_to_the_norm_or_cut_at_the_value(case, way):
    kind, formula, options = CASES[case]
    gradients = directions(network().theta.size)
    norms = np.sqrt((gradients**2).sum(axis=1, keepdims=True))
    most = float(np.median(norms))  # so that some are clipped and some are not
    for clip, clipped in (
        ({"clip_norm": most}, gradients * most / np.maximum(norms, most)),
        ({"clip_value": 0.5}, np.clip(gradients, -0.5, 0.5)),
    ):
        model = network()
        wanted = expected(model, clipped, formula, **options)
        step = WAYS[way](model, kind(RATE, **options, **clip))
        for gradient, theta in zip(gradients, wanted, strict=True):
            step(gradient)
            np.testing.assert_allclose(model.theta, theta, rtol=1e-10, atol=1e-12)


def moved(optimizer, gradient, dtype="float32", freeze=()):
    """Return by how much one step with the rate 1 moves a network with two layers."""
    model = tn.Sequential([tn.Input((2,)), tn.Dense(2), tn.Dense(2)], seed=0, dtype=dtype)
    model.build_model()
    for i in freeze:
        model.layers[i].trainable = False
    before = model.theta.copy()
    model.gradient[...] = gradient
    optimizer.step(model)
    return before - model.theta


def test_a_gradient_within_the_norm_keeps_every_bit():
    gradient = np.random.default_rng(0).normal(size=12).astype(np.float32)
    norm = float(np.sqrt((gradient.astype(np.float64) ** 2).sum()))
    plain = moved(tn.SGD(1.0), gradient)
    np.testing.assert_array_equal(moved(tn.SGD(1.0, clip_norm=norm * 1.001), gradient), plain)
    np.testing.assert_array_equal(moved(tn.SGD(1.0, clip_value=10.0), gradient), plain)
    assert not np.array_equal(moved(tn.SGD(1.0, clip_norm=norm * 0.999), gradient), plain)


def test_the_norm_is_that_of_all_trained_parts_together():
    gradient = np.full(12, 3.0)
    whole = moved(tn.SGD(1.0, clip_norm=1.0), gradient, "float64")
    np.testing.assert_allclose(np.linalg.norm(whole), 1)
    apart = moved(tn.SGD(1.0, clip_norm=1.0, decay="weights"), gradient, "float64")
    np.testing.assert_allclose(apart, whole, rtol=1e-14)
    frozen = moved(tn.SGD(1.0, clip_norm=1.0), gradient, "float64", freeze=[1])
    assert not frozen[:6].any()
    np.testing.assert_allclose(np.linalg.norm(frozen), 1)


def test_squares_that_overflow_in_float32_are_clipped_all_the_same():
    np.testing.assert_allclose(np.linalg.norm(moved(tn.SGD(1.0, clip_norm=1.0), 1e30)), 1, rtol=1e-6)


@pytest.mark.parametrize("clip", ["clip_norm", "clip_value"])
def test_clipping_hides_no_gradient_that_is_not_finite(clip):
    with pytest.raises(NonFiniteError):
        moved(tn.SGD(1.0, **{clip: 1.0}), np.inf)


# --- bits


@pytest.mark.parametrize("decay", ["all", "weights"])
@pytest.mark.parametrize(
    "make",
    [
        partial(tn.SGD, 0.1, momentum=0.9, nesterov=True, weight_decay=0.01, clip_norm=0.05),
        partial(tn.AdamW, clip_norm=0.05),
        partial(tn.RMSprop, momentum=0.5, clip_norm=0.05),
    ],
    ids=["sgd", "adamw", "rmsprop"],
)
def test_the_bits_are_the_same_for_any_number_of_threads_eager_and_compiled(make, decay):
    def layers():
        return [tn.Input((256,)), tn.Dense(300, "relu"), tn.Dense(10)]

    x, y = np.random.default_rng(0).normal(size=(48, 256)).astype(np.float32), np.arange(48) % 10
    threads, found = tn.get_num_threads(), {}
    try:
        for n, way in product((1, 2), ("eager", "unfused", "fused")):
            tn.set_num_threads(n)
            model, optimizer = tn.Sequential(layers(), seed=0), make(decay=decay)
            task, mode = find_task("cross_entropy", []), tn.train_mode(seed=0)
            step = BatchStep(model, task, optimizer, x, y, mode=mode, compiled=way != "eager")
            if way == "unfused":
                step.compiled.fused = False
            with kernel_gate():
                for batch in (np.arange(24), np.arange(24, 48), np.arange(24)):
                    step(batch)
            found[n, way] = model.theta.tobytes()
    finally:
        tn.set_num_threads(threads)
    assert found[1, "fused"] == found[2, "fused"]
    assert len({found[n, way] for n in (1, 2) for way in ("eager", "unfused")}) == 1


# --- decay


def normalised():
    model = tn.Sequential([tn.Input((2,)), tn.Dense(2), tn.BatchNorm(), tn.LayerNorm(), tn.Dense(1)], seed=0)
    model.build_model()
    model.theta[...] = 1
    return model


@pytest.mark.parametrize("make", [tn.SGD, tn.Adam, tn.AdamW, tn.RMSprop])
def test_decay_of_weights_leaves_out_biases_and_normalisations(make):
    model = normalised()
    names = list(model.parameters)
    by_step(model, make(0.1, weight_decay=0.5, decay="weights"))(0)
    changed = [name for name in names if (model.parameters[name].data != 1).any()]
    assert changed == ["dense.weight", "dense_1.weight"]
    model = normalised()
    by_step(model, make(0.1, weight_decay=0.5))(0)
    assert all((p.data != 1).all() for p in model.parameters.values())


@pytest.mark.parametrize("make", [tn.SGD, tn.Adam, tn.AdamW, tn.RMSprop])
@pytest.mark.parametrize("way", WAYS)
def test_parts_that_decay_and_parts_that_do_not_count_the_same_steps(make, way):
    """Without a decay it does not matter how theta is cut."""
    ends = []
    for decay in ("all", "weights"):
        model = network()
        step = WAYS[way](model, make(0.1, weight_decay=0.0, decay=decay))
        for gradient in directions(model.theta.size, 5):
            step(gradient)
        ends.append(model.theta.copy())
    np.testing.assert_allclose(*ends, rtol=1e-12)


# --- numbers that change


class At:
    """Does something at the start of each epoch."""

    def __init__(self, action):
        self.on_epoch_begin = action


def small():
    return tn.Sequential([tn.Input((6,)), tn.Dense(5, "tanh"), tn.Dense(3, "softmax")], seed=0, dtype="float64")


def fitted(optimizer, callbacks=(), model=None, **options):
    x = np.random.default_rng(0).normal(size=(22, 6))
    model = model or small()
    usual = {"epochs": 5, "batch_size": 8, "seed": 0, "verbose": 0}
    history = model.fit(x, x[:, :3].argmax(axis=1), optimizer=optimizer, callbacks=callbacks, **usual | options)
    return model, history


CHANGES = {
    "momentum": (lambda: tn.SGD(0.1), [0.0, 0.9, 0.5, 0.0, 0.9]),
    "weight_decay": (lambda: tn.SGD(0.1, momentum=0.5), [0.0, 0.3, 0.0, 0.1, 0.2]),
    "learning_rate": (lambda: tn.RMSprop(0.1, momentum=0.5), [0.1, 0.0, 0.01, 0.2, 0.3]),
    "beta1": (lambda: tn.Adam(0.01), [0.9, 0.5, 0.0, 0.9, 0.8]),
    "rho": (lambda: tn.RMSprop(0.01), [0.9, 0.5, 0.99, 0.9, 0.8]),
    "clip_norm": (lambda: tn.SGD(0.1, clip_norm=10.0), [10.0, 0.1, 0.01, 10.0, 0.05]),
    "nesterov": (lambda: tn.SGD(0.1, momentum=0.9), [False, True, False, True, True]),
}


OTHERS = {
    "nesterov": (lambda: tn.SGD(0.1, momentum=0.9), True),
    "clip_norm": (lambda: tn.SGD(0.1), 0.05),
    "clip_value": (lambda: tn.SGD(0.1, clip_value=1.0), None),
    "decay": (lambda: tn.SGD(0.1, weight_decay=0.5), "weights"),
    "momentum": (lambda: tn.SGD(0.1), 0.9),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_a_callback_changes_is_kept_in_checkpoints_and_put_back_at_the_end(name, tmp_path):
    make, value = OTHERS[name]

    def change(run):
        if run.epoch == 1:
            setattr(run.optimizer, name, value)

    def stop(run):
        run.ending = run.epoch == 2

    optimizer, path = make(), tmp_path / "last"
    before = getattr(optimizer, name)
    whole, _ = fitted(optimizer, [At(change)], epochs=4)
    assert getattr(optimizer, name) == before
    fitted(make(), [At(change), tn.Checkpoint(path), stop], epochs=4)
    resumed, _ = fitted(make(), [At(change), tn.Checkpoint(path)], epochs=4, resume=path)
    np.testing.assert_array_equal(resumed.theta, whole.theta)


@pytest.mark.filterwarnings("ignore::tinynet.errors.RetraceWarning")
@pytest.mark.parametrize("name", CHANGES)
def test_what_a_callback_changes_is_seen_eager_and_compiled_alike(name):
    make, values = CHANGES[name]

    def change(run):
        setattr(run.optimizer, name, values[run.epoch])

    compiled, eager = (fitted(make(), [At(change)], compiled=c)[0].theta for c in (True, False))
    np.testing.assert_allclose(compiled, eager, rtol=1e-10, atol=1e-12)
    assert np.abs(compiled - fitted(make())[0].theta).max() > 1e-4


def test_values_that_are_put_back_are_seen_by_a_function_that_was_compiled_before():
    model, twin, optimizer, other = network(), network(), tn.SGD(RATE), tn.SGD(RATE)
    step, by_hand = by_minimize(model, optimizer, compiled=True), by_minimize(twin, other, compiled=False)
    gradients, decays, after = directions(model.theta.size, 3), (0.0, 0.5, 0.0), []
    for gradient, decay in zip(gradients, decays, strict=True):
        other.weight_decay = decay
        by_hand(gradient)
        after.append(twin.theta.copy())
    for gradient, decay, theta in zip(gradients, decays, after, strict=True):
        set_hyperparameters(optimizer, {"weight_decay": decay})
        step(gradient)
        np.testing.assert_allclose(model.theta, theta, rtol=1e-12)


def test_a_momentum_that_was_0_starts_without_a_velocity():
    model, optimizer = network(), tn.SGD(RATE, momentum=0.9)
    gradients = directions(model.theta.size, 6)
    theta = model.theta.copy()
    step = by_step(model, optimizer)
    for part, momentum in ((gradients[:2], 0.9), (gradients[2:4], 0.0), (gradients[4:], 0.9)):
        optimizer.momentum = momentum
        model_of_part = network()
        model_of_part.theta[...] = theta
        theta = expected(model_of_part, part, sgd, momentum=momentum)[-1]
        for gradient in part:
            step(gradient)
        np.testing.assert_allclose(model.theta, theta, rtol=1e-12)


def test_a_momentum_or_rate_that_changes_at_each_step_does_not_trace_again():
    model, optimizer = network(), tn.SGD(0.1, momentum=0.9)

    def descend(direction):
        loss = linear_loss(model, direction)
        optimizer.minimize(loss, model)
        return loss

    step, mode = tn.compile(descend), tn.train_mode(seed=0)
    gradients = directions(model.theta.size)
    theta, velocity = model.theta.copy(), 0
    for i, gradient in enumerate(gradients):
        optimizer.learning_rate, optimizer.momentum = 0.1 / (i + 1), 0.9 - i / 100
        velocity = optimizer.momentum * velocity + gradient
        theta = theta - optimizer.learning_rate * velocity
        with mode:
            step(gradient)
        np.testing.assert_allclose(model.theta, theta, rtol=1e-10)
    assert step.traces == 1


def test_a_subclass_says_which_of_its_numbers_are_live():
    class Signed(tn.Optimizer):
        """Moves by the sign of the gradient, and a share of the gradient itself."""

        live = ("share",)
        share = 0.0

        def __init__(self, learning_rate, share):
            super().__init__(learning_rate)
            self.share = share

        def update(self, theta, gradient, learning_rate, **state):
            direction = tn.ops.where(gradient > 0, 1.0, -1.0)
            if self.share:
                direction = direction + state["share"] * gradient
            return (theta - learning_rate * direction,)

    for way in WAYS.values():
        model, optimizer = network(), Signed(0.1, 0.0)
        step, theta = way(model, optimizer), model.theta.copy()
        for gradient, share in zip(directions(model.theta.size, 4), (0.0, 0.5, 0.25, 0.0), strict=True):
            optimizer.share = share
            step(gradient)
            theta = theta - 0.1 * (np.sign(gradient) + share * gradient)
            np.testing.assert_allclose(model.theta, theta, rtol=1e-12)


# --- fits one after the other


@pytest.mark.parametrize("make", [lambda: tn.SGD(0.1, momentum=0.9), lambda: tn.Adam(0.01), lambda: tn.RMSprop(0.01)])
def test_a_second_fit_goes_on_with_the_state_of_the_first(make):
    whole, _ = fitted(make(), epochs=4, shuffle=False)
    optimizer = make()
    model, _ = fitted(optimizer, epochs=2, shuffle=False)
    fitted(optimizer, model=model, epochs=2, shuffle=False)
    np.testing.assert_array_equal(model.theta, whole.theta)


def test_reset_lets_the_next_fit_begin_afresh():
    optimizer = tn.SGD(0.1, momentum=0.9)
    model, _ = fitted(optimizer, epochs=2)
    other = small()
    other.build_model().theta[...] = model.theta
    optimizer.reset(model)
    assert not optimizer.state_of(model)["velocity"].any()
    fitted(optimizer, model=model)
    fitted(tn.SGD(0.1, momentum=0.9), model=other)
    np.testing.assert_array_equal(model.theta, other.theta)


def test_models_have_states_of_their_own():
    optimizer = tn.SGD(0.1, momentum=0.9)
    first, second = train(optimizer=optimizer)[0], train(optimizer=optimizer)[0]
    np.testing.assert_array_equal(first, second)


# --- arguments


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: tn.SGD(nesterov=True), "nesterov=True needs a momentum above 0"),
        (lambda: tn.SGD(decay="some"), 'SGD: decay must be "all" or "weights", but got \'some\''),
        (lambda: tn.SGD(clip_norm=0), "SGD: clip_norm must be a finite number above 0, but got 0"),
        (lambda: tn.Adam(clip_value=-1), "Adam: clip_value must be a finite number above 0, but got -1"),
        (lambda: tn.Adam(weight_decay=-1), "Adam: weight_decay must be a finite number of 0 or more"),
        (lambda: tn.SGD(clip_norm=1, clip_value=1), "give clip_norm or clip_value, not both"),
        (lambda: tn.AdamW(weight_decay=-0.1), "AdamW: weight_decay must be a finite number of 0 or more"),
        (lambda: tn.Adam(beta1=-0.1), "Adam: beta1 must be a finite number of 0 or more, but got -0.1"),
        (lambda: tn.Adam(beta2=-0.1), "Adam: beta2 must be a finite number of 0 or more, but got -0.1"),
        (lambda: tn.Adam(beta2=1), "Adam: beta1 and beta2 must be below 1"),
        (lambda: tn.Adam(epsilon=0), "Adam: epsilon must be a finite number above 0"),
        (lambda: tn.RMSprop(rho=-0.1), "RMSprop: rho must be a finite number of 0 or more"),
        (lambda: tn.RMSprop(momentum=-0.1), "RMSprop: momentum must be a finite number of 0 or more"),
        (lambda: tn.SGD(momentum=-0.1), "SGD: momentum must be a finite number of 0 or more"),
        (lambda: tn.SGD(momentum=1), "SGD: momentum must be below 1"),
        (lambda: tn.SGD(0), "SGD: learning_rate must be a finite number above 0"),
        (lambda: tn.AdamW(beta1=1), "AdamW: beta1 and beta2 must be below 1"),
        (lambda: tn.RMSprop(rho=1.0), r"RMSprop: rho and momentum must be below 1, but got 1\.0 and 0\.0"),
        (lambda: tn.RMSprop(momentum=1), "RMSprop: rho and momentum must be below 1, but got 0.9 and 1"),
        (lambda: tn.RMSprop(epsilon=0), "RMSprop: epsilon must be a finite number above 0"),
    ],
)
def test_arguments_out_of_range_are_refused(make, says):
    with pytest.raises(ArgumentError, match=says):
        make()


def test_an_optimizer_without_an_update_says_so():
    class Idle(tn.Optimizer):
        pass

    with pytest.raises(NotImplementedError, match="Idle has no update; define it"):
        by_step(network(), Idle(0.1))(0)


def test_factors_may_be_0():
    adam, rmsprop = tn.Adam(beta1=0, beta2=0, weight_decay=0), tn.RMSprop(rho=0, momentum=0, weight_decay=0)
    assert (adam.beta1, adam.beta2, adam.weight_decay) == (0, 0, 0)
    assert (rmsprop.rho, rmsprop.momentum, rmsprop.weight_decay) == (0, 0, 0)


def test_an_optimizer_shows_its_plain_values():
    assert hyperparameters(tn.AdamW(0.5, clip_norm=2)) == {
        "learning_rate": 0.5, "weight_decay": 0.01, "decay": "all", "clip_norm": 2.0, "clip_value": None, "beta1": 0.9,
        "beta2": 0.999, "epsilon": 1e-8,
    }  # fmt: skip


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))], ids=["copy", "pickle"])
@pytest.mark.parametrize("compiled", [True, False])
def test_an_optimizer_that_was_used_is_copied_and_pickled_without_what_it_carries(duplicate, compiled):
    model = tn.Sequential([tn.Input((4,)), tn.Dense(3)], seed=0)
    x, y = np.ones((5, 4)), [0, 1, 2, 0, 1]
    optimizer = tn.SGD(0.1, momentum=0.9, clip_norm=1.0)
    model.fit(x, y, epochs=1, optimizer=optimizer, verbose=0, compiled=compiled)
    twin = duplicate(optimizer)
    assert hyperparameters(twin) == hyperparameters(optimizer)
    assert optimizer.state_of(model)["velocity"].any()
    assert not twin.state_of(model)["velocity"].any()
    model.fit(x, y, epochs=1, optimizer=twin, verbose=0, compiled=compiled)
