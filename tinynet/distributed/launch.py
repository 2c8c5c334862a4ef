"""The start of a world: mpi4py, an MPI library, and the mpiexec that has started the processes."""

from __future__ import annotations

import faulthandler
import os
import shutil
from typing import Any

from tinynet.distributed.errors import WorldError
from tinynet.errors import MissingPackageError

# Variables in which the launchers of MPICH, Open MPI and others pass the number of processes.
_SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MPI_LOCALNRANKS", "MV2_COMM_WORLD_SIZE")
_INSTALL = "pip install 'tinynet-cpu[mpi]' mpich"


def started() -> int:
    """Return how many processes mpiexec has started, with this one; 0 without mpiexec."""
    return max([int(text) for name in _SIZES if (text := os.environ.get(name, "")).isdecimal()], default=0)


def communicator(timeout: float) -> Any:
    """Return MPI when all processes that mpiexec has started have reached this point.

    Parameters
    ----------
    timeout : float
        Seconds that this process waits for them; after that it ends, and says where it has waited.

    Raises
    ------
    MissingPackageError
        If mpi4py or an MPI library is missing.
    WorldError
        If mpiexec is that of another MPI than the library that mpi4py has found.
    """
    try:
        mpi = _meet_all_that_mpiexec_has_started(timeout)
    except ImportError as error:
        raise MissingPackageError(
            f"mpiexec has started {started()} processes, which talk by mpi4py, but it is not installed; run "
            f"`{_INSTALL}`, or start the program without mpiexec"
        ) from error
    except RuntimeError as error:  # it finds no library
        raise MissingPackageError(
            f"mpi4py is installed, but finds no MPI library ({error}); run `{_INSTALL}`, or set MPI4PY_LIBMPI to the "
            "path of a libmpi"
        ) from error
    if mpi.COMM_WORLD.size == 1 < started():
        library = mpi.Get_library_version().splitlines()[0]
        raise WorldError(
            f"mpiexec has started {started()} processes, but each of them is alone for its MPI library ({library}): "
            f"{shutil.which('mpiexec')} is of another MPI. Start the program with the mpiexec of that library; "
            f"`{_INSTALL}` brings both"
        )
    return mpi


def _meet_all_that_mpiexec_has_started(timeout: float) -> Any:
    """Start MPI, which waits for all processes in a call that neither Ctrl-C nor another thread can end."""
    faulthandler.dump_traceback_later(timeout, exit=True, file=2)  # the stream of errors
    try:
        from mpi4py import MPI
    finally:
        faulthandler.cancel_dump_traceback_later()
    return MPI


def check_workers(expected: int, size: int) -> None:
    """Refuse a world of another size than requested, and say how to start it.

    Raises
    ------
    WorldError
        If the sizes differ.
    """
    if expected == size:
        return
    command = f"mpiexec -n {expected} python <your script>"
    if started():
        how = f"start it with `{command}`"
    elif shutil.which("mpiexec"):
        how = f"this one was not started by mpiexec; start it with `{command}`"
    else:
        how = f"there is no mpiexec to start them; run `{_INSTALL}`, then `{command}`"
    raise WorldError(f"a world of {expected} processes was asked for, but there are {size}; {how}")
