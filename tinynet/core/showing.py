"""The text that shows an object: the call that makes it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def shown_as_call(thing: Any) -> str:
    """Write the call that makes an object, from the arguments that it keeps as attributes.

    Parameters
    ----------
    thing : object
        An object whose class keeps its arguments under their own names.

    Returns
    -------
    str
        The call, with its first argument, and the others that differ from their defaults.

    Examples
    --------
    >>> import tinynet as tn
    >>> shown_as_call(tn.SGD(0.1, momentum=0.9))
    'SGD(learning_rate=0.1, momentum=0.9)'
    """
    if made_by := getattr(thing, "made_by", ""):
        return str(made_by)
    parameters = list(inspect.signature(type(thing)).parameters.values())
    texts = []
    for parameter in parameters:
        if hasattr(thing, parameter.name):
            text = _value(getattr(thing, parameter.name))
            usual = text == _value(parameter.default) or (parameter.default is None and text in ("0", "0.0"))
            if parameter is parameters[0] or not usual:
                texts.append(f"{parameter.name}={text}")
    return f"{type(thing).__name__}({', '.join(texts)})"


def recorded(make: Callable[Concatenate[Any, P], T]) -> Callable[Concatenate[Any, P], T]:
    """Make the objects that a class method returns show the call of that method."""

    @functools.wraps(make)
    def method(cls: Any, /, *args: P.args, **kwargs: P.kwargs) -> T:
        made: Any = make(cls, *args, **kwargs)
        given = list(inspect.signature(make).bind(cls, *args, **kwargs).arguments.items())[1:]
        made.made_by = f"{cls.__name__}.{make.__name__}({', '.join(f'{name}={_value(v)}' for name, v in given)})"
        return made  # type: ignore[no-any-return]

    return method


def _value(value: Any) -> str:
    return str(getattr(value, "__name__", "")) or (repr(str(value)) if hasattr(value, "__fspath__") else repr(value))
