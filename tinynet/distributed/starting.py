"""The world of this process: it is found once, and its processes end together."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType

from tinynet.checks import check_count, check_positive
from tinynet.core.engine import can_compile
from tinynet.distributed.combining import LEAVING
from tinynet.distributed.errors import WorldError
from tinynet.distributed.launch import check_workers, communicator, started
from tinynet.distributed.neighbours import find_neighbours, share_memory
from tinynet.distributed.processes import World

_worlds: dict[str, World] = {}  # the only one, after the first call of `world`


def world(workers: int | None = None, timeout: float = 300.0, threads: int | None = None) -> World:
    """Return the world: the processes that ``mpiexec`` has started together with this one, or this one alone.

    Pass it to `fit`, with ``micro_batches``: each process then computes its share of the micro-batches of each step,
    and all make the same update. Every process runs the same program on the same data; the result has the bits of one
    process. Only process 0 writes files and shows progress. An error that nobody catches ends all processes.

    Parameters
    ----------
    workers : int, optional
        The required number of processes; any number by default.
    timeout : float
        Seconds that a process waits for another one before it ends all, above 0.
    threads : int, optional
        The number of threads of each process. By default NUMBA_NUM_THREADS, or the cores of the host divided by its
        processes.

    Returns
    -------
    World
        The world, the same one at each call.

    Raises
    ------
    MissingPackageError
        If mpiexec has started the process, and mpi4py or an MPI library is missing.
    WorldError
        If there are more or fewer processes than ``workers``, or mpiexec is of another MPI than mpi4py's.
    ArgumentError
        If a number is out of range.

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.distributed.world()
    <World: process 0 of 1>
    """
    workers = None if workers is None else check_count("world: workers", workers)
    timeout = check_positive("world", "timeout", timeout)
    if "world" not in _worlds:
        found = World(communicator(timeout) if started() else None, timeout)
        if found.size > 1:
            _end_together(found)
            local = find_neighbours(found)
            _divide_cores(local.size)
            found.host = share_memory(found, local)
        _worlds["world"] = found
    found = _worlds["world"]
    found.timeout = timeout
    if threads is not None:
        from tinynet.fast.threads import set_num_threads

        set_num_threads(check_count("world: threads", threads))
    if workers is not None:
        check_workers(workers, found.size)
    return found


def known_world() -> World | None:
    """Return the world, or None before the first call of `world`."""
    return _worlds.get("world")


def _divide_cores(processes: int) -> None:
    """Set the threads of each process to its share of the cores, unless the user has set a number."""
    if "NUMBA_NUM_THREADS" in os.environ or not can_compile():
        return
    from tinynet.fast.cores import available_cores
    from tinynet.fast.threads import set_num_threads

    bound = available_cores() < (os.cpu_count() or 1)  # mpiexec may have assigned cores to each process
    set_num_threads(max(1, available_cores() // (1 if bound else processes)))


def _end_together(world: World) -> None:
    """Make an error that nobody catches end all processes, since the others would wait for this one."""
    usual = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        world.let_speak(error)
        usual(kind, error, trace)
        world.end_all(130 if issubclass(kind, KeyboardInterrupt) else 1)

    def at_exit() -> None:
        if world.broken:  # the others cannot end in order, either
            world.end_all(1)
        with suppress(WorldError, KeyboardInterrupt):  # those that still work wait for nobody
            world.gather(LEAVING, {}, lambda left, right: left)

    sys.excepthook = hook
    atexit.register(at_exit)


@contextmanager
def silent() -> Iterator[None]:
    """Print nothing in this context, in a process other than process 0."""
    usual = sys.stdout
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123
        sys.stdout = nowhere
        try:
            yield
        finally:
            sys.stdout = usual
