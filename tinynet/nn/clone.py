"""Copies of layers."""

from __future__ import annotations

from typing import Any, TypeVar, cast

from tinynet.nn.layer import Layer, nested

L = TypeVar("L", bound=Layer)


def clone(layer: L) -> L:
    """Make a layer afresh from the arguments of another, nested layers included; it is not built yet."""
    done: dict[int, Layer] = {}

    def fresh(value: Any) -> Any:
        if not isinstance(value, Layer):
            return value
        if id(value) not in done:
            args, kwargs = nested(value.arguments, fresh)
            done[id(value)] = type(value)(*args, **kwargs)
        return done[id(value)]

    return cast(L, fresh(layer))
