"""``tinynet show``: the network of a run as a page that one can draw on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinynet.cli.arguments import add_command, add_run
from tinynet.cli.data import add_own_data, load_data
from tinynet.cli.record import open_run
from tinynet.cli.run_directory import BEST
from tinynet.errors import ArgumentError

if TYPE_CHECKING:
    import argparse

EXAMPLES = """\
  tinynet show runs/cnn                            a page to draw on, runs/cnn/playground.html
  tinynet show runs/cnn --out digits.html --open   under another name, and open it in a browser
"""


def declare(commands: Any) -> None:
    """Add the command to those of ``tinynet``."""
    parser = add_command(
        commands,
        "show",
        "write a page with the network of a run, to draw on",
        "Write a page with the network of a run, with the parameters of its best epoch: draw on it, or choose a test\n"
        "image, and see the probabilities, the values of each layer, the filters, and which pixels decide. The page\n"
        "computes by itself, and needs neither a network nor a server. It takes images of up to 64 x 64 pixels.",
        EXAMPLES,
        run,
    )
    add_run(parser)
    add_own_data(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help="the page to write, which is replaced if it is there "
        "(default: playground.html in the run directory)")  # fmt: skip
    parser.add_argument("--open", action="store_true", help="open it in the browser of this machine")


def run(arguments: argparse.Namespace) -> None:
    """Run ``tinynet show``."""
    out = arguments.out
    if out is not None and (out.is_dir() or not out.parent.is_dir()):
        wrong = f"it is a directory; name a file in it, such as {out / 'playground.html'}"
        raise ArgumentError(f"{out} cannot be written: {wrong if out.is_dir() else f'{out.parent} is no directory'}")
    found = open_run(arguments.run_directory)
    data = load_data(found, arguments.data, same=False)
    from tinynet.report.playing import PLAYGROUND, page_of_run
    from tinynet.saving.files import write_atomically

    path = out or found.directory / PLAYGROUND
    write_atomically(path, page_of_run(found.model, found.record, data))
    print(f"Model: {found.record['title']}, {found.directory / BEST}")
    print(f"Page: {path}, {path.stat().st_size:,} bytes; open it in a browser")
    if arguments.open:
        import webbrowser

        webbrowser.open(path.resolve().as_uri())
