"""Lines on the standard output, which may be a terminal, a closed file, or any object with a ``write``."""

from __future__ import annotations

import sys


def say(text: str) -> None:
    """Print a line; if there is no output to print to, the run goes on without."""
    flushed = hasattr(sys.stdout, "flush")
    try:
        print(text, flush=flushed)
    except UnicodeEncodeError:  # the encoding of the output lacks a character
        print(text.encode("ascii", "backslashreplace").decode(), flush=flushed)
    except (OSError, ValueError):  # a pipe that nobody reads, a file that is closed
        pass


def on_terminal() -> bool:
    """Return whether the standard output is a terminal: it may be None, closed, or any object with a ``write``."""
    try:
        return bool(sys.stdout.isatty())
    except (AttributeError, OSError, ValueError):
        return False
