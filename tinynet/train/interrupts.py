"""Ctrl-C as a request, which every run of `fit` fulfils after the current batch."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from tinynet.train.run import Run


@contextmanager
def interruptible(request: Callable[[], None], notice: str = "") -> Iterator[None]:
    """Turn the first Ctrl-C into a request; the next one raises KeyboardInterrupt, as always.

    Nothing changes in threads other than the main one, since no signal arrives there, or if other code handles the
    signal.

    Parameters
    ----------
    request : callable
        Called by the handler of the signal, so between any two instructions of the program: it should only set a flag.
    notice : str
        Written to standard error, if it is not empty.

    Yields
    ------
    None
        While the context lasts, Ctrl-C is a request.

    Examples
    --------
    >>> import signal
    >>> with interruptible(lambda: print("asked to stop")):
    ...     signal.raise_signal(signal.SIGINT)
    asked to stop
    """
    usual = signal.getsignal(signal.SIGINT)
    if usual is not signal.default_int_handler or threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, usual)
        request()
        if notice:  # without a buffer, since one may be in use at this moment
            os.write(2, f"\ntinynet: {notice}; press Ctrl-C again to stop at once\n".encode())

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)


class Interrupts:
    """The callback of every run that ends it after the batch at the first Ctrl-C, and at once at the next one."""

    def on_train_begin(self, run: Run) -> None:
        """Begin to handle Ctrl-C."""
        self.interrupted = False

        def request() -> None:
            self.interrupted = True
            run.ending = True

        self.listening = interruptible(request, "stopping after this batch" if run.arguments["verbose"] else "")
        self.listening.__enter__()

    def on_train_end(self, run: Run) -> None:
        """Stop handling Ctrl-C, and raise a KeyboardInterrupt that was requested."""
        self.listening.__exit__(None, None, None)
        if self.interrupted and run.error is None:
            raise KeyboardInterrupt


def listen(arguments: dict[str, Any]) -> list[Interrupts]:
    """Return the callback of a run that handles Ctrl-C."""
    return [Interrupts()]
