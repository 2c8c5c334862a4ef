"""Locks for the files of a run: no other run may write the same checkpoint or table at the same time."""

from __future__ import annotations

import errno
import hashlib
import os
import socket
import weakref
from pathlib import Path

from tinynet.errors import WriteError
from tinynet.saving.places import is_stream


def hold(path: Path, what: str) -> socket.socket:
    """Lock a file for this run, until the lock is closed or the process ends.

    The lock is a name that the system frees when the process ends, however it ends. It leaves no file. Other machines
    and containers that write to the same disk do not see it.

    Parameters
    ----------
    path : pathlib.Path
        The file, which need not exist.
    what : str
        The thing that is written there, for the error.

    Returns
    -------
    socket.socket
        The lock; ``close`` frees it.

    Raises
    ------
    WriteError
        If another run holds it.
    """
    name = hashlib.sha256(os.fsencode(os.path.realpath(path))).hexdigest()
    lock = socket.socket(socket.AF_UNIX)
    if is_stream(path):  # such as the null device
        return lock
    try:
        lock.bind(f"\0tinynet {name}".encode())
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            return lock  # a system without such names
        lock.close()
        raise WriteError(
            errno.EBUSY,
            f"another run, or another callback of this one, writes {what} to {path} now; wait for its end, stop it, or "
            "choose another path",
        ) from None
    _held.add(lock)
    return lock


_held: weakref.WeakSet[socket.socket] = weakref.WeakSet()


def _free_in_child() -> None:
    for lock in _held:  # so that only the parent holds it
        lock.close()


os.register_at_fork(after_in_child=_free_in_child)
