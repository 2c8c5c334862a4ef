"""Schedules by step: what each step is made with, what the history shows, and that nothing is traced again."""

import math

import numpy as np
import pytest

import tinynet as tn
from tinynet.errors import ArgumentError
from tinynet.fast import compile as engine_room

BATCHES = 4  # 32 samples by 8


class Look:
    """Notes the rate and the momentum of each step."""

    def __init__(self):
        self.rates, self.momenta = [], []

    def note(self, run):
        self.rates.append(run.optimizer.learning_rate)
        self.momenta.append(getattr(run.optimizer, "momentum", None))

    def on_batch_end(self, run):
        self.note(run)


def train(schedule, optimizer=None, epochs=4, look=None, **options):
    """Train with what looks before the schedule goes on to the next step."""
    x = np.random.default_rng(0).normal(size=(32, 6)).astype(np.float32)
    model = tn.Sequential([tn.Input((6,)), tn.Dense(3, "softmax")], seed=0)
    look = look or Look()
    history = model.fit(x, x[:, :3].argmax(axis=1), epochs=epochs, batch_size=8, seed=0, verbose=0,
                        optimizer=optimizer or tn.SGD(0.1), callbacks=[look, schedule], **options)  # fmt: skip
    return model, history, look


def times(epochs=4):
    return [e + b / BATCHES for e in range(epochs) for b in range(BATCHES)]


def arc(a, b, t):
    return a + (b - a) * (1 - math.cos(math.pi * t)) / 2


def cycle(t, low, high, last, epochs=4, rise=0.25):
    return arc(low, high, t / epochs / rise) if t < rise * epochs else arc(high, last, (t / epochs - rise) / (1 - rise))


SCHEDULES = {
    "own": (lambda: tn.StepSchedule(lambda t, first: first / (1 + t)), lambda t: 0.1 / (1 + t)),
    "step": (lambda: tn.StepSchedule.step(2, 0.5), lambda t: 0.1 * 0.5 ** (t // 2)),
    "warm-up": (lambda: tn.StepSchedule.warm_up(1.5), lambda t: 0.1 * min(t / 1.5, 1)),
    "cosine": (lambda: tn.StepSchedule.cosine(3), lambda t: arc(0.1, 0, min(t / 3, 1))),
    "cosine with warm-up": (
        lambda: tn.StepSchedule.cosine(3, 0.02, warm_up=0.5),
        lambda t: 0.1 * t / 0.5 if t < 0.5 else arc(0.1, 0.02, min((t - 0.5) / 2.5, 1)),
    ),
    "one cycle": (
        lambda: tn.StepSchedule.one_cycle(4, rise=0.25, start=0.1, end=0.01),
        lambda t: 0.1 * cycle(t, 0.1, 1, 0.01),
    ),
}


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("name", SCHEDULES)
def test_each_step_has_the_rate_of_its_time(name, compiled):
    make, rate = SCHEDULES[name]
    optimizer = tn.SGD(0.1)
    _, history, look = train(make(), optimizer, compiled=compiled)
    wanted = [rate(t) for t in times()]
    assert look.rates == pytest.approx(wanted, rel=1e-12, abs=1e-15)
    assert history.learning_rates == look.rates[BATCHES - 1 :: BATCHES]  # of the last step of each epoch
    assert optimizer.learning_rate == 0.1


def test_the_steps_are_made_with_these_rates():
    model, _, look = train(tn.StepSchedule.one_cycle(4), tn.SGD(0.1, momentum=0.9), shuffle=False)
    x = np.random.default_rng(0).normal(size=(32, 6)).astype(np.float32)
    y = x[:, :3].argmax(axis=1)
    other = tn.Sequential([tn.Input((6,)), tn.Dense(3, "softmax")], seed=0)
    optimizer, mode = tn.SGD(0.1, momentum=0.9), tn.train_mode(seed=0)
    for i, (rate, momentum) in enumerate(zip(look.rates, look.momenta, strict=True)):
        optimizer.learning_rate, optimizer.momentum = rate, momentum
        part = slice(i % BATCHES * 8, (i % BATCHES + 1) * 8)
        with mode:
            optimizer.minimize(tn.ops.cross_entropy(other(x[part]), y[part]), other)
    np.testing.assert_allclose(model.theta, other.theta, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("make", [lambda: tn.SGD(0.1, momentum=0.9), lambda: tn.RMSprop(0.1, momentum=0.9)])
def test_in_one_cycle_the_momentum_goes_the_other_way(make):
    optimizer = make()
    _, _, look = train(tn.StepSchedule.one_cycle(4, rise=0.25, momentum=(0.9, 0.5)), optimizer)
    assert look.momenta == pytest.approx([cycle(t, 0.9, 0.5, 0.9) for t in times()], rel=1e-12)
    assert optimizer.momentum == 0.9


@pytest.mark.parametrize(
    ("optimizer", "momentum"), [(tn.SGD(0.1), (0.95, 0.85)), (tn.Adam(0.1), (0.95, 0.85)), (tn.SGD(0.1, 0.7), None)]
)
def test_a_momentum_of_0_and_one_that_is_to_stay_are_left_alone(optimizer, momentum):
    before = getattr(optimizer, "momentum", None)
    _, _, look = train(tn.StepSchedule.one_cycle(4, momentum=momentum), optimizer)
    assert look.momenta == [before] * len(times())


def test_nothing_is_traced_again(monkeypatch):
    made = []
    original = engine_room.Traced
    monkeypatch.setattr(engine_room, "Traced", lambda *a: made.append(original(*a)) or made[-1])
    train(tn.StepSchedule.one_cycle(4, start=0.0), tn.SGD(0.1, momentum=0.9))
    assert len(made) == 1


READY = {
    "one_cycle": (4,), "warm_up": (2.5,), "cosine": (3, 0.01, 0.5), "polynomial": (3,), "exponential": (0.5,),
    "milestones": ([1, 2.25],), "cosine_restarts": (1, 2), "step": (2,),
}  # fmt: skip


@pytest.mark.parametrize("name", READY)
def test_a_run_is_resumed_to_the_same_bits_from_within_an_epoch(name, tmp_path):
    class Save:
        def on_batch_end(self, run):
            if (run.epoch, run.batch) in ((0, 1), (1, 4), (2, 3)):
                run.save(tmp_path / f"{run.epoch} {run.batch}")

    def go(**options):
        schedule = getattr(tn.StepSchedule, name)(*READY[name])
        return train(schedule, tn.SGD(0.1, momentum=0.9), look=Save(), compiled=name != "cosine", **options)

    model, history, _ = go()
    for part in ("0 1", "1 4", "2 3") if name == "one_cycle" else ("2 3",):
        resumed, other, _ = go(resume=tmp_path / part)
        np.testing.assert_array_equal(resumed.theta, model.theta)
        assert other.learning_rates == history.learning_rates


@pytest.mark.parametrize("name", ["step", "milestones", "exponential", "polynomial", "cosine", "cosine_restarts"])
def test_a_schedule_by_epoch_is_resumed_to_the_same_bits(name, tmp_path):
    class Save:
        def on_batch_end(self, run):
            if (run.epoch, run.batch) == (1, 4):  # the last of the epoch: the next one is set its rate
                run.save(tmp_path / "saved")

    def go(**options):
        arguments = {"step": (2,), "milestones": ([1, 3],), "exponential": (0.5,)}.get(name, (2,))
        return train(getattr(tn.LearningRateSchedule, name)(*arguments), tn.Adam(0.1), look=Save(), **options)

    model, history, _ = go()
    resumed, other, _ = go(resume=tmp_path / "saved")
    np.testing.assert_array_equal(resumed.theta, model.theta)
    assert other.learning_rates == history.learning_rates
    assert len(set(history.learning_rates)) > 1


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: tn.StepSchedule(0.1), r"StepSchedule takes a function of \(epoch, first_rate\)"),
        (
            lambda: tn.StepSchedule(lambda t, r: r, 0.9),
            r"momentum must be a function of \(epochs, first\), but got 0\.9",
        ),
        (lambda: tn.StepSchedule.warm_up(0), "warm_up: epochs must be a finite number above 0, but got 0"),
        (lambda: tn.StepSchedule.cosine(2, warm_up=2), "warm_up must be fewer than the 2 epochs, but got 2"),
        (
            lambda: tn.LearningRateSchedule.milestones(30),
            r"milestones: epochs must be a list of numbers of epochs, such",
        ),
        (lambda: tn.StepSchedule.milestones([1, -2]), "each of the epochs must be a finite number above 0, but got -2"),
        (lambda: tn.StepSchedule.exponential(0), "exponential: factor must be a finite number above 0, but got 0"),
        (lambda: tn.StepSchedule.polynomial(2, power=-1), "polynomial: power must be a finite number above 0"),
        (lambda: tn.StepSchedule.cosine_restarts(0.5), "cosine_restarts: epochs must be an integer of 1 or more"),
        (lambda: tn.StepSchedule.one_cycle(2, rise=1), "rise must be above 0 and below 1, but got 1"),
        (lambda: tn.StepSchedule.one_cycle(2, momentum=(0.9, -1)), "momentum must be a finite number of 0 or more"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(make, says):
    with pytest.raises(ArgumentError, match=says):
        make()


def test_a_rate_or_a_momentum_that_is_none_is_refused():
    with pytest.raises(ArgumentError, match="StepSchedule: the learning rate must be a finite number of 0 or more"):
        train(tn.StepSchedule(lambda t, first: math.nan))
    with pytest.raises(ArgumentError, match=r"the momentum must be from 0 to below 1, but got 1\.5"):
        train(tn.StepSchedule(lambda t, first: first, lambda t, first: 1.5), tn.SGD(0.1, 0.5))


def test_an_optimizer_without_a_rate_takes_no_schedule():
    model = tn.Sequential([tn.Input((2,)), tn.Dense(2)])
    options = {"optimizer": tn.Newton(), "batch_size": None, "callbacks": [tn.StepSchedule.warm_up(1)], "verbose": 0}
    with pytest.raises(ArgumentError, match="Newton has no learning rate"):
        model.fit(np.zeros((4, 2)), [0, 1, 0, 1], **options)
