"""``tinynet export``: the model of a run as a file for other programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinynet.cli.arguments import add_command, add_run, file
from tinynet.cli.record import open_run
from tinynet.cli.run_directory import BEST
from tinynet.errors import ArgumentError

if TYPE_CHECKING:
    import argparse

EXAMPLES = """\
  tinynet export runs/cnn --onnx digits.onnx       the best parameters, for ONNX Runtime and other programs
"""


def declare(commands: Any) -> None:
    """Add the command to those of ``tinynet``."""
    parser = add_command(
        commands,
        "export",
        "write the model of a run for other programs",
        "Write the model of a run, with the parameters of its best epoch, as an ONNX file: for batches of any size,\n"
        "with the scaling of its input. It needs the package onnx: pip install 'tinynet-cpu[onnx]'.",
        EXAMPLES,
        run,
    )
    add_run(parser)
    parser.add_argument("--onnx", type=file, required=True, metavar="FILE", help="the file to write")
    parser.add_argument("--force", action="store_true", help="replace the file if it is there (default: refuse)")


def run(arguments: argparse.Namespace) -> None:
    """Run ``tinynet export``."""
    from tinynet import onnx

    save, path = onnx.save, arguments.onnx
    if path.exists() and not arguments.force:
        raise ArgumentError(f"{path} is there already; give another name, or --force to replace it")
    found = open_run(arguments.run_directory, arguments.code)
    save(found.model, path)
    shape = ", ".join(map(str, ("N", *found.model.input.shape)))
    print(f"Model: {found.record['title']}, {found.directory / BEST}")
    print(
        f"ONNX: {path}, {path.stat().st_size:,} bytes; it takes images ({shape}) of {found.model.dtype} from 0 to 255"
    )
