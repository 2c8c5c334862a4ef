"""How many threads kernels use where cores are granted by quotas, and where other programs use them.

The system is a directory with the pseudo files that matter, and the clocks are faked: nothing depends on the machine.
"""

import os
import subprocess
import sys

import numba
import numpy as np
import pytest

import tinynet as tn
from tinynet.fast import cores, threads
from tinynet.fast.cores import FreeCores, Reading, quota
from tinynet.fast.threads import kernel_gate, use_threads

# --- what the system grants


@pytest.fixture
def system(tmp_path):
    """A function that writes pseudo files, and gives their root."""

    def write(**files):
        for path, text in files.items():
            file = tmp_path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return tmp_path

    return write


V2 = {"proc/self/cgroup": "0::/user/job\n"}
V1 = {"proc/self/cgroup": "9:name=systemd:/\n4:cpu,cpuacct:/docker/abc\n3:cpuset:/docker/abc\n0::/\n"}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, None),
        (V2, None),
        (V2 | {"sys/fs/cgroup/user/job/cpu.max": "max 100000\n"}, None),
        (V2 | {"sys/fs/cgroup/user/job/cpu.max": "200000 100000\n"}, 2),
        (V2 | {"sys/fs/cgroup/user/job/cpu.max": "350000 100000\n"}, 3),
        (V2 | {"sys/fs/cgroup/user/job/cpu.max": "50000 100000\n"}, 1),
        (V2 | {"sys/fs/cgroup/user/job/cpu.max": "max 100000\n", "sys/fs/cgroup/user/cpu.max": "40000 20000\n"}, 2),
        (V2 | {"sys/fs/cgroup/user/job/cpu.max": "3000 1000\n", "sys/fs/cgroup/cpu.max": "2000 1000\n"}, 2),
        (V2 | {"sys/fs/cgroup/cpu.max": "400000 100000\n"}, 4),  # the path is the host's
        (V2 | {"sys/fs/cgroup/unified/user/cpu.max": "400000 100000\n"}, 4),
        ({"proc/self/cgroup": "0::/../../job\n", "sys/fs/cgroup/job/cpu.max": "200000 100000\n"}, 2),
        ({"proc/self/cgroup": "0::/a:b\n", "sys/fs/cgroup/a:b/cpu.max": "200000 100000\n"}, 2),
        (V2 | {"sys/fs/cgroup/user/job/cpu.max": "nonsense"}, None),
        (V1, None),
        (
            V1
            | {
                "sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us": "100000\n",
            },
            None,
        ),
        (
            V1
            | {
                "sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us": "250000\n",
                "sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us": "100000\n",
            },
            2,
        ),
        (
            V1 | {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "300000\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"},
            3,
        ),
    ],
)
def test_quotas_of_control_groups_are_found(system, files, expected):
    assert quota(system(**files)) == expected


@pytest.mark.parametrize(
    ("environment", "granted", "expected"),
    [({}, None, 8), ({}, 3, 3), ({}, 20, 8), ({"NUMBA_NUM_THREADS": "8"}, 3, 8)],
    ids=["no quota", "a quota", "a larger quota", "the user says otherwise"],
)
def test_the_default_number_of_threads_is_what_the_system_grants(monkeypatch, environment, granted, expected):
    monkeypatch.delenv("NUMBA_NUM_THREADS", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(threads, "_most", 8)
    monkeypatch.setattr(cores, "granted_cores", lambda: 8)
    monkeypatch.setattr(cores, "quota", lambda: granted)
    assert threads._Gate().threads == expected


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system has no CPU affinity")
def test_the_default_number_of_threads_honours_cpu_affinity():
    code = "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]); import tinynet as tn"
    code += "; print(tn.get_num_threads())"
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_NUM_THREADS"}
    assert subprocess.check_output([sys.executable, "-c", code], env=environment, text=True) == "1\n"


# --- what other programs leave


def readings(*intervals, cores=4):
    """The readings around intervals of 0.1 s in which this process and others used so many cores."""
    now = Reading(100.0, 5.0, 1000.0, frozenset(range(cores)))
    yield now
    for own, others in intervals:
        now = now._replace(wall=now.wall + 0.1, own=now.own + 0.1 * own, idle=now.idle + 0.1 * (cores - own - others))
        yield now


def counts(series):
    """What is counted as free after each reading."""
    free = FreeCores()
    series = iter(series)
    free.read = lambda: next(series, None)
    found = []
    for _ in range(100):
        free.look()
        if free.next_look == np.inf:
            return found
        found.append(free.count)
    raise AssertionError


ALL = sys.maxsize


@pytest.mark.parametrize(
    ("intervals", "expected"),
    [
        ([(4, 0), (4, 0), (4, 0)], [4, 4]),
        ([(1, 0), (1, 0)], [4]),  # a program that waits leaves cores idle; they are free
        ([(3.9, 0.1), (3.8, 0.2)], [4]),  # some housekeeping
        ([(2, 2), (2, 2), (2, 2)], [2, 2]),
        ([(0.8, 3.2), (0.5, 3.5)], [1]),
        ([(0, 4), (0, 4)], [1]),  # never none
        ([(4, 0), (4, 0), (3, 1), (3, 1), (3, 1)], [4, 4, 3, 3]),
        ([(4, 0), (4, 0), (2, 2), (4, 0), (4, 0)], [4, 4, 4, 4]),  # a short disturbance
        ([(1, 3), (1, 3), (1, 0), (4, 0)], [1, 4, 4]),
    ],
)
def test_free_cores_are_those_that_were_used_and_those_that_were_idle(intervals, expected):
    assert counts(readings(*intervals)) == [ALL, ALL, *expected]


def test_an_interval_in_which_the_affinity_changed_does_not_count():
    four, two = (list(readings((4, 0), (4, 0), cores=n)) for n in (4, 2))
    assert counts([*four, *two]) == [ALL, ALL, 4, 4, 4, 2]


STAT = """cpu  900 0 100 {total} 5 0 3 1 0 0
cpu0 500 0 50 {a} 2 0 1 1 0 0
cpu1 400 0 50 {b} 3 0 2 0 0 0
intr 12345 1 2 3
ctxt 99
"""


@pytest.fixture
def two_cores(monkeypatch):
    """A process that may run on the cores 0 and 1."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    monkeypatch.setattr(os, "sysconf", lambda _: 100, raising=False)


@pytest.mark.usefixtures("two_cores")
def test_idle_time_is_read_for_the_cores_that_the_process_may_run_on(system, monkeypatch):
    root = system(**{"proc/stat": STAT.format(total=3000, a=1000, b=2000)})
    assert FreeCores(root).read().idle == pytest.approx(30.05)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1})
    assert FreeCores(root).read().idle == pytest.approx(20.03)


@pytest.mark.usefixtures("two_cores")
@pytest.mark.parametrize(
    "files",
    [
        {},
        {"proc/stat": ""},
        {"proc/stat": "cpu 1 2\ncpu0 1 2\ncpu1 1 2\n"},
        {"proc/stat": "cpu0 one two three four five\n"},
        {"proc/stat": STAT.format(total=0, a=0, b=0).replace(" 2 0 1", " 0 0 0").replace(" 3 0 2", " 0 0 0")},
        {"proc/stat": STAT.format(total=9, a=4, b=5).replace("cpu1", "cpu7")},
    ],
    ids=["no file", "empty", "short", "words", "zeros", "other cores"],
)
def test_where_the_system_does_not_tell_all_cores_are_free_and_nobody_looks_again(system, files):
    free = FreeCores(system(**files))
    free.look()
    assert (free.count, free.next_look) == (ALL, np.inf)


def test_looks_take_a_small_part_of_the_time(monkeypatch):
    clock = iter([10.0, 10.5, 20.0, 20.0001])
    free = FreeCores()
    free.read = lambda: next(readings())
    monkeypatch.setattr(cores.time, "perf_counter", lambda: next(clock))
    free.look()
    assert free.next_look == pytest.approx(60.0)  # half a second is a hundredth of it
    free.look()
    assert free.next_look == pytest.approx(20.1)


# --- what kernels use


class Count:
    """Free cores, a given number."""

    def __init__(self, count):
        self.count, self.next_look, self.looks = count, 0.0, 0

    def look(self):
        self.looks += 1

    def restart(self):
        pass


@pytest.fixture
def three_threads(monkeypatch):
    """Kernels may use three threads; what they used is what Numba was told last, in a list."""
    told = []
    monkeypatch.setattr(threads, "_most", 3)
    monkeypatch.setattr(threads._gate, "threads", 3)
    monkeypatch.setattr(threads._gate, "fixed", False)
    monkeypatch.setattr(threads._gate, "numba", type("Local", (), {})())
    monkeypatch.setattr(numba, "set_num_threads", told.append)
    return told


def used(told, free, monkeypatch):
    """How many threads kernels use in the gate."""
    monkeypatch.setattr(threads._gate, "free", Count(free))
    with kernel_gate():
        use_threads()
        return told[-1]


def test_kernels_use_the_cores_that_other_programs_leave(three_threads, monkeypatch):
    assert [used(three_threads, free, monkeypatch) for free in (ALL, 2, 1, 3, 8)] == [3, 2, 1, 3, 3]
    assert tn.get_num_threads() == 3


def test_numba_is_told_only_what_changes(three_threads, monkeypatch):
    for free in (1, 1, 2, 2):
        used(three_threads, free, monkeypatch)
    assert three_threads == [1, 2]


def test_the_number_that_is_set_is_the_largest_unless_it_is_fixed(three_threads, monkeypatch):
    tn.set_num_threads(2)
    assert [used(three_threads, free, monkeypatch) for free in (1, 3)] == [1, 2]
    tn.set_num_threads(3, fixed=True)
    assert [used(three_threads, free, monkeypatch) for free in (1, 3)] == [3, 3]
    assert threads._gate.free.looks == 0
    tn.set_num_threads(3)
    assert used(three_threads, 1, monkeypatch) == 1


def test_the_gate_looks_when_it_is_time(three_threads, monkeypatch):
    free = Count(3)
    monkeypatch.setattr(threads._gate, "free", free)
    for next_look, looks in ((0.0, 1), (np.inf, 1), (0.0, 2)):
        free.next_look = next_look
        with kernel_gate():
            assert free.looks == looks
    tn.set_num_threads(1)
    with kernel_gate():
        assert free.looks == 2


def test_every_bit_is_the_same_when_the_number_of_threads_changes_between_steps(monkeypatch):
    """Each step of training enters the gate anew, and finds another number of free cores."""
    numbers = iter(range(10**6))

    class Changing(Count):
        count = property(lambda self: 1 + next(numbers) % 2, lambda self, value: None)

    def train():
        from tinynet.recipes import RECIPES

        (x, y), _ = tn.datasets.mnist(source="sample")
        monkeypatch.setattr("tinynet.train.loop._SESSION", 0.0)
        model = RECIPES["dense"].model(seed=0)
        model.fit(x[:96], y[:96], epochs=2, seed=0, verbose=0)
        return model.theta.tobytes()

    alone = train()
    most = min(2, threads._most)
    monkeypatch.setattr(threads._gate, "threads", most)
    monkeypatch.setattr(threads._gate, "fixed", False)
    monkeypatch.setattr(threads._gate, "free", Changing(1))
    assert train() == alone
    assert next(numbers) >= 6 or most == 1
