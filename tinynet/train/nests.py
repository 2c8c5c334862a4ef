"""Arrays in tuples, lists and dicts within each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

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


def joined(parts: Sequence[Any]) -> Any:
    """Concatenate arrays that are nested alike, each with those in its place.

    Examples
    --------
    >>> joined([(np.zeros(1), np.ones(1)), (np.zeros(2), np.ones(1))])
    (array([0., 0., 0.]), array([1., 1.]))
    """
    columns = zip(*map(leaves, parts), strict=True)
    return nested(parts[0], lambda _: np.concatenate(next(columns)))
