"""The processes of a world on one host, and their shared memory."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from tinynet.distributed.blocks import is_power_of_two
from tinynet.distributed.host import Host, bytes_for
from tinynet.distributed.message import Facts
from tinynet.distributed.processes import World

_MEMORY = "/dev/shm"  # where Linux has shared memory


def find_neighbours(world: World) -> Any:
    """Return the communicator of the processes on this host, when all of them have reached this point."""
    world.gather("find neighbours", {}, lambda left, right: left)  # with a time-out, which the next call has not
    return world.mpi.COMM_WORLD.Split_type(world.mpi.COMM_TYPE_SHARED)


def share_memory(world: World, local: Any) -> Host | None:
    """Set up shared memory for the processes of each host, if the tree and the hosts allow it.

    Parameters
    ----------
    world : World
        The processes.
    local : mpi4py.MPI.Intracomm
        Those on this host.

    Returns
    -------
    Host or None
        None in all processes if those of a host are no block of the tree, or there is not enough shared memory.
    """
    ranks = np.empty(local.size, np.int64)
    local.Allgather(np.array([world.rank]), ranks)
    count, first = local.size, int(ranks[0])
    block = count == world.size or (is_power_of_two(count) and first % count == 0)
    fits = block and ranks.tolist() == list(range(first, first + count)) and _has_room(bytes_for(count))
    agreed = world.gather("share memory", {"count": count if fits else 1}, _same_count).facts["count"]
    if agreed == 1:
        return None
    mpi, size = world.mpi, bytes_for(count)
    window = mpi.Win.Allocate_shared(size if local.rank == 0 else 0, 1, comm=local)
    window.Lock_all(mpi.MODE_NOCHECK)
    memory = np.frombuffer(window.Shared_query(0)[0], np.uint8, size)
    if local.rank == 0:
        memory.fill(0)
    window.Sync()
    world.gather("have shared memory", {}, lambda left, right: left)  # which is 0 now
    window.Sync()
    return Host(memory, local.rank, count, first, world.wait, window.Sync)


def _same_count(left: Facts, right: Facts) -> Facts:
    """Return the number of processes on each host; 1 if it differs between hosts, or they cannot share memory."""
    return {"count": left["count"] if left["count"] == right["count"] else 1}


def _has_room(size: int) -> bool:
    try:
        found = os.statvfs(_MEMORY)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize > 2 * size
