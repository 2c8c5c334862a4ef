"""A step of training is whole or not at all: what it writes is seen at once, and is in memory once it ends."""

import contextlib
import itertools
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet as tn
from tests.core.interrupts import InterruptAt
from tests.steps import WAYS, as_run, batches, everything, restless_network
from tinynet.core import managed
from tinynet.core import mode as mode_module
from tinynet.core import transaction as transaction_module
from tinynet.core.engine import current_backend, use_backend
from tinynet.core.transaction import Transaction
from tinynet.errors import ArgumentError, DTypeError, GradientError, NonFiniteError, ShapeError, TraceError
from tinynet.fast.compile import Compiled
from tinynet.fast.threads import _gate

X, Y = batches(1)[0]


class Two(tn.Layer):
    """Two states, and one of whole numbers."""

    def build(self, input_shape, rng):
        self.a = self.add_state("a", ())
        self.b = self.add_state("b", (), lambda shape, rng: 2.0)
        self.count = self.add_state("count", (), dtype="int64")

    def forward(self, x):
        return x


def two():
    layer = Two()
    layer(X)
    return layer


def values(layer):
    return float(layer.a.data), float(layer.b.data)


def number(x):
    return np.array(x, np.float32)


def linear(seed=0):
    return tn.Sequential([tn.Input((3,)), tn.Dense(4, "tanh"), tn.Dense(2)], seed=seed)


def loss_of(model, x=X):
    return (model(x) ** 2).mean()


def step_of(model, optimizer):
    """Return a function that trains a model on a batch and returns the loss."""

    def step(x):
        loss = loss_of(model, x)
        optimizer.minimize(loss, model)
        return loss

    return step


# --- the mode


def test_training_is_on_within_a_step_alone_and_in_its_own_thread():
    mode, found = tn.train_mode(seed=0), []
    assert not tn.training()
    with mode:
        assert tn.training()
        thread = threading.Thread(target=lambda: found.append(tn.training()))
        thread.start()
        thread.join()
    assert not tn.training()
    assert found == [False]


def test_each_with_is_a_step_and_those_that_fail_do_not_count():
    mode = tn.train_mode(seed=0)
    for _ in range(3):
        with mode:
            pass
    with pytest.raises(KeyError), mode:
        raise KeyError
    assert mode.steps == 3
    assert not tn.training()


def test_steps_do_not_nest():
    mode = tn.train_mode(seed=0)
    with mode:
        with pytest.raises(ArgumentError, match="steps do not nest"), tn.train_mode(seed=1):
            pass
        with pytest.raises(ArgumentError, match="steps do not nest"):
            linear().fit(X, Y, verbose=0)
        assert tn.training()
    assert mode.steps == 1


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, "0", True, [1]])
def test_a_seed_is_an_integer_of_64_bits(seed):
    with pytest.raises(ArgumentError, match="seed must be"):
        tn.train_mode(seed)


def test_a_mode_goes_on_where_another_stood():
    first, second = tn.train_mode(seed=5), tn.train_mode(seed=6)
    with first:
        pass
    second.restore(first.state())
    drawn = []
    for mode in (first, second):
        with mode:
            drawn.append(tn.random.uniform((4,)).data)
    np.testing.assert_array_equal(*drawn)


def test_without_a_seed_each_mode_draws_other_numbers():
    drawn = []
    for _ in range(2):
        with tn.train_mode():
            drawn.append(tn.random.uniform((4,)).data)
    assert (drawn[0] != drawn[1]).any()
    assert len({tn.train_mode().seed for _ in range(60)}) == 60


def test_with_a_seed_the_numbers_are_those_of_earlier_versions():
    with tn.train_mode(seed=5) as mode:
        drawn = tn.random.uniform((3,)).data
    np.testing.assert_array_equal(drawn, np.float32([0.66388154, 0.16054028, 0.31642634]))
    assert (mode.seed, mode.steps) == (5, 1)


# --- assign


@pytest.mark.parametrize("way", WAYS)
def test_what_is_assigned_is_seen_at_once_and_in_memory_when_the_step_ends(way):
    layer = two()

    def step(x):
        layer.a.assign(x + 1.0)
        layer.a.assign(layer.a * 10.0)
        return layer.a * 1.0

    run = as_run(step, way)
    with tn.train_mode(seed=0):
        (seen,) = run(number(1))
        assert layer.a.memory == 0
    assert (float(seen), values(layer)[0]) == (20.0, 20.0)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("swapped", [False, True])
def test_what_is_assigned_from_another_state_is_its_value_at_that_moment(way, swapped):
    layer = two()

    def step(x):
        b = layer.b * 1.0 if swapped else layer.b
        layer.a.assign(b)
        layer.b.assign(x)
        return layer.a + layer.b

    check_what_a_has_of_b(layer, step, way)


def check_what_a_has_of_b(layer, step, way):
    """The value from before 5 was assigned to b."""
    with tn.train_mode(seed=0):
        (total,) = as_run(step, way)(number(5))
    assert values(layer) == (2.0, 5.0)
    assert total == 7


@pytest.mark.parametrize("way", WAYS)
def test_a_state_that_is_assigned_to_another_has_its_newest_value(way):
    layer = two()

    def step(x):
        layer.a.assign(x)
        layer.b.assign(layer.a)
        layer.a.assign(x + 1.0)
        return layer.a * layer.b

    with tn.train_mode(seed=0):
        (product,) = as_run(step, way)(number(5))
    assert values(layer) == (6.0, 5.0)
    assert product == 30


@pytest.mark.parametrize("way", WAYS)
def test_parameters_that_are_assigned_after_an_update_have_their_newest_values(way):
    model, optimizer = linear(), tn.SGD(0.5)
    model.average = model.add_state("average", (2,))
    bias = model.parameters["dense_1.bias"]

    def step(x):
        loss = loss_of(model, x)
        optimizer.minimize(loss, model)
        model.average.assign(bias)
        return loss

    with tn.train_mode(seed=0):
        as_run(step, way)(X)
    assert bias.data.any()
    np.testing.assert_array_equal(model.average.data, bias.data)


@pytest.mark.parametrize("way", WAYS)
def test_what_is_detached_after_an_update_has_the_newest_values(way):
    model, layer, optimizer = linear(), two(), tn.SGD(0.5)
    bias = model.parameters["dense_1.bias"]

    def step(x):
        optimizer.minimize(loss_of(model, x), model)
        layer.a.assign(tn.Tensor(layer.b) + 1.0)
        return bias.detach(), tn.Tensor(bias), layer.a.detach()

    with tn.train_mode(seed=0):
        *seen, a = as_run(step, way)(X)
    assert bias.data.any()
    np.testing.assert_array_equal(seen, [bias.data] * 2)
    assert a == values(layer)[0] == 3


@pytest.mark.parametrize("way", WAYS)
def test_a_view_of_a_state_has_the_value_of_the_moment_at_which_it_was_taken(way):
    layer = two()

    def step(x):
        view = layer.b.reshape(1)
        layer.b.assign(x)
        layer.a.assign(view.reshape(()))
        return layer.a + layer.b

    check_what_a_has_of_b(layer, step, way)


@pytest.mark.parametrize("way", WAYS)
def test_no_gradient_flows_through_what_was_assigned(way):
    layer, p = two(), tn.Tensor(number(3), requires_grad=True)

    def step(x):
        layer.a.assign(p * x)
        return tn.grad(layer.a * p, [p])[0]

    with tn.train_mode(seed=0):
        (slope,) = as_run(step, way)(number(2))
    assert slope == 6  # and not 12


def test_an_array_that_was_assigned_may_change_afterwards():
    layer, array = two(), number(7)
    with tn.train_mode(seed=0):
        layer.a.assign(array)
        array[...] = 1
    assert values(layer)[0] == 7


def test_states_of_whole_numbers_count():
    layer = two()
    mode = tn.train_mode(seed=0)
    for _ in range(3):
        with mode:
            layer.count.assign(layer.count + 1)
    assert (layer.count.data, layer.count.dtype) == (3, np.int64)


def test_an_exception_drops_what_was_assigned():
    layer = two()
    with pytest.raises(KeyError), tn.train_mode(seed=0):  # noqa: PT012
        layer.a.assign(number(1))
        raise KeyError
    assert values(layer) == (0, 2)


def test_what_cannot_be_assigned_is_refused():
    layer = two()
    with pytest.raises(ArgumentError, match=r"State.assign is part of a step of training.*with mode:"):
        layer.a.assign(number(1))
    with tn.train_mode(seed=0):
        with pytest.raises(ShapeError, match=r"shape \(\).*shape \(1,\)"):
            layer.a.assign(np.ones(1, np.float32))
        with pytest.raises(DTypeError, match=r"float32.*float64.*astype\('float32'\)"):
            layer.a.assign(np.ones(()))
        layer.b.memory.flags.writeable = False
        with pytest.raises(ArgumentError, match="constant"):
            layer.b.assign(number(1))
    assert values(layer) == (0, 2)


# --- updates


@pytest.mark.parametrize("way", WAYS)
def test_an_update_is_seen_by_later_reads_and_in_memory_when_the_step_ends(way):
    model, other, optimizer = linear(), linear(), tn.SGD(0.5, momentum=0.9)

    def step(x):
        before = loss_of(model, x)
        optimizer.minimize(before, model)
        after = loss_of(model, x)
        optimizer.minimize(after, model)
        return before, after, loss_of(model, x)

    theta = model.theta.copy()
    with tn.train_mode(seed=0):
        seen = as_run(step, way)(X)
        np.testing.assert_array_equal(model.theta, theta)
    expected, mode, by_steps = [], tn.train_mode(seed=0), tn.SGD(0.5, momentum=0.9)
    for _ in range(2):
        with mode:
            expected.append(float(loss_of(other)))
            by_steps.minimize(loss_of(other), other)
    expected.append(float(loss_of(other)))
    np.testing.assert_allclose(seen, expected, rtol=1e-5)
    np.testing.assert_allclose(model.theta, other.theta, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    "order", [("eager", "fused", "eager"), ("fused", "eager", "fused"), ("fused", "fused", "eager")]
)
def test_eager_and_compiled_parts_of_a_step_see_each_other(order):
    model, other = linear(), linear()

    step = step_of(model, tn.SGD(0.5, momentum=0.9))
    runs = {way: as_run(step, way) for way in set(order)}
    with tn.train_mode(seed=0):
        seen = [float(runs[way](X)[0]) for way in order]
    step = step_of(other, tn.SGD(0.5, momentum=0.9))
    with tn.train_mode(seed=0):
        expected = [float(step(X).data) for _ in order]
    np.testing.assert_allclose(seen, expected, rtol=1e-5)
    np.testing.assert_allclose(model.theta, other.theta, rtol=1e-5, atol=1e-7)


def test_values_read_in_a_step_are_the_newest():
    model, optimizer = linear(), tn.SGD(0.5)
    bias = model.parameters["dense_1.bias"]
    with tn.train_mode(seed=0):
        optimizer.minimize(loss_of(model), model)
        newest = bias.data.copy()
        assert newest.any()
        assert not bias.memory.any()
    np.testing.assert_array_equal(bias.memory, newest)


def test_a_loss_from_before_an_update_is_refused():
    model, optimizer = linear(), tn.SGD(0.5)
    theta = model.theta.copy()
    with pytest.raises(GradientError, match="before an update"), tn.train_mode(seed=0):  # noqa: PT012
        loss = loss_of(model)
        optimizer.minimize(loss, model)
        optimizer.minimize(loss, model)
    np.testing.assert_array_equal(model.theta, theta)


def test_no_gradient_is_taken_through_values_that_a_compiled_part_has_overwritten():
    model, optimizer = linear(), tn.SGD(0.5)

    run = as_run(step_of(model, optimizer), "fused")
    with tn.train_mode(seed=0):
        loss = loss_of(model)
        run(X)
        loss_of(model)  # reads what the compiled part wrote
        with pytest.raises(GradientError, match="changed in place"):
            tn.grad(loss, list(model.parameters.values()))


def test_no_gradient_is_taken_through_values_that_a_step_has_written_and_dropped():
    model, optimizer = linear(), tn.SGD(0.5)

    run, found = as_run(step_of(model, optimizer), "fused"), []
    with pytest.raises(KeyError), tn.train_mode(seed=0):  # noqa: PT012
        run(X)
        found.append(loss_of(model))  # reads what the compiled part wrote
        raise KeyError
    with pytest.raises(GradientError, match="changed in place"):
        tn.grad(found[0], list(model.parameters.values()))


def test_no_gradient_is_taken_through_values_from_before_the_step():
    model, optimizer = linear(), tn.SGD(0.5)
    loss = loss_of(model)
    with tn.train_mode(seed=0):
        optimizer.minimize(loss_of(model), model)
    with pytest.raises(GradientError, match="changed in place"):
        loss.backward()


def test_backward_after_an_update_adds_into_the_gradient_of_the_model():
    model, other, optimizer = linear(), linear(), tn.SGD(0.5)
    with tn.train_mode(seed=0):
        optimizer.minimize(loss_of(model), model)
        loss_of(model).backward()
    with tn.train_mode(seed=0):
        tn.SGD(0.5).minimize(loss_of(other), other)
    loss_of(other).backward()
    assert other.gradient.any()
    np.testing.assert_array_equal(model.gradient, other.gradient)


def test_a_step_by_the_gradients_added_up_is_part_of_the_step_that_is_under_way():
    model, optimizer = linear(), tn.Adam(0.1)
    before = everything([model], [optimizer], tn.train_mode(seed=0))
    mode = tn.train_mode(seed=0)
    with pytest.raises(KeyError), mode:  # noqa: PT012
        loss_of(model).backward()
        optimizer.step(model)
        raise KeyError
    assert everything([model], [optimizer], mode) == before
    with mode:
        optimizer.step(model)
    assert everything([model], [optimizer], mode) != before


def test_a_prediction_in_the_middle_of_a_step_is_inference():
    model = restless_network()
    for compiled in (True, False):
        expected = model.predict(X)
        with tn.train_mode(seed=0):
            np.testing.assert_allclose(model.predict(X, compiled=compiled), expected, rtol=1e-5, atol=1e-6)
            assert (model(X).data != expected).any()


# --- a step that fails leaves everything as it was


def classifier():
    model, optimizer = restless_network(), tn.SGD(0.1, momentum=0.9)

    def step(x, y):
        loss = tn.ops.cross_entropy(tn.ops.softmax(model(x)), y)
        optimizer.minimize(loss, model)
        return loss

    return [model], [optimizer], step


def adversaries():
    """A critic and a generator, which sees the critic's update."""
    critic = tn.Sequential([tn.Input((3,)), tn.Dense(4, "tanh"), tn.Dropout(0.3), tn.Dense(1)], seed=0)
    generator = tn.Sequential([tn.Input((3,)), tn.Dense(4), tn.BatchNorm(), tn.Dense(3)], seed=1)
    first, second = tn.Adam(0.01), tn.SGD(0.1)

    def step(x, y):
        made = generator(x)
        loss = ((critic(x) - 1.0) ** 2).mean() + (critic(made.detach()) ** 2).mean()
        first.minimize(loss, critic)
        fooled = ((critic(made) - 1.0) ** 2).mean()
        second.minimize(fooled, generator)
        return loss, fooled

    return [critic, generator], [first, second], step


class Stop(BaseException):
    """Comes like Ctrl-C."""


def count_ops(run, stop_at=None):
    """Run with a count of ops; the one of number ``stop_at`` raises."""
    before, count = current_backend(), [0]

    def evaluate(*op):
        count[0] += 1
        if count[0] == stop_at:
            raise Stop
        return before.evaluate(*op)

    use_backend(before._replace(evaluate=evaluate))
    try:
        run()
    finally:
        use_backend(before)
    return count[0]


@pytest.mark.parametrize("make", [classifier, adversaries])
def test_an_exception_at_any_op_of_an_eager_step_changes_nothing(make):
    models, optimizers, step = make()
    mode = tn.train_mode(seed=0)

    def run():
        with mode:
            step(tn.Tensor(X), tn.Tensor(Y))

    run()
    before = everything(models, optimizers, mode)
    other_models, other_optimizers, other_step = make()
    other_mode = tn.train_mode(seed=0)
    for _ in range(2):
        with other_mode:
            ops = count_ops(lambda: other_step(tn.Tensor(X), tn.Tensor(Y)))
    assert ops > 30
    for k in range(1, ops + 1):
        with pytest.raises(Stop):
            count_ops(run, stop_at=k)
        assert everything(models, optimizers, mode) == before, k
    run()  # as if nothing had been
    assert everything(models, optimizers, mode) == everything(other_models, other_optimizers, other_mode)


def stopping():
    raise Stop


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("make", [classifier, adversaries])
def test_an_exception_at_any_call_of_a_compiled_step_changes_nothing(make, fused):
    models, optimizers, step = make()
    compiled, mode = Compiled(step, "the step", fused=fused), tn.train_mode(seed=0)
    with mode:
        compiled.replay(X, Y)
    before = everything(models, optimizers, mode)
    (plan,) = compiled.plans
    for k, call in enumerate(plan._prepared):
        plan._prepared[k] = stopping
        with pytest.raises(Stop), mode:
            compiled.replay(X, Y)
        plan._prepared[k] = call
        assert everything(models, optimizers, mode) == before, k
    with pytest.raises(Stop), mode:  # noqa: PT012
        compiled.replay(X, Y)
        raise Stop
    assert everything(models, optimizers, mode) == before
    with mode:
        compiled.replay(X, Y)
    assert everything(models, optimizers, mode) != before


@pytest.mark.parametrize("make", [classifier, adversaries])
def test_an_exception_after_several_compiled_calls_in_a_step_changes_nothing(make):
    models, optimizers, step = make()
    compiled, mode = Compiled(step, "the step"), tn.train_mode(seed=0)
    before = everything(models, optimizers, mode)
    for calls in range(1, 4):
        with pytest.raises(Stop), mode:  # noqa: PT012
            for _ in range(calls):
                compiled.replay(X, Y)
            models[0](X)  # so that what was written is in memory
            raise Stop
        assert everything(models, optimizers, mode) == before


def test_parts_that_overlap_are_put_back_as_they_were():
    model, first, second = linear(), tn.SGD(0.5, momentum=0.9), tn.SGD(0.5, momentum=0.9)
    second.decay = "weights"  # moves the biases apart from the rest
    mode = tn.train_mode(seed=0)
    before = everything([model], [first, second], mode)

    runs = [as_run(step_of(model, optimizer), "fused") for optimizer in (first, second)]
    for order in (runs, runs[::-1]):
        with pytest.raises(Stop), mode:  # noqa: PT012
            for run in (*order, *order):
                run(X)
            raise Stop
        assert everything([model], [first, second], mode) == before


def test_an_exception_while_a_step_ends_changes_nothing(monkeypatch):
    models, optimizers, step = classifier()
    compiled, mode = Compiled(step, "the step"), tn.train_mode(seed=0)
    before = everything(models, optimizers, mode)
    made = Transaction._writes

    def interrupted(transaction):
        if transaction._before:  # the second time
            raise KeyboardInterrupt
        return made(transaction)

    monkeypatch.setattr(Transaction, "_writes", interrupted)
    with pytest.raises(KeyboardInterrupt), mode:  # noqa: PT012
        compiled.replay(X, Y)
        models[0](X)
    assert not tn.training()
    assert everything(models, optimizers, mode) == before


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_changes_nothing_of_both_models(way, which, bad):
    first, second, optimizer = linear(0), linear(1), tn.Adam(0.1)

    def step(x, factors):
        one = loss_of(first, x) * factors[0]
        optimizer.minimize(one, first)
        other = loss_of(second, x) * factors[1]
        optimizer.minimize(other, second)
        return one, other

    mode, run = tn.train_mode(seed=0), as_run(step, way)
    with mode:
        run(X, np.ones(2, np.float32))
    before = everything([first, second], [optimizer], mode)
    factors = np.ones(2, np.float32)
    factors[which] = bad
    with pytest.raises(NonFiniteError, match=r"the loss became (nan|inf); nothing was changed"), mode:
        run(X, factors)
    assert everything([first, second], [optimizer], mode) == before


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("make", [lambda: tn.SGD(0.1), lambda: tn.SGD(0.1, momentum=0.9), lambda: tn.Adam(0.1)])
def test_a_gradient_that_is_not_finite_changes_nothing(way, make):
    model, optimizer = restless_network(), make()

    def step(x, inner):
        root = tn.ops.where(inner > 0, inner, 0.0) ** 0.5  # 0, and its derivative there is infinite
        loss = loss_of(model, x) + (model.parameters["dense.bias"].sum() * 0.0 + root.sum()) ** 0.5 * 0.0
        optimizer.minimize(loss, model)
        return loss

    mode, run = tn.train_mode(seed=0), as_run(step, way)
    with mode:
        run(X, np.ones(1, np.float32))
    before = everything([model], [optimizer], mode)
    with pytest.raises(NonFiniteError, match="the gradient has NaN or infinite values, at a loss of "), mode:
        run(X, np.zeros(1, np.float32))
    assert everything([model], [optimizer], mode) == before


@given(st.lists(st.sampled_from(["eager", "fused", "assign", "read"]), max_size=6), st.booleans())
def test_a_step_of_any_parts_is_whole_or_not_at_all(parts, fails):
    model, optimizer, mode = linear(), tn.SGD(0.1, momentum=0.9), tn.train_mode(seed=0)
    layer = two()

    step = step_of(model, optimizer)
    runs = {way: as_run(step, way) for way in ("eager", "fused")}
    before = everything([model], [optimizer], mode)
    updates = assigned = 0
    try:
        with mode:
            for part in parts:
                if part in runs:
                    runs[part](X)
                    updates += 1
                elif part == "assign":
                    layer.a.assign(layer.a + 1.0)
                    assigned += 1
                else:
                    loss_of(model)
                    assert values(layer) == (assigned, 2)
            if fails:
                raise Stop
    except Stop:
        updates = assigned = 0
    assert values(layer) == (assigned, 2)
    after = everything([model], [optimizer], mode)
    if fails:
        assert after == before
    else:
        assert mode.steps == 1
        assert (after["0: theta"] != before["0: theta"]) == bool(updates)


# --- within a trace


def test_a_step_cannot_begin_within_a_compiled_function():
    model, mode = linear(), tn.train_mode(seed=0)

    @tn.compile
    def step(x):
        with mode:
            return loss_of(model, x)

    with pytest.raises(TraceError, match=r"line \d+ of test_transaction.py begins a step.*around the call"):
        step(X)
    assert mode.steps == 0


# --- Ctrl-C


@pytest.mark.parametrize("way", ["eager", "compiled", "twice"])
def test_an_interrupt_at_any_line_of_the_end_of_a_step_leaves_it_whole_or_not_made(way):
    models, optimizers, step = classifier()
    compiled, mode = Compiled(step, "the step"), tn.train_mode(seed=0)
    twin_models, twin_optimizers, twin_step = classifier()
    twin_compiled, twin_mode = Compiled(twin_step, "the step"), tn.train_mode(seed=0)

    def make(step, compiled):
        for _ in range(2 if way == "twice" else 1):
            step(tn.Tensor(X), tn.Tensor(Y)) if way == "eager" else compiled.replay(X, Y)

    with mode:
        make(step, compiled)
    expected, outcomes, held = {}, set(), []
    for number in itertools.count(1):
        while len(expected) < mode.steps + 1:  # the next one, too
            with twin_mode:
                make(twin_step, twin_compiled)
            expected[twin_mode.steps] = everything(twin_models, twin_optimizers, twin_mode)
        before, interrupt = mode.steps, InterruptAt(number, transaction_module, mode_module, managed, contextlib)
        try:
            with mode:
                make(step, compiled)
                interrupt.arm()
        except KeyboardInterrupt as error:
            held.append(error)  # with its traceback, as in a notebook
        finally:
            interrupt.disarm()
        assert not tn.training()
        assert not _gate.lock._is_owned()
        assert everything(models, optimizers, mode) == expected[mode.steps], number
        outcomes.add(mode.steps - before)
        if interrupt.left > 0:  # the end has fewer lines
            break
    assert len(held) > 10  # 3.13 tells of fewer lines than 3.11
    assert outcomes == {0, 1}


def test_an_interrupt_at_any_instruction_of_the_start_of_a_step_leaves_none_open():
    mode, held = tn.train_mode(seed=0), []
    with mode:  # which brings in what is imported late
        pass
    for number in itertools.count(1):
        interrupt = InterruptAt(number, transaction_module, mode_module, managed, contextlib)
        try:
            interrupt.arm()
            with mode:
                interrupt.disarm()
        except KeyboardInterrupt as error:
            held.append(error)
        finally:
            interrupt.disarm()
        assert not tn.training()
        assert not _gate.lock._is_owned()
        if interrupt.left > 0:
            break
    assert len(held) > 10
    assert mode.steps == 2


@pytest.mark.slow
@pytest.mark.parametrize("way", ["eager", "compiled", "twice"])
def test_an_interrupt_at_any_moment_leaves_a_step_whole_or_out(way):
    command = [sys.executable, "-m", "tests.core.interrupted_steps", way, "100"]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("100\n", "")


@pytest.mark.parametrize("compiled", [True, False])
def test_prediction_and_evaluation_in_a_step_see_what_it_has_written(compiled):
    model = tn.Sequential([tn.Input((2,)), tn.Dense(1, kernel_init="zeros")])
    optimizer, mode, x = tn.SGD(0.1), tn.train_mode(seed=0), np.array([[1.0, 2.0]])

    def descend(x):
        loss = (model(x) - 1.0).sum()
        optimizer.minimize(loss, model)
        return loss

    step, before = tn.compile(descend) if compiled else descend, model.theta.copy()
    with suppress(EnoughError), mode:
        step(x)
        predicted, called = model.predict(x, compiled=compiled), model(x).data
        assert predicted == called == pytest.approx(-0.6)
        assert model.evaluate(x, [[0.0]], loss="mse", compiled=compiled)["loss"] == pytest.approx(0.36)
        raise EnoughError
    np.testing.assert_array_equal(model.theta, before)


class EnoughError(Exception):
    """Ends a step."""


@pytest.mark.parametrize("fails", [False, True])
def test_after_a_step_other_threads_compute(fails):
    found = []

    def compute():
        found.append((tn.Tensor(np.ones((3, 4), np.float32)) @ np.ones((4, 2), np.float32)).sum().item())

    with suppress(ZeroDivisionError), tn.train_mode(seed=0):
        compute()
        1 / (1 - fails)
    thread = threading.Thread(target=compute, daemon=True)
    thread.start()
    thread.join(20)
    assert found == [24, 24]
