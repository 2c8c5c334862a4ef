"""A world: how its processes find each other, what they tell, and how they wait."""

import builtins
import queue
import sys
import threading
import types

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import tinynet as tn
from tests.train.test_micro_batches import tree
from tinynet.distributed import WorldError, processes
from tinynet.distributed.blocks import check_division
from tinynet.distributed.member import join_world
from tinynet.distributed.message import Message, decode, differences, encode
from tinynet.distributed.processes import World
from tinynet.errors import ArgumentError, MissingPackageError

# --- messages


FACTS = st.dictionaries(st.text(max_size=5), st.none() | st.booleans() | st.integers() | st.text(max_size=5))
ARRAYS = arrays.arrays(
    st.sampled_from([np.float32, np.float64, np.int64, np.uint8, np.bool_]), arrays.array_shapes(min_dims=0, min_side=0)
)


@given(FACTS, st.lists(ARRAYS, max_size=4))
def test_a_message_arrives_as_it_was_sent(facts, given_):
    message = decode(encode(Message(facts, given_)))
    assert message.facts == facts
    for found, expected in zip(message.arrays, given_, strict=True):
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


def in_all(size, act, timeout=10.0):
    """Let each process of a world do something; returns what each has returned or raised."""
    post = {(i, j): queue.Queue() for i in range(size) for j in range(size)}
    found = [None] * size

    def go(rank):
        mpi = types.SimpleNamespace(COMM_WORLD=Communicator(rank, size, post), Status=Status, BYTE=None)
        try:
            found[rank] = act(World(mpi, timeout))
        except Exception as error:
            found[rank] = error

    threads = [threading.Thread(target=go, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 8, 13])
def test_all_get_the_sum_along_the_tree(size):
    values = np.random.default_rng(size).standard_normal(size).astype(np.float32)

    def add(left, right):
        return Message(left.facts, [left.arrays[0] + right.arrays[0]])

    found = in_all(size, lambda world: world.gather("sum", {}, [values[world.rank : world.rank + 1]], add).arrays[0])
    assert {value.tobytes() for value in found} == {tree(list(values)).tobytes()}


@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_all_share_what_the_first_one_has(size):
    assert in_all(size, lambda world: world.share([world.rank, "text"])) == [[0, "text"]] * size


def test_an_error_of_one_is_raised_in_all_and_they_can_go_on():
    def act(world):
        failed = OSError("no space") if world.rank == 3 else None
        try:
            world.gather("step", {}, [], lambda left, right: left, failed)
            told = "no error"
        except WorldError as error:
            told = str(error)
        return told, world.share(world.rank)

    found = in_all(4, act)
    assert found[3] == ("no error", 0)  # it has its own
    assert found[:3] == [("process 3 of 4 has ended: OSError: no space", 0)] * 3


def test_processes_that_do_not_do_the_same_are_told_so():
    found = in_all(4, lambda world: world.gather("a" if world.rank < 3 else "b", {}, [], lambda left, right: left))
    assert all("processes 2 and 3 do not do the same: doing: a and b" in str(error) for error in found)


def test_a_wait_has_an_end_and_what_follows_fails_at_once():
    def act(world):
        if world.rank == 1:
            return None
        with pytest.raises(WorldError, match=r"process 0 of 2 has waited 0.05 s for process 1"):
            world.share(1)
        return world.share(1)

    error, _ = in_all(2, act, timeout=0.05)
    assert "cannot go on together: process 0 of 2 has waited 0.05 s" in str(error)


# --- how they find each other


@pytest.fixture
def fresh(monkeypatch):
    """No world so far, and no mpiexec."""
    monkeypatch.setattr(processes, "_worlds", {})
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
