"""Context managers that are written as generators, and that end even if Ctrl-C comes at any moment."""

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
    """Make a context manager from a generator function, as `contextlib.contextmanager` does.

    But that one has a method `__exit__` in Python, and Ctrl-C may come before its first instruction. The generator then
    waits at its ``yield`` as long as the traceback exists, which notebooks keep. Here, it is closed at once.

    Parameters
    ----------
    function : callable
        A generator function that sets something, yields once, and resets it in a ``finally``. It does not see the error
        with which the block ended.

    Returns
    -------
    callable
        Takes the arguments of the function, and returns a context manager, which may also be used as a decorator.
    """

    @functools.wraps(function)
    def make(*args: P.args, **kwargs: P.kwargs) -> _Managed[T]:
        return _Managed(functools.partial(function, *args, **kwargs))

    return make
