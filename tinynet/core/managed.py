"""Context managers that are written as generators, and end wherever Ctrl-C comes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import _GeneratorContextManager
from typing import Any, ParamSpec, TypeVar

from tinynet.core.mode import Ending

P = ParamSpec("P")
T = TypeVar("T")


class _Managed(_GeneratorContextManager[T]):
    def __enter__(self) -> T:
        self.watched = Ending.watch(self, self.gen.close)
        return super().__enter__()

    @Ending
    def __exit__(self, *error: Any) -> bool | None:
        try:
            return super().__exit__(*error)
        finally:
            self.gen.close()  # as it is already, unless Ctrl-C came first
            self.watched = None


def managed(function: Callable[P, Iterator[T]]) -> Callable[P, _Managed[T]]:
    """Make a context manager of a generator function, as `contextlib.contextmanager` does.

    That one has a method `__exit__` in Python, before whose first instruction Ctrl-C may come. The generator then waits
    at its ``yield`` for as long as somebody keeps the traceback, as notebooks do. Here it is closed at once.

    Parameters
    ----------
    function : callable
        A generator function that switches something, yields once, and switches it back in a ``finally``.

    Returns
    -------
    callable
        Takes the arguments of the function, and returns a context manager, which may be a decorator.
    """

    @functools.wraps(function)
    def make(*args: P.args, **kwargs: P.kwargs) -> _Managed[T]:
        return _Managed(function, args, kwargs)  # type: ignore[arg-type]  # as contextlib has it

    return make
