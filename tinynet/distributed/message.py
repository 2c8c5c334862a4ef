"""Messages between processes: a few facts, and arrays that are added up."""

from __future__ import annotations

import json
import math
from typing import Any, NamedTuple

import numpy as np

from tinynet.core.spec import Array

Facts = dict[str, Any]

_ALIGNED = 64  # bytes


class Message(NamedTuple):
    """A message to other processes.

    Attributes
    ----------
    facts : dict
        Numbers, texts, lists and dicts; "forms" has the dtypes and shapes of the arrays.
    sums : list of ndarray or None
        Arrays of numbers; None if there is nothing to add.
    """

    facts: Facts
    sums: list[Array] | None

    @classmethod
    def of(cls, facts: Facts, sums: list[Array] | None = None) -> Message:
        """Make a message with the dtypes and shapes of its arrays."""
        forms = None if sums is None else [[array.dtype.str, list(array.shape)] for array in sums]
        return cls({**facts, "forms": forms}, sums)


def _aligned(size: int) -> int:
    return -(-size // _ALIGNED) * _ALIGNED


def encode(message: Message) -> Array:
    """Write a message as bytes: the length of its facts as JSON, these, and the arrays one after the other.

    Examples
    --------
    >>> message = decode(encode(Message.of({"a": 1}, [np.arange(3)])))
    >>> message.facts["a"], message.sums
    (1, [array([0, 1, 2])])
    """
    text = json.dumps(message.facts).encode()
    start, arrays = _aligned(8 + len(text)), message.sums or []
    whole = np.empty(start + sum(_aligned(array.nbytes) for array in arrays), np.uint8)
    whole[:8].view(np.int64)[0] = len(text)
    whole[8 : 8 + len(text)] = np.frombuffer(text, np.uint8)
    for array, place in zip(arrays, _places(whole, start, message.facts["forms"] or []), strict=True):
        place[...] = array
    return whole


def decode(whole: Array) -> Message:
    """Read a message; its arrays are views of the bytes."""
    length = int(whole[:8].view(np.int64)[0])
    facts = json.loads(whole[8 : 8 + length].tobytes())
    forms = facts["forms"]
    return Message(facts, None if forms is None else _places(whole, _aligned(8 + length), forms))


def _places(whole: Array, start: int, forms: list[Any]) -> list[Array]:
    """Return views of bytes as consecutive arrays of some dtypes and shapes."""
    places = []
    for text, shape in forms:
        dtype = np.dtype(text)
        size = dtype.itemsize * math.prod(shape)
        places.append(whole[start : start + size].view(dtype).reshape(shape))
        start += _aligned(size)
    return places


def differences(left: Facts, right: Facts, of: str = "") -> list[str]:
    """Return the differences between the facts of two processes, each with both values.

    Examples
    --------
    >>> differences({"numpy": "2.4.0", "optimizer": {"rate": 1}}, {"numpy": "2.3.1", "optimizer": {"rate": 2}})
    ['numpy: 2.4.0 and 2.3.1', 'optimizer rate: 1 and 2']
    """
    told = []
    for name in dict.fromkeys([*left, *right]):
        pair = left.get(name), right.get(name)
        if isinstance(pair[0], dict) and isinstance(pair[1], dict):
            told += differences(pair[0], pair[1], f"{of}{name} ")
        elif pair[0] != pair[1]:
            told.append(f"{of}{name}: {pair[0]} and {pair[1]}")
    return told
