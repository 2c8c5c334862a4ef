"""Ctrl-C as a request that is met when it suits: every run of `fit` ends after the batch."""

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
    """Let the first Ctrl-C make a request; the next one raises KeyboardInterrupt, as always.

    Nothing is changed in threads other than the main one, where no signal arrives, nor where somebody else handles the
    signal.

    Parameters
    ----------
    request : callable
        Called from the handler of the signal, so between any two steps of the program: it should only set a flag.
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
        if notice:  # past all buffers, one of which may be in use at this moment
            os.write(2, f"\ntinynet: {notice}; press Ctrl-C again to stop at once\n".encode())

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)


class Interrupts:
    """The callback of every run that lets the first Ctrl-C end it after the batch, and the next one at once."""

    def on_train_begin(self, run: Run) -> None:
        """Listen from now on."""
        self.interrupted = False

        def request() -> None:
            self.interrupted = True
            run.ending = True

        self.listening = interruptible(request, "stopping after this batch" if run.arguments["verbose"] else "")
        self.listening.__enter__()

    def on_train_end(self, run: Run) -> None:
        """Listen no longer, and raise what was asked for."""
        self.listening.__exit__(None, None, None)
        if self.interrupted and run.error is None:
            raise KeyboardInterrupt


def listen(arguments: dict[str, Any]) -> list[Interrupts]:
    """Let a run listen for Ctrl-C."""
    return [Interrupts()]
