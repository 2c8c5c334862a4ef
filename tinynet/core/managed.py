"""Context managers that are written as generators, and end wherever Ctrl-C comes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import ContextDecorator
from typing import Any, Generic, ParamSpec, TypeVar

from tinynet.core.mode import Ending

P = ParamSpec("P")
T = TypeVar("T")


class _Managed(ContextDecorator, Generic[T]):
    def __init__(self, make: Callable[[], Any]) -> None:
        self.make, self.generator = make, make()

    def _recreate_cm(self) -> _Managed[T]:  # for each call of a decorated function
        return _Managed(self.make)

    def __enter__(self) -> T:
        self.watched = Ending.watch(self, lambda gone: self.generator.close())
        made: T = next(self.generator)
        return made

    @Ending
    def __exit__(self, *error: Any) -> None:
        self.generator.close()
        self.watched = None


def managed(function: Callable[P, Iterator[T]]) -> Callable[P, _Managed[T]]:
    """Make a context manager of a generator function, much as `contextlib.contextmanager` does.

    That one has a method `__exit__` in Python, before whose first instruction Ctrl-C may come. The generator then waits
    at its ``yield`` for as long as somebody keeps the traceback, as notebooks do. Here it is closed at once.

    Parameters
    ----------
    function : callable
        A generator function that switches something, yields once, and switches it back in a ``finally``. It does not
        learn with which error the block ended.

    Returns
    -------
    callable
        Takes the arguments of the function, and returns a context manager, which may be a decorator.
    """

    @functools.wraps(function)
    def make(*args: P.args, **kwargs: P.kwargs) -> _Managed[T]:
        return _Managed(functools.partial(function, *args, **kwargs) if args or kwargs else function)

    return make
