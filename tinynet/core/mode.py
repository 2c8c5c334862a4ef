"""How ops are used at the moment: with or without history, on arrays or on shapes alone."""

from __future__ import annotations

import functools
import inspect
import itertools
import weakref
from collections.abc import Callable
from contextvars import ContextVar, Token
from typing import Any

from tinynet.errors import ArgumentError


class _Setting:
    """A value that a switch has for a while, and the setting from before.

    It holds while ``alive()`` is true: until its block is gone, so that Ctrl-C cannot keep a block from ending.
    """

    def __init__(self, on: bool, before: _Setting | None = None, alive: Callable[[], Any] = object) -> None:
        self.on, self.before, self.alive = on, before, alive
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
        return setting.on if setting.alive() else self._innermost().on

    def begin(self, on: bool, block: Block) -> _Setting:
        """Set it, until the setting returned ends, or the block is gone."""
        setting = _Setting(on, self._innermost(), weakref.ref(block))
        setting.token = self._setting.set(setting)
        return setting

    def end(self, setting: _Setting) -> None:
        """Undo a setting."""
        if self._setting.get() is setting and setting.token is not None:
            try:
                self._setting.reset(setting.token)
                setting.alive = object  # for tasks that began within the block
                return
            except ValueError:  # this is another task, with a copy of the first one's settings
                pass
        setting.alive = bool

    def _innermost(self) -> _Setting:
        setting = self._setting.get()
        while not setting.alive() and setting.before is not None:
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

    def __init__(self, *switches: tuple[Switch, bool]) -> None:
        self._switches = switches
        self._begun: list[list[_Setting]] = []  # one list for each time that the block has been entered

    def __enter__(self) -> None:
        self._begun.append([switch.begin(on, self) for switch, on in self._switches])

    def __exit__(self, *error: object) -> None:
        for (switch, _), setting in zip(self._switches, self._begun.pop(), strict=True):
            switch.end(setting)

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
