"""New layers from the arguments of others, and from the attributes that were set since."""

from __future__ import annotations

import inspect
from typing import Any, TypeVar, cast

import numpy as np

from tinynet.core.engine import Op
from tinynet.nn.layer import Layer, nested
from tinynet.nn.network import Network

L = TypeVar("L", bound=Layer)


def clone(layer: L) -> L:
    """Make a new layer from the arguments of another one and of the layers in it; it is not built yet."""
    done: dict[int, Layer] = {}

    def fresh(value: Any) -> Any:
        if not isinstance(value, Layer):
            return value
        if id(value) not in done:
            args, kwargs = nested(arguments_of(value), fresh)
            done[id(value)] = type(value)(*args, **kwargs)
        return done[id(value)]

    return cast(L, fresh(layer))


def arguments_of(layer: Layer) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments that make a layer with the present settings of this one.

    They are those that it was made with. If an attribute has the name of an argument and was set since, its value
    replaces the argument. It was set since if a new layer from the same arguments has another value there; numbers,
    texts, arrays and functions with a name are compared. Models keep their arguments. So do arguments that ``build``
    has read, such as the number of units, since the parameters have shapes that depend on them.
    """
    args, kwargs = layer.arguments
    if isinstance(layer, Network):
        return args, kwargs
    signature = inspect.signature(layer.__init__)  # type: ignore[misc]  # of the class, it may be that of Layer.__new__
    if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in signature.parameters.values()):
        return args, kwargs
    given = signature.bind(*args, **kwargs)
    fresh, now = vars(type(layer)(*args, **kwargs)), vars(layer)
    settled = getattr(getattr(type(layer).build, "__code__", None), "co_names", ()) if layer._built else ()
    names = signature.parameters.keys() - {"name", *settled}
    changed = {name: now[name] for name in sorted(names & now.keys() & fresh.keys()) if _differ(now[name], fresh[name])}
    return ((), {**given.arguments, **changed}) if changed else (args, kwargs)


def _differ(a: Any, b: Any) -> bool:
    """Return whether two values can be compared, and differ."""
    if not (_is_plain(a) and _is_plain(b)):
        return False
    if callable(a) or callable(b):
        return a is not b
    return type(a) is not type(b) or not np.array_equal(a, b)


def _is_plain(value: Any) -> bool:
    """Return whether a value is a number, a text, None, an array, a named function or a sequence of these."""
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    if isinstance(value, Op) or getattr(value, "__name__", "").isidentifier():
        return True
    return value is None or isinstance(value, bool | int | float | str | np.ndarray | np.generic)
