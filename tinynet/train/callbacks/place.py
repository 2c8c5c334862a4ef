"""The check of where a callback writes."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from tinynet.errors import WriteError


def check_place(path: Path, what: str) -> None:
    """Refuse a file that could not be written, before anything is trained."""
    if path.is_dir():
        raise WriteError(errno.EISDIR, f"{path}, where {what} is to be, is a directory; give the path of a file in it")
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK):
        raise WriteError(errno.EACCES, f"{path.parent}, where {what} is to be, is no directory to write to")
