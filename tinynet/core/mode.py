"""How ops are used at the moment: with or without history, on arrays or on shapes alone.

The end of this file has the modes themselves: `no_grad`, `reference`, `recording` and `tracing`. Each is a `Block` that
sets some of four switches. What comes before makes such blocks safe in generators, in tasks and against Ctrl-C, and may
be left out at a first reading.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable
from contextvars import ContextVar, Token
from functools import partial
from typing import Any, ClassVar

from tinynet.errors import ArgumentError


class Setting:
    """A value of a switch, and the setting that it replaced."""

    __slots__ = ("before", "over", "token", "value")

    def __init__(self, value: Any, before: Setting | None = None) -> None:
        self.value, self.before, self.over = value, before, False
        self.token: Token[Setting] | None = None


class Switch:
    """A value for the current thread or task: that of the innermost block of code that sets it.

    Blocks mostly end in the reverse of the order in which they began. Blocks in generators may end earlier or later,
    and those in asynchronous generators even in another task. Such a setting cannot be undone. It is marked as over,
    and `get` passes over it to the setting before.
    """

    def __init__(self, name: str, value: Any) -> None:
        self.variable = ContextVar(name, default=Setting(value))  # noqa: B039 - the first setting is never over

    def get(self) -> Any:
        """Return the current value."""
        setting = self.variable.get()
        return self._innermost().value if setting.over else setting.value

    def put(self, value: Any) -> None:
        """Set the value without an end: until the next `put`, or until the context ends."""
        self.variable.set(Setting(value))

    def begin(self, setting: Setting) -> None:
        """Set the value until `end` is called with the same setting."""
        setting.before = self._innermost()
        setting.token = self.variable.set(setting)

    def end(self, setting: Setting) -> None:
        """Undo a setting."""
        if self.variable.get() is setting and setting.token is not None:
            try:
                self.variable.reset(setting.token)
                return
            except ValueError:  # this is another task, with a copy of the first one's settings
                pass
        setting.over = True

    def _innermost(self) -> Setting:
        setting = self.variable.get()
        while setting.over and setting.before is not None:
            setting = setting.before
        return setting


_recording = Switch("tinynet_recording", True)
_tracing = Switch("tinynet_tracing", False)
_reference = Switch("tinynet_reference", False)
_transaction = Switch("tinynet_transaction", None)  # see `tinynet.core.transaction`

_changes = itertools.count(1)
_last_change = [0]


def note_change() -> None:
    """Note that an attribute was set, of some layer or optimizer, on which plans may depend."""
    _last_change[0] = next(_changes)


def last_change() -> int:
    """Return the number of the last change of such an attribute."""
    return _last_change[0]


class Ending:
    """A descriptor for the method `__exit__` of a class: each ``with`` statement gets an object of its own.

    Ctrl-C may come when a block ends, before the first instruction of `__exit__`, which then does not run at all. But
    the statement drops its object, which nobody else holds. So the object is freed, and that calls what `watch` was
    given.
    """

    begun: ContextVar[Any] = ContextVar("tinynet_ending")  # the object of the statement that is just beginning

    def __init__(self, leave: Callable[..., Any]) -> None:
        self.leave = leave

    def __get__(self, block: Any, kind: Any = None) -> Callable[..., Any]:
        if block is None:  # contextlib.ExitStack asks the class
            return self.leave
        ending = partial(self.leave, block)
        self.begun.set(weakref.ref(ending))
        return ending

    @classmethod
    def watch(cls, block: Any, undo: Callable[[Any], None]) -> Any:
        """Return what to keep until a block has ended: if its statement is gone before that, `undo` is called."""
        ending = cls.begun.get(type(None))()
        return weakref.ref(ending, undo) if ending and ending.args[0] is block else None


class Block:
    """A block of code in which some switches are set: for ``with``, or as the decorator of a function."""

    def __init__(self, *switches: tuple[Switch, Any]) -> None:
        self._switches = switches
        self._begun: list[tuple[list[tuple[Switch, Setting]], Any]] = []  # one for each time that it was entered

    def __enter__(self) -> None:
        settings = [(switch, Setting(value)) for switch, value in self._switches]
        self._begun.append((settings, Ending.watch(self, partial(self._end, settings))))
        for switch, setting in settings:
            switch.begin(setting)

    @Ending
    def __exit__(self, *error: object) -> None:
        self._end(self._begun[-1][0])

    def _end(self, settings: list[tuple[Switch, Setting]], gone: Any = None) -> None:
        for switch, setting in settings:
            switch.end(setting)
        self._begun = [entry for entry in self._begun if entry[0] is not settings]

    __call__: ClassVar[Callable[..., Any]]  # the decorator, which `tinynet.core.decorator` puts here


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
    """Compute each op by its meaning in NumPy instead of its kernel, and train without compiled steps.

    This is slower, and lets you follow each number. Results agree to rounding. With the environment variable
    ``TINYNET_REFERENCE=1``, the whole process runs in this way, and does not need Numba.

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
    """Record history, also within `no_grad`; or record none. For code that takes gradients of its own."""
    return Block((_recording, on))


def tracing() -> Block:
    """Compute nothing, and record everything: the ops that follow become a graph of shapes, to be planned."""
    return Block((_tracing, True), (_recording, True))
