"""The command ``tinynet``. Each command has a file of its own, which declares its arguments and runs it."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from typing import Any

from tinynet.cli import compare, evaluate, experiment, export, lab, predict, profile, report, show, train, warm
from tinynet.cli.processes import end_all, let_speak
from tinynet.errors import TinynetError

# In the order of the help.
COMMANDS = (train, evaluate, predict, export, report, show, compare, experiment, profile, warm, lab)

_EXAMPLES = f"""\
examples:
{"".join(command.EXAMPLES for command in COMMANDS)}
"tinynet <command> --help" says more about each.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; those of the process by default.

    Returns
    -------
    int
        The exit code: 0 if all went well, 1 after an error that tinynet or the system explains, 2 if the arguments are
        wrong, 130 if the user stopped it.
    """
    code = _guarded(list(sys.argv[1:] if argv is None else argv))
    end_all(code)
    return code


def _guarded(given: list[str]) -> int:
    """Do what the arguments say, and print what is wrong; returns the exit code."""
    try:
        code = _run(given)
        _flush()  # a full disk is reported here, and not by Python at its end
    except TinynetError as error:
        let_speak(error)
        return _told((error.strerror if isinstance(error, OSError) else None) or str(error))
    except KeyboardInterrupt as stop:
        let_speak(stop)
        print(f"\ntinynet: {str(stop) or 'stopped; nothing was saved'}", file=sys.stderr)
        return 130
    except _UnwrittenError as error:
        _drop_output()
        return _told(str(error))
    except BrokenPipeError:  # whoever read the output, such as head, has gone
        _drop_output()
        return 1
    except OSError as error:
        what = error.strerror or str(error)
        try:
            _flush()
        except (_UnwrittenError, OSError):
            _drop_output()
            return _told(str(_UnwrittenError(error)))
        return _told(f"{os.fsdecode(error.filename)}: {what}" if isinstance(error.filename, str | bytes) else what)
    return code


def _run(given: list[str]) -> int:
    """Read the arguments, and do what they say."""
    try:
        arguments = _parser().parse_args(given or ["--help"])
    except SystemExit as stop:  # argparse has printed the help, the version or what is wrong
        return int(stop.code or 0)
    except BrokenPipeError:
        raise
    except OSError as error:  # as it printed the help
        raise _UnwrittenError(error) from error
    arguments.command_line = shlex.join(["tinynet", *given])
    if getattr(arguments, "threads", None) is not None:
        from tinynet.fast.threads import set_num_threads

        set_num_threads(arguments.threads)
    return int(arguments.run(arguments) or 0)


def _told(text: str) -> int:
    """Say what is wrong in one line, and return the exit code."""
    print("tinynet: error:", " ".join(text.split()), file=sys.stderr)
    return 1


class _UnwrittenError(Exception):
    """What the command prints cannot be written."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"what the command prints cannot be written: {error.strerror or error}")


def _flush() -> None:
    try:
        if sys.stdout is not None:  # as in a process that was started without
            sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise _UnwrittenError(error) from error


def _drop_output() -> None:
    """Forget what is printed but not written, for Python would try again, and fail, at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Parser(argparse.ArgumentParser):
    """A parser that raises an error if its help cannot be written, which argparse ignores."""

    def _print_message(self, message: str, file: Any = None) -> None:
        if message and file is not None:  # as in a process that was started without
            file.write(message)
            file.flush()


def _parser() -> argparse.ArgumentParser:
    from tinynet import __version__

    parser = _Parser(
        prog="tinynet",
        description="A deep-learning framework small enough to read in an afternoon, and fast on a CPU.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"tinynet {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="command", required=True)
    for command in COMMANDS:
        command.declare(commands)
    return parser
