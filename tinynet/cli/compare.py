"""``tinynet compare``: several finished runs side by side, as a table and on one page."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tinynet.cli.arguments import add_command
from tinynet.cli.logistic_run import open_any
from tinynet.errors import ArgumentError
from tinynet.saving.files import write_atomically

if TYPE_CHECKING:
    import argparse

EXAMPLES = """\
  tinynet compare runs/softmax runs/cnn            a table, and their curves on one page
  tinynet compare runs/* --out all.html
"""


def declare(commands: Any) -> None:
    """Add the command to those of ``tinynet``."""
    parser = add_command(
        commands,
        "compare",
        "put finished runs side by side",
        "Print a table of finished runs, and write a page with the table, their curves over each other, and how each\n"
        "was trained. Differences are to the first run. The page needs nothing but itself.",
        EXAMPLES,
        run,
    )
    add = parser.add_argument
    add("runs", nargs="+", type=Path, metavar="RUN", help="the directory of a finished run; give two or more")
    add("--out", type=Path, default=Path("comparison.html"), metavar="FILE", help="the page; one that is there is "
        "replaced (default: %(default)s)")  # fmt: skip


def run(arguments: argparse.Namespace) -> None:
    """Run ``tinynet compare``."""
    runs, out = arguments.runs, arguments.out
    if len(runs) < 2:
        raise ArgumentError(f"give two runs or more to compare, but there is only {runs[0]}")
    if out.is_dir() or not out.parent.is_dir():
        raise ArgumentError(f"--out {out}: {'it' if out.is_dir() else out.parent} is "
            f"{'a' if out.is_dir() else 'no'} directory; name a file in one that is there")  # fmt: skip
    names = [os.fsencode(path).decode("utf-8", "backslashreplace") for path in runs]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ArgumentError(f"{twice} is given twice; each run must be another")
    records = {name: open_any(path).record for name, path in zip(names, runs, strict=True)}
    from tinynet.report.comparison import comparison_page, comparison_table, incomparable

    print(comparison_table(records).replace("network", "run    ", 1))
    for warning in incomparable(records):
        print(f"\nNote: {warning}")
    pages = {name: path / "report.html" for name, path in zip(names, runs, strict=True)}
    links = {
        name: quote(os.fsencode(os.path.relpath(page, out.parent))) for name, page in pages.items() if page.exists()
    }
    page, _ = comparison_page(records, f"Comparison of {len(runs)} runs", links)
    write_atomically(out, page)
    print(f"\nPage: {out}; open it in a browser")
