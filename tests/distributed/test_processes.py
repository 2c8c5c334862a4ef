"""A world: how its processes find each other, what they tell, and how they wait."""

import builtins
import queue
import sys
import threading
import time
import types

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import tinynet as tn
from tests.train.test_micro_batches import tree
from tinynet.distributed import WorldError, neighbours, starting
from tinynet.distributed.blocks import check_division
from tinynet.distributed.combining import LEAVING
from tinynet.distributed.host import Host, bytes_for
from tinynet.distributed.member import Member, join_world
from tinynet.distributed.message import Message, decode, differences, encode
from tinynet.distributed.processes import World
from tinynet.errors import ArgumentError, MissingPackageError
from tinynet.train.tree import TreeSum

# --- messages


NAMES = st.text(max_size=5).filter(lambda name: name != "forms")  # which a message has for its arrays
FACTS = st.dictionaries(NAMES, st.none() | st.booleans() | st.integers() | st.text(max_size=5))
ARRAYS = arrays.arrays(
    st.sampled_from([np.float32, np.float64, np.int64, np.uint8, np.bool_]), arrays.array_shapes(min_dims=0, min_side=0)
)


@given(FACTS, st.lists(ARRAYS, max_size=4))
def test_a_message_arrives_as_it_was_sent(facts, given_):
    message = decode(encode(Message.of(facts, given_)))
    assert {name: value for name, value in message.facts.items() if name != "forms"} == facts
    assert decode(encode(Message.of(facts))).sums is None
    for found, expected in zip(message.sums, given_, strict=True):
        assert (found.dtype, found.shape, found.tobytes()) == (expected.dtype, expected.shape, expected.tobytes())


def test_what_differs_is_told_with_both_values():
    assert differences({"a": 1, "b": {"c": 2, "d": 3}}, {"a": 1, "b": {"c": 5, "d": 3}}) == ["b c: 2 and 5"]
    assert differences({"a": 1}, {"b": 1}) == ["a: 1 and None", "b: None and 1"]
    assert differences({"a": [1]}, {"a": [1]}) == []


# --- processes, in place of which threads are


class Status:
    def Get_count(self, kind):
        return self.bytes


class Request:
    def Test(self):
        return True


class Communicator:
    """What a world needs of MPI's, for threads."""

    def __init__(self, rank, size, post):
        self.rank, self.size, self.post = rank, size, post

    def Isend(self, buffer, to, tag):
        self.post.setdefault((self.rank, to), queue.Queue()).put(buffer[0].copy())
        return Request()

    def Improbe(self, source, tag, status):
        try:
            found = self.post.setdefault((source, self.rank), queue.Queue()).get_nowait()
        except queue.Empty:
            return None
        status.bytes = len(found)
        return types.SimpleNamespace(Irecv=lambda buffer: buffer[0].__setitem__(..., found) or Request())


def in_all(size, act, timeout=10.0, together=1):
    """Let each process of a world do something; returns what each has returned or raised.

    So many of them share memory.
    """
    post = {(i, j): queue.Queue() for i in range(size) for j in range(size)}
    found = [None] * size
    memory = [np.zeros(bytes_for(together), np.uint8) for _ in range(0, size, together)]

    def go(rank):
        mpi = types.SimpleNamespace(COMM_WORLD=Communicator(rank, size, post), Status=Status, BYTE=None)
        world = World(mpi, timeout)
        if together > 1:
            number = rank % together
            world.host = Host(memory[rank // together], number, together, rank - number, world.wait, lambda: None)
        try:
            found[rank] = act(world)
        except Exception as error:
            found[rank] = error

    threads = [threading.Thread(target=go, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def first(left, right):
    return left


# How many processes there are, and how many of them share memory.
WORLDS = [(1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (8, 1), (13, 1), (2, 2), (3, 3), (5, 5), (8, 8), (8, 2), (8, 4)]
of_worlds = pytest.mark.parametrize(("size", "together"), WORLDS)


@of_worlds
def test_all_get_the_sum_along_the_tree(size, together):
    """The bits are those of the tree, whether messages or memory brings them, in one piece or in several."""
    rng = np.random.default_rng(size)
    values = [rng.standard_normal(size).astype(np.float32), rng.standard_normal((size, 3, 1000)), rng.random((size, 0))]
    n = 300_000 if together in (4, 5) else 100  # more than a slot has room for
    values.append(rng.standard_normal((size, n)).astype(np.float32))
    absent = {1} if size > 2 else set()

    def act(world):
        given = None if world.rank in absent else [np.array(array[world.rank]) for array in values]
        return [array.tobytes() for array in world.gather("sum", {}, first, given).sums]

    found = in_all(size, act, together=together)
    expected = TreeSum()
    for rank in range(size):
        expected.add(None if rank in absent else [np.array(array[rank]) for array in values])
    assert found == [[array.tobytes() for array in expected.total()]] * size
    assert absent or tree(list(values[0])).tobytes() == found[0][0]


@of_worlds
def test_all_share_what_the_first_one_has(size, together):
    long = "text" * (500_000 if together == 4 else 1)
    assert in_all(size, lambda world: world.share([world.rank, long]), together=together) == [[0, long]] * size


@pytest.mark.parametrize("together", [1, 2, 4])
def test_many_exchanges_do_not_mix(together):
    """Of all kinds, one after the other, by processes that are not equally fast."""

    def act(world):
        found = []
        for number in range(60):
            time.sleep(0.001 * (number % 4 == world.rank))
            kind = number % 3
            long = 2000 * (number % 2) + 1  # short vectors are exchanged in another way
            sums = [np.array([number, world.rank] * long, np.float64) for _ in range(kind)]
            whole = world.gather(f"{number}", {"ranks": [world.rank]}, joined, sums if kind else None)
            found.append([whole.facts["ranks"], None if whole.sums is None else [a[-2:].tolist() for a in whole.sums]])
        return found

    each = [[[0, 1, 2, 3], [[4 * n, 6]] * (n % 3) if n % 3 else None] for n in range(60)]
    assert in_all(4, act, together=together) == [each] * 4


def joined(left, right):
    return {"ranks": left["ranks"] + right["ranks"]}


@of_worlds
def test_the_first_one_collects_what_all_have(size, together):
    """Not as many arrays from each."""
    found = in_all(
        size, lambda world: world.collect([np.full(3, world.rank)] * (world.rank % 2 + 1)), together=together
    )
    assert [[a.tolist() for a in arrays] for arrays in found[0]] == [[[r] * 3] * (r % 2 + 1) for r in range(size)]
    assert found[1:] == [[]] * (size - 1)


@pytest.mark.parametrize("together", [1, 2, 4])
def test_an_error_of_one_is_raised_in_all_and_they_can_go_on(together):
    def act(world):
        failed = OSError("no space") if world.rank == 3 else None
        try:
            world.gather("step", {}, first, failed=failed)
            told = "no error"
        except WorldError as error:
            told = str(error)
        return told, world.share(world.rank)

    found = in_all(4, act, together=together)
    assert found[3] == ("no error", 0)  # it has its own
    assert found[:3] == [("process 3 of 4 has ended: OSError: no space", 0)] * 3


@pytest.mark.parametrize("together", [1, 2, 4])
def test_processes_that_do_not_do_the_same_are_told_so(together):
    found = in_all(4, lambda world: world.gather("a" if world.rank < 3 else "b", {}, first), together=together)
    assert all("processes 2 and 3 do not do the same: doing: a and b" in str(error) for error in found)
    found = in_all(4, lambda world: world.gather("a", {}, first, [np.zeros(world.rank + 1)]), together=together)
    assert all("processes 0 and 1 do not do the same: arrays: [['<f8', [1]]] and" in str(error) for error in found)


@pytest.mark.parametrize("together", [1, 2, 4])
def test_one_that_leaves_is_noticed_and_what_follows_fails_at_once(together):
    def act(world):
        if world.rank == 2:
            return world.gather(LEAVING, {}, first)
        with pytest.raises(WorldError, match="process 2 has left the work: its program has ended, while others go on"):
            world.share(1)
        return world.share(1)

    found = in_all(4, act, together=together)
    assert all("process 2 has left the work" in str(error) for error in found)
    assert all("cannot go on together" in str(found[rank]) for rank in (0, 1, 3))


@pytest.mark.parametrize("together", [1, 2])
def test_a_wait_has_an_end_and_what_follows_fails_at_once(together):
    def act(world):
        if world.rank == 1:
            return None
        with pytest.raises(WorldError, match=r"process 0 of 2 has waited 0.05 s for process 1"):
            world.share(1)
        return world.share(1)

    error, _ = in_all(2, act, timeout=0.05, together=together)
    assert "cannot go on together: process 0 of 2 has waited 0.05 s" in str(error)


@pytest.mark.parametrize(
    ("hosts", "room"),
    [([[0, 2], [1, 3]], True), ([[0, 1, 2], [3]], True), ([[0], [1, 2], [3]], True), ([[0, 1], [2, 3]], False)],
)
def test_hosts_that_are_no_blocks_of_the_tree_or_have_no_room_exchange_messages(hosts, room, monkeypatch):
    """All processes know that, whichever host it is."""
    lacking = threading.local()
    monkeypatch.setattr(neighbours, "_has_room", lambda size: not lacking.here)

    def act(world):
        (own,) = [ranks for ranks in hosts if world.rank in ranks]
        lacking.here = not room and 3 in own
        gather = lambda mine, all_: all_.__setitem__(..., own)  # noqa: E731
        local = types.SimpleNamespace(size=len(own), rank=own.index(world.rank), Allgather=gather)
        return neighbours.share_memory(world, local), world.share(5)

    assert in_all(4, act) == [(None, 5)] * 4


@pytest.mark.parametrize(("size", "fits"), [(20_479, True), (20_480, False)])
def test_memory_is_shared_where_more_than_twice_as_much_of_it_is_free(size, fits, monkeypatch):
    monkeypatch.setattr(neighbours.os, "statvfs", lambda path: types.SimpleNamespace(f_bavail=10, f_frsize=4_096))
    assert neighbours._has_room(size) is fits


def test_no_memory_is_shared_where_the_system_has_no_place_for_it(monkeypatch, tmp_path):
    monkeypatch.setattr(neighbours, "_MEMORY", str(tmp_path / "none"))
    assert not neighbours._has_room(0)


# --- how they find each other


@pytest.fixture
def fresh(monkeypatch):
    """No world so far, and no mpiexec."""
    monkeypatch.setattr(starting, "_worlds", {})
    for name in ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MPI_LOCALNRANKS", "MV2_COMM_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def failing_import(error):
    usual = builtins.__import__

    def load(name, *arguments, **options):
        if name == "mpi4py":
            raise error
        return usual(name, *arguments, **options)

    return load


def test_without_mpiexec_a_process_is_a_world_and_needs_no_mpi(fresh):
    fresh.setattr(builtins, "__import__", failing_import(ImportError("no mpi4py")))
    world = tn.distributed.world()
    assert (world.rank, world.size, world.share(3)) == (0, 1, 3)
    assert tn.distributed.world() is world


def test_what_is_missing_is_told(fresh):
    fresh.setenv("PMI_SIZE", "4")
    fresh.setattr(builtins, "__import__", failing_import(ImportError("no mpi4py")))
    with pytest.raises(MissingPackageError, match=r"4 processes.*`pip install 'tinynet-cpu\[mpi\]' mpich`"):
        tn.distributed.world()
    fresh.setattr(builtins, "__import__", failing_import(RuntimeError("cannot load MPI library")))
    with pytest.raises(MissingPackageError, match=r"no MPI library \(cannot load MPI library\); run `pip install"):
        tn.distributed.world()


def test_an_mpiexec_of_another_mpi_is_told(fresh):
    alone = types.SimpleNamespace(COMM_WORLD=types.SimpleNamespace(size=1), Get_library_version=lambda: "Some MPI 4\n")
    fresh.setitem(sys.modules, "mpi4py", types.SimpleNamespace(MPI=alone))
    fresh.setenv("OMPI_COMM_WORLD_SIZE", "4")
    with pytest.raises(WorldError, match=r"each of them is alone for its MPI library \(Some MPI 4\)"):
        tn.distributed.world()


def test_a_world_of_another_size_than_asked_for_is_refused(fresh):
    assert tn.distributed.world(workers=1).size == 1
    fresh.setenv("PATH", "")
    with pytest.raises(WorldError, match="asked for, but there are 1; there is no mpiexec to start them; run `pip"):
        tn.distributed.world(workers=4)
    fresh.setattr("shutil.which", lambda name: name)
    with pytest.raises(WorldError, match="not started by mpiexec; start it with `mpiexec -n 4 python"):
        tn.distributed.world(workers=4)


@pytest.mark.parametrize("bad", [{"workers": 0}, {"timeout": 0}, {"timeout": float("nan")}, {"threads": 0}])
def test_numbers_out_of_range_are_refused(bad, fresh):
    with pytest.raises(ArgumentError, match=next(iter(bad))):
        tn.distributed.world(**bad)


# --- who computes what


@pytest.mark.parametrize(("workers", "parts"), [(1, 1), (2, 2), (2, 8), (8, 8), (4, 1024)])
def test_blocks_of_the_tree_are_taken(workers, parts):
    check_division(workers, parts)


@pytest.mark.parametrize(("workers", "parts"), [(2, 1), (3, 6), (3, 8), (2, 6), (8, 4), (6, 12)])
def test_what_the_tree_does_not_divide_is_refused(workers, parts):
    with pytest.raises(ArgumentError, match=f"micro_batches={parts} cannot be divided among {workers} processes"):
        check_division(workers, parts)


def test_each_process_has_its_rows_and_all_have_all():
    for size in (1, 2, 4, 8):
        for n in range(1, 70):
            rows = []
            for rank in range(size):
                world = World()
                world.rank, world.size = rank, size
                if size == 1:
                    rows += range(n)
                    continue
                options = {"micro_batches": 8, "seed": 0, "world": world, "verbose": 1, "callbacks": []}
                (member,) = join_world(options)
                assert options["verbose"] == (0 if rank else 1)
                rows += range(n)[member.own(n)]
            assert rows == list(range(n))


def test_each_batch_of_a_validation_is_computed_once_and_the_first_one_by_process_0():
    """Which computes the metrics of the set."""
    for size in (2, 4, 8):
        for count in range(1, 40):
            numbers = []
            for rank in range(size):
                world = World()
                world.rank, world.size = rank, size
                numbers += [(number, rank) for number in Member(world, {"micro_batches": 8}).share(count)]
            assert [number for number, _ in numbers] == list(range(count))
            assert numbers[0][1] == 0


def test_what_is_no_world_is_refused():
    model = tn.Sequential([tn.Input((2,)), tn.Dense(2)], seed=0)
    with pytest.raises(ArgumentError, match=r"world must be what tn\.distributed\.world"):
        model.fit(np.eye(2), [0, 1], world=4, verbose=0)


def test_a_world_of_one_trains_as_none_does():
    thetas = []
    for world in (None, tn.distributed.world()):
        model = tn.Sequential([tn.Input((2,)), tn.Dense(2)], seed=0)
        model.fit(np.eye(2), [0, 1], epochs=2, world=world, verbose=0, seed=0)
        thetas.append(model.theta.tobytes())
    assert thetas[0] == thetas[1]
