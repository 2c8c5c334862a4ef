"""Paths as users write them, and checks of a place before anything is written there."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from pathlib import Path

from tinynet.errors import ArgumentError, WriteError

_MOUNTS = "/proc/self/mountinfo"  # Linux; the fifth field of a line is a mount point


def as_path(what: str, path: str | bytes | os.PathLike[str]) -> Path:
    """Return the path that a user passes, with the home directory instead of a leading ``~``.

    Parameters
    ----------
    what : str
        The thing that the path is for, for the error.
    path : path-like
        The path; write ``./~`` for a file that is really called ``~``.

    Returns
    -------
    pathlib.Path
        The path.

    Raises
    ------
    ArgumentError
        If it is no path, is empty, has a zero byte, or begins with ``~`` although no home directory is known.

    Examples
    --------
    >>> as_path("a model file", "runs/model.safetensors").name
    'model.safetensors'
    """
    if not isinstance(path, str | bytes | os.PathLike):
        raise ArgumentError(f"the path of {what} must be a text or a pathlib.Path, but got {path!r}")
    text = os.fsdecode(path)
    if not text or "\0" in text:
        raise ArgumentError(f"the path of {what} must be the name of a file, but got {text!r}")
    place = Path(text)
    if place.parts[:1] != ("~",):
        return place
    home = os.path.expanduser("~")  # noqa: PTH111 - Path.home raises a RuntimeError for a user without a home
    if os.environ.get("HOME") == "" or not os.path.isabs(home):  # noqa: PTH117 - a text
        raise ArgumentError(f"{text}: the user has no home directory, so ~ stands for none; write the path in full")
    return Path(home, *place.parts[1:])


def target_of(path: Path) -> Path:
    """Return the file that is replaced when ``path`` is written; for a symbolic link, the file that it names.

    Raises
    ------
    OSError
        If links lead in a circle.
    """
    if not path.is_symlink():
        return path
    target = Path(os.path.realpath(path))
    if target.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    return target


def is_stream(path: Path) -> bool:
    """Return whether a path is a pipe, a socket or a device, which is written to and never replaced."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def check_place(path: Path, what: str) -> None:
    """Refuse a file that could not be written repeatedly, before anything is trained.

    Parameters
    ----------
    path : pathlib.Path
        The path of the file.
    what : str
        The thing to be written there, for the error.

    Raises
    ------
    WriteError
        If the path is a directory, a pipe, a socket or a mount point, or in no directory that can be written to.
    """
    try:
        target = target_of(path)
        target.lstat()
    except (FileNotFoundError, NotADirectoryError):  # see below
        pass
    except OSError as error:
        reason = error.strerror or error
        raise WriteError(error.errno, f"{path}, where {what} is to be, cannot be written: {reason}") from None
    if target.is_dir():
        raise WriteError(errno.EISDIR, f"{path}, where {what} is to be, is a directory; give the path of a file in it")
    if is_stream(target) and not target.is_char_device():
        raise WriteError(
            errno.EINVAL, f"{path}, where {what} is to be, is a pipe, a socket or a device; give the path of a file"
        )
    if _is_mount_point(target):
        raise WriteError(
            errno.EBUSY,
            f"{path}, where {what} is to be, is mounted by itself and cannot be replaced; mount its directory instead",
        )
    directory = target.parent
    if not directory.is_dir() or not os.access(directory, os.W_OK | os.X_OK):
        raise WriteError(errno.EACCES, f"{directory}, where {what} is to be, is not a directory to write to")


def make_writable(directory: Path) -> None:
    """Make a directory if it does not exist, and try to make a file in it, before a long computation.

    Raises
    ------
    OSError
        If the directory cannot be made or written to.
    """
    directory.mkdir(parents=True, exist_ok=True)
    tempfile.TemporaryFile(dir=directory).close()


def _is_mount_point(path: Path) -> bool:
    """Return whether something is mounted at a file, as in containers; False if that cannot be known."""
    try:
        with open(_MOUNTS, "rb") as lines:  # noqa: PTH123 - no path of the user's
            places = {line.split()[4] for line in lines}
    except (OSError, IndexError):
        return False
    escaped = os.path.realpath(path).encode(errors="surrogateescape")
    for sign in (b"\\", b" ", b"\t", b"\n"):
        escaped = escaped.replace(sign, b"\\%03o" % sign[0])
    return escaped in places and not path.is_dir()
