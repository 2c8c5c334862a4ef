"""Writing files so that nothing is ever lost or half-written: beside, synced, then renamed."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from tinynet.errors import WriteError


def write_atomically(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file whole or not at all: whatever happens, ``path`` holds either what it held or ``content``.

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
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), 0o666 & ~_umask())
        Path(temporary).replace(path)
        temporary = None
        _sync_directory(path.parent)
    except OSError as error:
        raise WriteError(
            error.errno,
            f"could not write {path}: {error.strerror or error}; nothing was changed. Check that the directory exists, "
            f"is writable and has {len(content):,} bytes free, or choose another place",
        ) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()


def _sync_directory(directory: Path) -> None:
    """Make the renaming itself durable."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
