"""How ops are used at the moment: with or without history, on arrays or on shapes alone."""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Callable
from contextvars import ContextVar, Token
from typing import Any

from tinynet.errors import ArgumentError


class _Setting:
    """A value that a switch has for a while, and the setting from before."""

    def __init__(self, on: bool, before: _Setting | None = None) -> None:
        self.on, self.before = on, before
        self.over = False
        self.token: Token[_Setting] | None = None


class Switch:
    """On or off, for the current thread or task, as the innermost block of code that sets it says.

    Blocks mostly end in the reverse order in which they began. Those of generators may end earlier or later, and those
    of asynchronous generators even in another task. Such a setting cannot be undone; it is marked as over, and whoever
    reads the switch goes on to the setting from before.
    """

    def __init__(self, name: str, on: bool) -> None:
        self._setting = ContextVar(name, default=_Setting(on))  # noqa: B039 - the first setting is never over

    def get(self) -> bool:
        """Return whether it is on here and now."""
        setting = self._setting.get()
        return setting.on if not setting.over else self.innermost().on

    def begin(self, setting: _Setting) -> None:
        """Set it, until the setting ends."""
        setting.token = self._setting.set(setting)

    def end(self, setting: _Setting) -> None:
        """Undo a setting."""
        if self._setting.get() is setting and setting.token is not None:
            try:
                self._setting.reset(setting.token)
                return
            except ValueError:  # this is another task, with a copy of the first one's settings
                pass
        setting.over = True

    def innermost(self) -> _Setting:
        """Return the setting that holds here and now."""
        setting = self._setting.get()
        while setting.over and setting.before is not None:
            setting = setting.before
        return setting


_recording = Switch("tinynet_recording", True)
_tracing = Switch("tinynet_tracing", False)
_reference = Switch("tinynet_reference", False)

_changes = itertools.count(1)
_last_change = [0]


def note_change() -> None:
    """Note that an attribute of some layer or optimizer was set, on which plans may depend."""
    _last_change[0] = next(_changes)


def last_change() -> int:
    """Return the number of the last change of such an attribute."""
    return _last_change[0]


_transaction: ContextVar[Any] = ContextVar("tinynet_transaction", default=None)  # see `tinynet.core.transaction`


class Block:
    """A block of code in which some switches are set: for ``with``, or as the decorator of a function."""

    _begun: Any = ()  # of a block that Ctrl-C stopped from being made

    def __init__(self, *switches: tuple[Switch, bool]) -> None:
        self._switches = switches
        self._begun = []  # one list for each time that the block has been entered

    def __enter__(self) -> None:
        self._begun.append([])
        for switch, on in self._switches:
            self._begun[-1].append(_Setting(on, switch.innermost()))
            switch.begin(self._begun[-1][-1])

    def __exit__(self, *error: object) -> None:
        for (switch, _), setting in zip(self._switches, self._begun[-1], strict=False):
            switch.end(setting)
        self._begun.pop()

    def __del__(self) -> None:
        while self._begun:  # Ctrl-C came just as the block began or ended
            self.__exit__()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that runs within such a block.

        Raises
        ------
        ArgumentError
            If it is a generator or a coroutine: a call of it only makes an object, and its body runs later.
        """
        kinds = (inspect.isgeneratorfunction, inspect.isasyncgenfunction, inspect.iscoroutinefunction)
        if any(is_kind(function) for is_kind in kinds):
            raise ArgumentError(
                f"{function.__name__} is a generator or a coroutine, whose body runs after the call of it has ended; "
                "write a with statement inside of it, around what computes and not around a yield"
            )

        @functools.wraps(function)
        def covered(*args: Any, **kwargs: Any) -> Any:
            with Block(*self._switches):
                return function(*args, **kwargs)

        return covered


def no_grad(*function: Any) -> Block:
    """Compute without recording history, so that intermediate values are freed at once.

    Returns
    -------
    context manager
        For ``with``, or as a decorator, with brackets: ``@tn.no_grad()``.

    Raises
    ------
    ArgumentError
        If it decorates a generator or a coroutine, or the brackets are missing.

    Examples
    --------
    >>> import tinynet as tn
    >>> t = tn.Tensor([1.0], requires_grad=True)
    >>> with tn.no_grad():
    ...     y = 2 * t
    >>> y.requires_grad
    False
    """
    if function:
        raise ArgumentError("no_grad takes no arguments; as a decorator it has brackets: @tn.no_grad()")
    return Block((_recording, False))


def reference() -> Block:
    """Compute each op by what it means, in NumPy, and not by its kernel; train without compiled steps.

    Slower, and for those who want to follow each number. Results agree to rounding. With the environment
    variable ``TINYNET_REFERENCE=1`` the whole process runs so, and Numba is not needed.

    Returns
    -------
    context manager
        For ``with``, or as a decorator.

    Examples
    --------
    >>> import tinynet as tn
    >>> with tn.reference():
    ...     tn.ops.softmax([0.0, 0.0])
    Tensor([0.5, 0.5])
    """
    return Block((_reference, True))


def recording(on: bool = True) -> Block:
    """Record history, also within `no_grad`, or do not: for what takes gradients of its own."""
    return Block((_recording, on))


def tracing() -> Block:
    """Compute nothing, and record everything: the ops that follow become a graph of shapes, to be planned."""
    return Block((_tracing, True), (_recording, True))
