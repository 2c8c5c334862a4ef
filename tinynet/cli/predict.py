"""``tinynet predict``: which digits the model of a run sees on images of the user's."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tinynet.cli.arguments import add_command, add_run
from tinynet.cli.run_directory import BEST, open_run

EXAMPLES = """\
  tinynet predict runs/cnn seven.png four.npy      the digit on each image, with the probability of every digit
"""


def declare(commands: Any) -> None:
    """Add the command to those of ``tinynet``."""
    parser = add_command(
        commands,
        "predict",
        "tell the digits on images",
        "Tell the digit on each image, with the probability of every digit. An image is a grey PNG or npy file of any\n"
        "size, with one digit on it. Dark on light is inverted. An image of 28 x 28 pixels is else taken as it is;\n"
        "any other is cut to its ink, fitted into 20 x 20 pixels and centred in 28 x 28 by its mass, as in MNIST.",
        EXAMPLES,
        run,
    )
    add_run(parser)
    parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="a PNG or npy file of one digit")


def run(arguments: argparse.Namespace) -> None:
    """Run ``tinynet predict``."""
    import numpy as np

    from tinynet.datasets.images import read_digit

    found = open_run(arguments.run_directory)
    digits = [read_digit(path) for path in arguments.images]
    output = found.model.predict(np.stack([digit.pixels for digit in digits]))
    print(f"Model: {found.record['title']}, {found.directory / BEST}\n")
    width = max(len("image"), *(len(str(path)) for path in arguments.images))
    print(f"{'image':<{width}}  digit  " + "  ".join(f"{k:>5}" for k in range(output.shape[1])))
    for path, digit, probabilities in zip(arguments.images, digits, output, strict=True):
        cells = "  ".join(f"{p:5.3f}" for p in probabilities)
        print(f"{path!s:<{width}}  {probabilities.argmax():>5}  {cells}")
        print(f"  {'; '.join(digit.remarks)}")
