"""Writing files whole or not at all: to a new file beside the old one, synced, then renamed."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import secrets
import stat
from pathlib import Path

from tinynet.errors import WriteError
from tinynet.saving.places import is_stream, target_of

_NO_SYNC = (errno.EINVAL, errno.ENOTSUP)  # errors of some network file systems when a directory is synced
_LONGEST = 200  # bytes of a name that fit into the name of a temporary file


def write_atomically(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file whole or not at all: whatever happens, ``path`` holds either the old content or the new one.

    The new file replaces the old one, and gets its mode and owner. A symbolic link stays a link: the file that it names
    is replaced. Other hard links to the old file keep the old content. A pipe or a device is written to.

    Processes may write to one path at the same time: the last one to finish wins. Temporary files of killed processes
    beside ``path`` are removed.

    Parameters
    ----------
    path : path-like
        The file; its directory must exist.
    content : bytes
        The whole content of the file.

    Raises
    ------
    WriteError
        If the place is read-only, the disk is full, or the directory is missing. ``path`` is then as before.

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
    state = "nothing was changed"
    try:
        target = target_of(path)
        if is_stream(target):
            _write_stream(target, content)
            return
        temporary = target.with_name(f".{_short(target.name)}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
        _remove_abandoned(target)
        try:
            _write_synced(temporary, content, like=target)
            os.replace(temporary, target)  # noqa: PTH105 - one name for each point at which a test lets it fail
        except BaseException:
            with contextlib.suppress(OSError):  # the first error says more
                temporary.unlink(missing_ok=True)
            raise
        state = "it is there, but might not be after a power failure now"
        _sync_directory(target.parent)
    except OSError as error:
        raise WriteError(
            error.errno,
            f"could not write {path}: {error.strerror or error}; {state}. Check that the directory exists, is writable "
            f"and has {len(content):,} bytes free, or choose another place",
        ) from error


def append(path: str | os.PathLike[str], content: bytes) -> None:
    """Add to the end of a file, all or nothing; only a killed process or a power failure may cut the end off.

    Parameters
    ----------
    path : path-like
        An existing file.
    content : bytes
        The bytes to add.

    Raises
    ------
    WriteError
        If it cannot be written. The file is then as before.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        try:
            before = os.fstat(handle)
            try:
                _write_all(handle, content)
            except OSError:
                if stat.S_ISREG(before.st_mode):
                    os.ftruncate(handle, before.st_size)
                raise
        finally:
            os.close(handle)
    except OSError as error:
        raise WriteError(
            error.errno, f"could not write {path}: {error.strerror or error}; nothing was changed"
        ) from error


def _short(name: str) -> str:
    """Return a name, or its digest if the name of a temporary file would become too long."""
    encoded = os.fsencode(name)
    return name if len(encoded) <= _LONGEST else hashlib.sha256(encoded).hexdigest()


def _write_stream(path: Path, content: bytes) -> None:
    """Write to a device, or to a pipe with a reader; a pipe without a reader is an error, not an endless wait."""
    handle = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        os.set_blocking(handle, True)
        _write_all(handle, content)
    finally:
        os.close(handle)


def _write_all(handle: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(handle, rest) :]


def _write_synced(temporary: Path, content: bytes, like: Path) -> None:
    """Write a new file, with the mode and the owner of an existing one, and make its content durable."""
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with contextlib.suppress(OSError):  # no such file, or a file system without owners
            _take_over(handle, like)
        _write_all(handle, content)
        os.fsync(handle)
    finally:
        os.close(handle)


def _take_over(handle: int, like: Path) -> None:
    """Give a file the mode of another one, and its owner if that is permitted."""
    before, now = like.stat(), os.fstat(handle)
    with contextlib.suppress(PermissionError):
        if (before.st_uid, before.st_gid) != (now.st_uid, now.st_gid):
            os.fchown(handle, before.st_uid, before.st_gid)
    os.fchmod(handle, stat.S_IMODE(before.st_mode) & 0o777)


def _remove_abandoned(path: Path) -> None:
    """Remove temporary files of ``path`` of dead processes, whose id is not in use and whose lock is free."""
    ours = re.compile(rf"\.{re.escape(_short(path.name))}\.(\d{{1,9}})-[0-9a-f]{{8}}\.tmp")
    found = [(entry, ours.fullmatch(entry)) for entry in os.listdir(path.parent)]  # noqa: PTH208
    for name, process in ((path.with_name(entry), int(match[1])) for entry, match in found if match):
        if not _alive(process):
            with contextlib.suppress(OSError):  # of another user, or another process removes it, too
                handle = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # may be locked in another container
                    name.unlink()
                finally:
                    os.close(handle)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # of another user
        return True
    return True


def _sync_directory(directory: Path) -> None:
    """Make the rename durable."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    finally:
        os.close(handle)
