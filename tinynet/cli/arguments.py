"""What the commands' arguments have in common: the models, the data, how to train, how numbers are read and told."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tinynet.errors import ArgumentError
from tinynet.saving.places import as_path

MODELS = {  # known here without what computes them, so that help comes at once
    "softmax": "softmax regression, 7,850 parameters",
    "dense": "dense network, 109,386 parameters",
    "cnn": "convolutional network, 93,962 parameters",
    "lenet": "LeNet-5, 61,706 parameters",
    "resnet": "residual network, 63,322 parameters",
}


def add_command(
    commands: Any,
    name: str,
    help: str,
    description: str,
    examples: str,
    run: Callable[[argparse.Namespace], int | None],
) -> argparse.ArgumentParser:
    """Add a command.

    Parameters
    ----------
    commands : object
        What ``add_subparsers`` returned.
    name, help, description, examples : str
        What it is called, and its help in a line, in full, and by example.
    run : callable
        Runs it; takes all arguments, and in ``command_line`` the whole as it was typed. May return an exit code.

    Returns
    -------
    argparse.ArgumentParser
        To add its arguments to.
    """
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=help,
        description=description,
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(run=run)
    return parser


def is_own(text: str) -> bool:
    """Return whether a text names something in a Python file, such as ``model.py:make``."""
    return text.endswith(".py") or ".py:" in text


def short_name(model: str) -> str:
    """Return what files and directories of a model are called: of one of the user's, after its file."""
    return Path(model.rpartition(":")[0] or model).stem if is_own(model) else model


def model_of(*names: str) -> Callable[[str], str]:
    """Return what reads the name of a model: one of some names, or something in a Python file."""

    def read(text: str) -> str:
        if text not in names and not is_own(text):
            raise argparse.ArgumentTypeError(
                f"must be one of {', '.join(names)}, or name a function in a Python file, such as model.py:make, but "
                f"got {text!r}"
            )
        return text

    return read


def add_model(parser: argparse.ArgumentParser, *others: str) -> None:
    """Add the name of a reference model, or of a model of the user's."""
    names = (*MODELS, *others)
    parser.add_argument("model", type=model_of(*names), metavar="model", help=f"one of {', '.join(names)}, or a model "
        "of yours, such as model.py:make: the Python file is run")  # fmt: skip


def add_threads(parser: argparse.ArgumentParser) -> None:
    """Add the number of threads."""
    parser.add_argument("--threads", type=count, metavar="N", help="threads of the kernels at most; results do not "
        "depend on it (default: all cores that the system grants)")  # fmt: skip


def add_run(parser: argparse.ArgumentParser) -> None:
    """Add the directory of a finished run."""
    parser.add_argument("run_directory", type=file, metavar="RUN", help="the directory of a finished run, such as "
        "runs/cnn")  # fmt: skip
    add_code(parser)


def add_code(parser: argparse.ArgumentParser) -> None:
    """Add the file with what the model of a run has that is not tinynet's own."""
    parser.add_argument("--code", type=file, metavar="FILE", help="the Python file with the layers or functions of "
        "yours that the model has, if there are any: it is run")  # fmt: skip


def add_output(parser: argparse.ArgumentParser, what: str, default: str, out: str, no_report: str) -> None:
    """Add where a run or an experiment is kept, what becomes of one that is there already, and how often it is saved.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        To add the options to.
    what : str
        What is kept: "run" or "experiment".
    default : str
        Its directory, by default.
    out, no_report : str
        The help of ``--out`` and of ``--no-report``.
    """
    add = parser.add_argument
    add("--out", type=directory, metavar="DIR", help=out)
    held = parser.add_mutually_exclusive_group()
    held.add_argument("--resume", action="store_true", help=f"go on with the {what} that --out holds (default: "
        f"{default}), which was stopped; start it if there is none")  # fmt: skip
    held.add_argument("--force", action="store_true", help=f"replace the {what} that --out holds (default: refuse)")
    add("--checkpoint-seconds", type=rate, default=30.0, metavar="S", help="save the run after so many seconds, and "
        "after each epoch (default: %(default)g)")  # fmt: skip
    add("--no-report", action="store_true", help=no_report)


def directory(text: str) -> Path:
    """Read the path of a directory; an empty one, as of a shell variable that is not set, would be the current one."""
    if not text:
        raise argparse.ArgumentTypeError("must be a directory, but got ''; give . for the current one")
    return file(text)


def file(text: str) -> Path:
    """Read the path of a file, in which a leading ``~`` that no shell has replaced stands for the home directory."""
    try:
        return as_path("a file", text)
    except ArgumentError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def count(text: str) -> int:
    """Read a whole number of 1 or more."""
    return _whole(text, 1)


def seed(text: str) -> int:
    """Read a whole number of 0 or more."""
    return _whole(text, 0)


def _whole(text: str, least: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if number < least:
        raise argparse.ArgumentTypeError(f"must be a whole number of {least} or more, but got {text!r}")
    return number


def rate(text: str) -> float:
    """Read a finite number above 0."""
    return _finite(text, zero=False)


def share(text: str) -> float:
    """Read a number above 0 and below 1."""
    number = _finite(text, zero=False)
    if number >= 1:
        raise argparse.ArgumentTypeError(f"must be a share above 0 and below 1, but got {text!r}")
    return number


def factor(text: str) -> float:
    """Read a finite number of 0 or more."""
    return _finite(text, zero=True)


def _finite(text: str, zero: bool) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or number < 0 or (number == 0 and not zero):
        what = "of 0 or more" if zero else "above 0"
        raise argparse.ArgumentTypeError(f"must be a finite number {what}, but got {text!r}")
    return number
