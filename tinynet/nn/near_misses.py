"""Warnings of new attributes whose name is close to that of an existing one, which was probably meant."""

from __future__ import annotations

import difflib
import re
import sys
import warnings
from collections.abc import Callable
from typing import Any

from tinynet.errors import NearMissWarning
from tinynet.nn import replaced as _replaced  # noqa: F401 - whose __setattr__ is called within that of this file
from tinynet.nn.layer import Layer

_HABITS = {"lr": "learning_rate", "requires_grad": "trainable"}  # names in other frameworks
_CUTOFF = 0.8  # how similar two names are, from 0 to 1


def warn_of_near_misses(kind: Any) -> None:
    """Make objects of a class warn if a new attribute is set from outside whose name is close to that of another."""
    set_attribute: Callable[[Any, str, Any], None] = kind.__setattr__

    def __setattr__(self: Any, name: str, value: Any) -> None:  # noqa: N807
        if name not in vars(self) and not hasattr(type(self), name):
            _check(self, name)
        set_attribute(self, name, value)

    kind.__setattr__ = __setattr__


def _check(thing: Any, name: str) -> None:
    """Warn if a user sets a new attribute, outside of a method of the object, and probably meant another one."""
    frame = sys._getframe(2)
    if name.startswith("_") or frame.f_globals.get("__name__", "").startswith("tinynet."):
        return
    first = frame.f_code.co_varnames[:1]
    if first and frame.f_locals.get(first[0]) is thing:
        return
    known = sorted(n for n in {*vars(thing), *dir(type(thing))} if not n.startswith("_"))
    near = [n for n in known if n == _HABITS.get(name)] or difflib.get_close_matches(name, known, 1, _CUTOFF)
    if near and re.sub(r"\d", "", name) != re.sub(r"\d", "", near[0]):  # dense_2 is meant, where there is dense_1
        what = f"layer {thing}" if isinstance(thing, Layer) else type(thing).__name__
        warnings.warn(
            f"{name!r} is a new attribute of {what}, on which nothing depends; did you mean {near[0]!r}?",
            NearMissWarning,
            stacklevel=3,
        )


warn_of_near_misses(Layer)
