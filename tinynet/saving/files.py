"""Writing files so that nothing is ever lost or half-written: beside, synced, then renamed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
from pathlib import Path

from tinynet.errors import WriteError


def write_atomically(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file whole or not at all: whatever happens, ``path`` holds either what it held or ``content``.

    Processes that write to one path at once do not disturb each other: the last to finish wins. What processes that
    were killed have left beside ``path`` is removed.

    Parameters
    ----------
    path : path-like
        Where to; its directory must exist.
    content : bytes
        All of the file.

    Raises
    ------
    WriteError
        If the place is read-only, the disk is full, or the directory is missing; ``path`` is then as it was.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "note.txt"
    ...     write_atomically(path, b"hello")
    ...     path.read_bytes()
    b'hello'
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    state = "nothing was changed"
    try:
        _remove_abandoned(path)
        try:
            _write_synced(temporary, content)
            os.replace(temporary, path)  # noqa: PTH105 - one name for each point at which a test lets it fail
        except BaseException:
            with contextlib.suppress(OSError):  # the error that is under way says more
                temporary.unlink(missing_ok=True)
            raise
        state = "it is there, but might not be after a power failure now"
        _sync_directory(path.parent)
    except OSError as error:
        raise WriteError(
            error.errno,
            f"could not write {path}: {error.strerror or error}; {state}. Check that the directory exists, is writable "
            f"and has {len(content):,} bytes free, or choose another place",
        ) from error


def _write_synced(temporary: Path, content: bytes) -> None:
    """Write a new file, and make its content durable."""
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(handle, rest) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove_abandoned(path: Path) -> None:
    """Remove what dead processes have left of ``path``: their id is not in use, and nobody holds the file's lock."""
    ours = re.compile(rf"\.{re.escape(path.name)}\.(\d{{1,9}})-[0-9a-f]{{8}}\.tmp")
    found = [(entry, ours.fullmatch(entry)) for entry in os.listdir(path.parent)]  # noqa: PTH208
    for name, process in ((path.with_name(entry), int(match[1])) for entry, match in found if match):
        if not _alive(process):
            with contextlib.suppress(FileNotFoundError):  # another process may be cleaning up, too
                handle = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    name.unlink()
                except BlockingIOError:  # held in another container, where processes are numbered anew
                    pass
                finally:
                    os.close(handle)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is another user's
        return True
    return True


def _sync_directory(directory: Path) -> None:
    """Make the renaming itself durable."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
