"""``tinynet report``: draws the figures of a run, and writes its report, again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinynet.cli.arguments import add_command, add_run, add_threads
from tinynet.cli.data import add_own_data, load_data
from tinynet.cli.fitting import report
from tinynet.cli.logistic_run import open_any

if TYPE_CHECKING:
    import argparse

EXAMPLES = """\
  tinynet report runs/cnn                          all figures, and report.html, in the run directory
  tinynet report runs/cnn --also svg               each figure as SVG, too, for print
"""


def declare(commands: Any) -> None:
    """Add the command to those of ``tinynet``."""
    parser = add_command(
        commands,
        "report",
        "write the figures and the report of a run again",
        "Draw the figures of a run, and write its report, as 'tinynet train' does at its end. Those that the run\n"
        "directory holds are replaced.",
        EXAMPLES,
        run,
    )
    add_run(parser)
    add_own_data(parser)
    parser.add_argument("--also", choices=["svg", "pdf"], action="append", default=[], metavar="FORMAT", help="write "
        "each figure as svg or pdf, too, beside its PNG")  # fmt: skip
    add_threads(parser)


def run(arguments: argparse.Namespace) -> None:
    """Run ``tinynet report``."""
    from tinynet.report.run import check_writable

    found = open_any(arguments.run_directory, arguments.code)
    check_writable(found.directory)  # before anything is computed
    data = load_data(found, arguments.data, same=True)
    report(found.directory, found.record, found.model, data, None, arguments.also)
