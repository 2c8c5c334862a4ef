"""Writing files so that nothing is ever lost or half-written: beside, synced, then renamed."""

from __future__ import annotations

import contextlib
import os
import secrets
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
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    state = "nothing was changed"
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        state = "it is there, but might not be after a power failure now"
        _sync_directory(path.parent)
    except OSError as error:
        raise WriteError(
            error.errno,
            f"could not write {path}: {error.strerror or error}; {state}. Check that the directory exists, is writable "
            f"and has {len(content):,} bytes free, or choose another place",
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _sync_directory(directory: Path) -> None:
    """Make the renaming itself durable."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
