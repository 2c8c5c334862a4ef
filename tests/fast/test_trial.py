"""How many threads pay: the trial, on a clock of its own, and what kernels do by it."""

import itertools
import types

import numba
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet as tn
from tinynet.fast import plan, threads, trial
from tinynet.fast.trial import Trial

SHORT = 2e-4  # seconds of a call


class Machine:
    """Calls of a function that take a given time with each number of threads, one after the other."""

    def __init__(self, monkeypatch, **seconds):
        self.now, self.seconds = 0.0, seconds
        self.trial = Trial()
        monkeypatch.setattr(trial, "time", types.SimpleNamespace(perf_counter=lambda: self.now))

    def call(self, most, slower=1):
        used = self.trial.threads(most)
        self.now += self.seconds[f"on_{used}"] * slower
        return used

    def best(self, most, calls=40):
        used = [self.call(most) for _ in range(calls)]
        assert len(set(used[-10:])) == 1
        return used[-1]


@pytest.mark.parametrize(("one", "two", "best"), [(1, 0.6, 2), (1, 0.97, 1), (1, 1, 1), (1, 2.4, 1)])
def test_more_threads_are_used_where_they_are_clearly_faster(monkeypatch, one, two, best):
    assert Machine(monkeypatch, on_1=one * SHORT, on_2=two * SHORT).best(2) == best


@given(st.lists(st.floats(0.1, 10), min_size=4, max_size=4))
def test_the_fewest_threads_of_those_that_are_as_fast_as_any(factors):
    with pytest.MonkeyPatch.context() as patch:
        seconds = {n: factor * SHORT for n, factor in zip((8, 4, 2, 1), factors, strict=True)}
        best = Machine(patch, **{f"on_{n}": s for n, s in seconds.items()}).best(8)
        least = min(seconds.values())
        assert seconds[best] <= 1.05 * least
        assert all(seconds[fewer] > 1.05 * least for fewer in seconds if fewer < best)


@given(st.lists(st.sampled_from([1, 2, 3, 4, 6, 8]), min_size=50, max_size=200), st.floats(0.1, 10))
def test_threads_that_can_be_had_may_change_in_the_middle_of_a_trial(numbers, factor):
    with pytest.MonkeyPatch.context() as patch:
        machine = Machine(patch, **{f"on_{n}": factor**n * SHORT for n in range(1, 9)})
        for most in numbers:
            assert 1 <= machine.call(most) <= most


def test_where_another_program_holds_a_core_each_trial_makes_two_calls_that_wait_for_it(monkeypatch):
    machine = Machine(monkeypatch, on_2=40 * SHORT, on_1=SHORT)
    used = [machine.call(2) for _ in range(100)]
    assert used.count(2) == 2
    machine.seconds["on_2"] = 0.6 * SHORT
    for _ in range(600):
        machine.call(2)
    assert machine.best(2) == 2


def test_a_disturbance_does_not_decide(monkeypatch):
    machine = Machine(monkeypatch, on_2=0.6 * SHORT, on_1=SHORT)
    for call in range(30):
        machine.call(2, slower=100 if call in (0, 3, 4, 6, 9) else 1)
    assert machine.best(2) == 2


def test_what_one_disturbed_trial_has_found_is_tried_again_soon(monkeypatch):
    machine = Machine(monkeypatch, on_2=0.6 * SHORT, on_1=SHORT)
    assert machine.best(2, calls=200) == 2
    while machine.trial.best == 2:  # another program holds a core during the next trial
        machine.seconds["on_2"] = 0.6 * SHORT if machine.now < machine.trial._due else 40 * SHORT
        machine.call(2)
    machine.seconds["on_2"] = 0.6 * SHORT
    used = [machine.call(2) for _ in range(600)]
    assert used.count(1) < 100
    assert machine.best(2) == 2


def test_a_machine_that_changes_is_noticed_within_two_seconds(monkeypatch):
    machine = Machine(monkeypatch, on_2=2 * SHORT, on_1=SHORT)
    assert machine.best(2) == 1
    machine.seconds = {"on_2": 0.6 * SHORT, "on_1": SHORT}
    changed = machine.now
    while machine.now < changed + 2.01:
        machine.call(2)
    assert machine.best(2) == 2


def test_trials_take_a_small_part_of_the_time(monkeypatch):
    machine = Machine(monkeypatch, on_2=2 * SHORT, on_1=SHORT)
    used = [machine.call(2) for _ in range(20_000)]
    assert 6 <= used.count(2) <= 0.01 * len(used)


def test_no_more_threads_than_there_are(monkeypatch):
    machine = Machine(monkeypatch, on_2=0.6 * SHORT, on_1=SHORT)
    assert machine.best(2) == 2
    assert {machine.call(1) for _ in range(20)} == {1}
    assert machine.best(2) == 2


# --- what kernels do by it


@pytest.fixture
def two_threads(monkeypatch):
    """Kernels may use two threads; what they used is what Numba was told, in a list."""
    if threads._most < 2:
        pytest.skip("there is one core")
    told, tell = [], numba.set_num_threads
    monkeypatch.setattr(numba, "set_num_threads", lambda n: (told.append(n), tell(n)))
    monkeypatch.setattr(threads._gate, "threads", 2)
    monkeypatch.setattr(threads._gate, "fixed", False)
    monkeypatch.setattr(threads._gate.free, "count", 2)
    monkeypatch.setattr(threads._gate.free, "next_look", float("inf"))
    numbers = itertools.cycle([1, 2])
    monkeypatch.setattr(Trial, "threads", lambda self, most: next(numbers))
    return told


def theta_after(units, dtype="float32"):
    """Train a dense network on digits, its steps on one thread and on two in turns."""
    (x, y), _ = tn.datasets.digits()
    layers = [tn.Input((28, 28)), tn.Flatten(), tn.Dense(units, "relu"), tn.Dense(10, "softmax")]
    model = tn.Sequential(layers, seed=0, dtype=dtype)
    model.fit(x[:450], y[:450], epochs=2, batch_size=200, seed=0, verbose=0)
    return model.theta.tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_bit_is_the_same_whatever_a_trial_finds(two_threads, dtype):
    tried = theta_after(64, dtype)
    assert {1, 2} <= set(two_threads)
    tn.set_num_threads(1)
    assert theta_after(64, dtype) == tried


def test_a_number_that_is_fixed_is_used_without_a_trial(two_threads):
    tn.set_num_threads(2, fixed=True)
    theta_after(64)
    assert set(two_threads) <= {2}


def test_nothing_is_tried_where_no_kernel_runs_threads(two_threads, monkeypatch):
    monkeypatch.setattr(Trial, "threads", None)
    theta_after(1)


@pytest.mark.parametrize("long", [False, True])
def test_a_plan_that_passes_over_much_memory_uses_all_threads_without_a_trial(monkeypatch, two_threads, long):
    monkeypatch.setattr(plan, "_LONG", 1 if long else 10**9)
    monkeypatch.setattr(threads._gate.numba, "threads", None, raising=False)  # so that Numba is told in any case
    theta_after(64)
    assert set(two_threads) == ({2} if long else {1, 2})
