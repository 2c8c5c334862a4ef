"""How ops are used at the moment: with or without history, on arrays or on shapes alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_recording: ContextVar[bool] = ContextVar("tinynet_recording", default=True)
_tracing: ContextVar[bool] = ContextVar("tinynet_tracing", default=False)
_reference: ContextVar[bool] = ContextVar("tinynet_reference", default=False)


@contextmanager
def no_grad() -> Iterator[None]:
    """Compute without recording history, so that intermediate values are freed at once.

    Examples
    --------
    >>> import tinynet as tn
    >>> t = tn.Tensor([1.0], requires_grad=True)
    >>> with tn.no_grad():
    ...     y = 2 * t
    >>> y.requires_grad
    False
    """
    with _set(_recording, False):
        yield


@contextmanager
def reference() -> Iterator[None]:
    """Compute each op by what it means, in NumPy, and not by its kernel; train without compiled steps.

    Slower, and for those who want to see each number come about. Results agree to rounding. With the environment
    variable ``TINYNET_REFERENCE=1`` the whole process runs so, and Numba is not needed.

    Examples
    --------
    >>> import tinynet as tn
    >>> with tn.reference():
    ...     tn.ops.softmax([0.0, 0.0])
    Tensor([0.5, 0.5])
    """
    with _set(_reference, True):
        yield


@contextmanager
def recording() -> Iterator[None]:
    """Record history, also within `no_grad`: for what takes gradients of its own."""
    with _set(_recording, True):
        yield


@contextmanager
def tracing() -> Iterator[None]:
    """Compute nothing, and record everything: the ops that follow become a graph of shapes, to be planned."""
    with _set(_tracing, True), _set(_recording, True):
        yield


@contextmanager
def _set(variable: ContextVar[bool], value: bool) -> Iterator[None]:
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)
