"""``tinynet lab``: exercises that grade themselves."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinynet.cli.arguments import add_command, count, rate

if TYPE_CHECKING:
    import argparse

EXAMPLES = """\
  tinynet lab                                      list the exercises
  tinynet lab start 1                              write the notebook of the first, lab1.ipynb
  tinynet lab check 1 lab1.ipynb                   grade it: which mistake it is, not only that it is one
"""


def declare(commands: Any) -> None:
    """Add the command to those of ``tinynet``."""
    parser = add_command(
        commands,
        "lab",
        "exercises that grade themselves",
        "Exercises: notebooks with a hole to fill. Checking executes your file, in a process of its "
        "own, compares what it defines with the library and with difference quotients, and says "
        "which mistake it is. The exit code is 0 if all is right, and 1 otherwise.",
        EXAMPLES,
        run,
    )
    tasks = parser.add_subparsers(dest="task", metavar="task")
    start = tasks.add_parser("start", help="write the notebook of a lab", allow_abbrev=False)
    start.add_argument("number", type=count, metavar="N", help="which lab")
    start.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="where to, .ipynb or .py (default: lab<N>.ipynb); what is there already is never replaced",
    )
    check = tasks.add_parser("check", help="execute and grade a solution", allow_abbrev=False)
    check.add_argument("number", type=count, metavar="N", help="which lab")
    check.add_argument("file", type=Path, metavar="FILE", help="your notebook or Python file, which is executed")
    check.add_argument(
        "--seconds", type=rate, default=30.0, metavar="S", help="stop it after so many seconds (default: %(default)g)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run ``tinynet lab``: list the labs, write one or grade one."""
    from tinynet import labs

    if arguments.task == "check":
        verdict = labs.check(arguments.number, arguments.file, arguments.seconds)
        print(verdict)
        return 0 if verdict.ok else 1
    if arguments.task == "start":
        path = labs.start(arguments.number, arguments.out)
        print(f"Wrote {path}. Fill the hole, then: tinynet lab check {arguments.number} {shlex.quote(str(path))}")
        return 0
    for lab in labs.LABS.values():
        print(f"{lab.number}  {lab.title}: write {', '.join(lab.names)}")
    print('Begin with "tinynet lab start 1".')
    return 0
