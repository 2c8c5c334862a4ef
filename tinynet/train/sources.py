"""The data that a user may pass: arrays, files of arrays, and objects that are read batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

import numpy as np

from tinynet.checks import check_numbers, readers
from tinynet.errors import ArgumentError, DTypeError
from tinynet.train.reading import is_file
from tinynet.train.stream import Stream

_SMALL = 2**26  # bytes; a smaller file of arrays is read as a whole
_CLASS = """
class Rows:
    def __init__(self, path):
        self.rows = np.memmap(path, np.float32, "r").reshape(-1, 28, 28)

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, indices):  # an array of integers in rising order
        return self.rows[indices]
"""


def _is_class_of_users(given: Any) -> bool:
    """Return whether something has a length and can be indexed, but is not an array and cannot be made into one."""
    known = isinstance(given, Sequence | Set | Mapping) or hasattr(given, "__array__")
    return not known and hasattr(given, "__len__") and hasattr(given, "__getitem__")


def as_data(what: str, given: Any) -> Any:
    """Return an array of numbers, or a `Stream` of data that are not in memory."""
    if isinstance(given, Iterator):
        raise ArgumentError(
            f"{what} must be data with a length that can be read in any order, but got the {type(given).__name__} "
            f"{given!r}; write a class of ten lines in its place, such as this one:\n{_CLASS}"
        )
    if is_file(given) and given.size * given.dtype.itemsize <= _SMALL:
        given = np.asarray(given[:])
    if is_file(given) or _is_class_of_users(given):
        given = Stream(given)
    if not isinstance(given, Stream):
        return check_numbers(what, given)
    if given.dtype.kind not in "fiub":
        raise DTypeError(f"{what} must be an array of numbers, but has dtype {given.dtype}")
    given.source.name = what
    given.check = None
    return given


readers.append(as_data)
