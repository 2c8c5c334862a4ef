"""``tinynet profile``: where the time of a training step goes, as a table and a picture."""

from __future__ import annotations

import errno
import shutil
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinynet.cli.arguments import add_command, add_model, add_threads, count, file, short_name
from tinynet.cli.data import add_data, load_chosen
from tinynet.errors import ArgumentError, WriteError
from tinynet.saving.files import write_atomically
from tinynet.saving.places import check_place
from tinynet.train.progress import counted

if TYPE_CHECKING:  # what computes is imported only once it is needed, so that help comes at once
    import argparse

EXAMPLES = """\
  tinynet profile cnn                              where the time of a training step goes
"""

_REPEATS = 200
_FORMATS = (".png", ".svg", ".pdf")


def declare(commands: Any) -> None:
    """Add the command to those of ``tinynet``."""
    parser = add_command(
        commands,
        "profile",
        "show where the time of a training step goes",
        "Train a reference model, or one of yours, for a hundred steps, then time the kernel calls of one:\n"
        "a table of what each computes, moves and takes, and a picture.",
        EXAMPLES,
        run,
    )
    add_model(parser)
    add_data(parser)
    add = parser.add_argument
    add("--batch-size", type=count, metavar="N", help="images a step (default: as in training)")
    add_threads(parser)
    add("--repeats", type=count, default=_REPEATS, metavar="N", help="replays of the step to take the median of "
        "(default: %(default)s)")  # fmt: skip
    add("--out", type=file, metavar="FILE", help=f"the picture, one of {', '.join(_FORMATS)} (default: "
        "profile-<model>.png)")  # fmt: skip
    add("--force", action="store_true", help="replace the picture if it is there already (default: refuse)")


def run(arguments: argparse.Namespace) -> None:
    """Run ``tinynet profile``: print the table, and write the picture."""
    from tinynet.cli.train import recipe_of
    from tinynet.fast.kernels import build
    from tinynet.inspection.profiling import profile_step
    from tinynet.report import profile_figure
    from tinynet.report.style import encode
    from tinynet.train.progress import say_building

    recipe = recipe_of(arguments.model)
    out = arguments.out or Path(f"profile-{short_name(arguments.model)}.png")
    _check(out, arguments.force)
    data = load_chosen(arguments)
    with build.watch(say_building):
        found = profile_step(recipe, data, arguments.batch_size, arguments.repeats)
    rows = found.plan.rows()
    total = 1e3 * sum(row.seconds or 0 for row in rows)
    threads, images = counted(found.threads, "thread"), counted(found.batch_size, "image")
    print(f"A training step of the {recipe.title} ({recipe.name}): {images}, {threads}")
    print(f"Data: {data.source}\n")
    print(found.plan.table(shutil.get_terminal_size((0, 0)).columns or None))
    whole, least = 1e3 * statistics.median(found.seconds), 1e3 * min(found.seconds)
    print(f"times: medians of {arguments.repeats}; as a whole, a step takes {whole:.3g} ms, at least {least:.3g} ms")
    figure = profile_figure(rows, f"A training step of the {recipe.title}: {images}, {threads}, {total:.3g} ms")
    picture = encode(figure, out.suffix[1:].lower())
    _check(out, arguments.force)
    write_atomically(out, picture)
    print(f"\nPicture: {out}")


def _check(out: Path, force: bool) -> None:
    """Refuse a picture that could not be written, before anything is computed."""
    if out.suffix.lower() not in _FORMATS:
        raise ArgumentError(f"--out must end in {', '.join(_FORMATS)}, but got {str(out)!r}")
    if out.exists() and not (force and out.is_file()):
        raise WriteError(
            errno.EEXIST, f"{out} is there already; choose another name with --out, or pass --force to replace it"
        )
    check_place(out, "the picture")
