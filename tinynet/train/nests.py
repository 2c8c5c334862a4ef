"""Arrays in nested tuples, lists and dicts."""

from __future__ import annotations

from typing import Any

from tinynet.nn.layer import nested


def leaves(value: Any) -> list[Any]:
    """Return all that is neither a tuple, a list nor a dict, in order.

    Examples
    --------
    >>> leaves({"a": (1, 2), "b": 3})
    [1, 2, 3]
    """
    found: list[Any] = []
    nested(value, found.append)
    return found
