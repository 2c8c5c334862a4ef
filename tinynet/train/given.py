"""The callbacks that a user passes to `fit`; see `Run` for what they are."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tinynet.errors import ArgumentError
from tinynet.train.measuring import as_number
from tinynet.train.run import EVENTS, Run
from tinynet.train.task import Measures


def given_callbacks(arguments: dict[str, Any]) -> list[Any]:
    """Return the callbacks among the arguments of `fit`."""
    given = arguments["callbacks"]
    if not isinstance(given, list | tuple):
        raise ArgumentError(f"callbacks must be a list of them, but got {given!r}")
    callbacks = [as_callback(callback) for callback in given]
    adding = [callback for callback in callbacks if callable(getattr(callback, "figures", None))]
    return [*callbacks, AddedFigures(adding)] if adding else callbacks


def as_callback(given: Any) -> Any:
    """Check that something is a callback, and make one of a function."""
    methods = {name for name in dir(given) if name.startswith("on_") and callable(getattr(given, name))}
    unknown = methods.difference(EVENTS)
    known = methods or callable(getattr(given, "figures", None))
    if unknown or isinstance(given, type) or not (known or callable(given)):
        misspelt = f" with {', '.join(unknown)}" if unknown else ""
        raise ArgumentError(
            f"a callback must be a function of the run, or an object with some of the methods {', '.join(EVENTS)}, but "
            f"got {given!r}{misspelt}"
        )
    if hasattr(given, "state") != hasattr(given, "restore"):
        raise ArgumentError(f"a callback needs both state() and restore(state), or neither, but got {given!r}")
    return given if known else SimpleNamespace(on_epoch_end=given)


class AddedFigures:
    """The callback of a run that adds the numbers of the user's callbacks to the measures of each epoch."""

    def __init__(self, callbacks: list[Any]) -> None:
        self.callbacks = callbacks

    def measures(self, run: Run) -> Measures:
        """Return these numbers, after a check that their names are new, and the same in each epoch."""
        found: Measures = {}
        for callback in self.callbacks:
            who, added = type(callback).__name__, callback.figures(run)
            if not (isinstance(added, dict) and all(isinstance(name, str) and name for name in added)):
                raise ArgumentError(
                    f"{who}.figures must return a dictionary of numbers by name, but returned {added!r}"
                )
            for name, value in added.items():
                if name in run.figures or name in found:
                    raise ArgumentError(
                        f"{who}.figures returned {name!r}, which is measured already; choose another name"
                    )
                found[name] = as_number(name, value)
        before = run.history.history.keys() - run.figures.keys()
        if run.epoch and found.keys() != before:
            raise ArgumentError(
                f"callbacks must measure the same after each epoch: {sorted(before)}, but now added {sorted(found)}"
            )
        return found
