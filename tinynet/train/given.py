"""The callbacks that a user passes to `fit`; see `Run` for what they are."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tinynet.errors import ArgumentError
from tinynet.train.run import EVENTS


def given_callbacks(arguments: dict[str, Any]) -> list[Any]:
    """Return the callbacks among the arguments of `fit`."""
    given = arguments["callbacks"]
    if not isinstance(given, list | tuple):
        raise ArgumentError(f"callbacks must be a list of them, but got {given!r}")
    return [as_callback(callback) for callback in given]


def as_callback(given: Any) -> Any:
    """Check that something is a callback, and make one of a function."""
    methods = {name for name in dir(given) if name.startswith("on_") and callable(getattr(given, name))}
    unknown = methods.difference(EVENTS)
    if unknown or isinstance(given, type) or not (methods or callable(given)):
        misspelt = f" with {', '.join(unknown)}" if unknown else ""
        raise ArgumentError(
            f"a callback must be a function of the run, or an object with some of the methods {', '.join(EVENTS)}, but "
            f"got {given!r}{misspelt}"
        )
    if hasattr(given, "state") != hasattr(given, "restore"):
        raise ArgumentError(f"a callback needs both state() and restore(state), or neither, but got {given!r}")
    return given if methods else SimpleNamespace(on_epoch_end=given)
