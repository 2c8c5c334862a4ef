"""``tinynet experiment``: trains a network with other layers, and puts the original beside the modified ones."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tinynet.cli.arguments import add_command, add_output, add_threads
from tinynet.cli.data import add_data, load_chosen
from tinynet.cli.fitting import resumable
from tinynet.cli.options import add_training, compared
from tinynet.cli.record import as_json, read_json, read_record
from tinynet.cli.resumed import differences
from tinynet.cli.run_directory import EXPERIMENT, METRICS, PICTURE, PLAN, SUMMARY, TABLE, claim, claimed, clear
from tinynet.cli.told import describe_data
from tinynet.cli.train import hyper_parameters, job, train
from tinynet.saving.files import write_atomically

if TYPE_CHECKING:  # what computes is imported only once it is needed, so that help comes at once
    from tinynet.datasets import Dataset

_NAME = "experiment-dense"
ACTIVATIONS = ("linear", "relu", "sigmoid", "tanh")
EXAMPLES = """\
  tinynet experiment dense --variant 512,256:linear --variant 128,64:relu
  tinynet experiment dense --resume                goes on with an experiment that was stopped
"""


class Variant(NamedTuple):
    """Other layers for the dense network.

    Attributes
    ----------
    units : tuple of int
        Of the hidden layers.
    activation : str
        Of the hidden layers.
    """

    units: tuple[int, ...]
    activation: str

    @property
    def folder(self) -> str:
        """The name of its run directory."""
        return f"{'-'.join(map(str, self.units))}-{self.activation}"

    def __str__(self) -> str:
        return f"{','.join(map(str, self.units))}:{self.activation}"


_DEFAULT = [Variant((512, 256), "linear"), Variant((128, 64), "relu")]
_MOST_UNITS = 65_536


def declare(commands: Any) -> None:
    """Add the command to those of ``tinynet``."""
    parser = add_command(
        commands,
        "experiment",
        "modify the layers of the dense network, and compare",
        "Train the dense network with other layers, and put the original, which is the first variant, beside the\n"
        "modified ones, in a table and a figure. Each variant has a run directory within that of the experiment.",
        EXAMPLES,
        run,
    )
    add = parser.add_argument
    add("model", choices=["dense"], help="the dense network")
    add("--variant", type=variant, action="append", metavar="UNITS:ACTIVATION", help="units of the hidden layers and "
        f"their activation ({', '.join(ACTIVATIONS)}), such as 128,64:relu; give one for each network "
        f"(default: {' and '.join(map(str, _DEFAULT))})")  # fmt: skip
    add_data(parser)
    add_training(parser)
    add_threads(parser)
    default = f"runs/{_NAME}"
    add_output(
        parser,
        "experiment",
        default,
        out=f"the directory of the experiment (default: {default}, or with -2, ... if that is there already)",
        no_report="write no figures and no report of each variant",
    )


def variant(text: str) -> Variant:
    """Read a variant, such as 128,64:relu."""
    found = re.fullmatch(r"(\d{1,9}(?:,\d{1,9})*):(\w+)", text, re.ASCII)
    units = tuple(int(n) for n in found[1].split(",")) if found else ()
    if not found or found[2] not in ACTIVATIONS or not all(1 <= n <= _MOST_UNITS for n in units):
        raise argparse.ArgumentTypeError(
            f"must be units and an activation ({', '.join(ACTIVATIONS)}), such as 128,64:relu, but got {text!r}"
        )
    return Variant(units, found[2])


def run(arguments: argparse.Namespace) -> None:
    """Run ``tinynet experiment``: train each variant, and compare them."""
    from tinynet.errors import ArgumentError
    from tinynet.recipes import RECIPES

    variants = arguments.variant or _DEFAULT
    twice = [str(v) for v in variants if variants.count(v) > 1]
    if twice:
        raise ArgumentError(f"--variant {twice[0]} is given twice; each network must differ from the others")
    with claimed(arguments.out, _NAME, arguments.force, arguments.resume, EXPERIMENT) as directory:
        data = load_chosen(arguments)
        plan = {
            "model": "dense",
            "variants": [str(chosen) for chosen in variants],
            "hyper_parameters": hyper_parameters(arguments, RECIPES["dense"], data),
            "seed": arguments.seed,
            "sha256 of the data": data.digest(),
        }
        _begin(directory, [directory / chosen.folder for chosen in variants], plan, arguments)
        describe_data(data)
        with resumable(directory, PLAN, arguments.force):
            _compare(directory, _train(directory, variants, data, plan, arguments))


def _train(
    directory: Path, variants: list[Variant], data: Dataset, plan: dict[str, Any], arguments: argparse.Namespace
) -> dict[str, dict[str, Any]]:
    """Train each variant that is not trained already, where an experiment is resumed; returns the records."""
    from tinynet.recipes import dense_variant

    records = {}
    for number, chosen in enumerate(variants, 1):
        recipe, name, place = dense_variant(chosen.units, chosen.activation), str(chosen), directory / chosen.folder
        print(f"\nNetwork {number} of {len(variants)}: {recipe.title}{' (the original)' if number == 1 else ''}")
        if arguments.resume and (place / METRICS).exists():
            records[name] = read_record(place)
            print(f"It is trained already: {place}")
            continue
        words = ["experiment", "dense", "--variant", name]
        made = job(recipe, data, plan["hyper_parameters"], arguments.seed)
        records[name] = train(place, made, arguments, words)
    return records


def _begin(directory: Path, places: list[Path], plan: dict[str, Any], arguments: argparse.Namespace) -> None:
    """Claim the run directories, and write down what the experiment is; one that is resumed must be the same."""
    from tinynet.errors import ArgumentError

    path = directory / PLAN
    if arguments.resume and path.exists():
        settings = plan["hyper_parameters"]
        asked = {**plan, "hyper_parameters": {**compared(settings), "epochs": settings["epochs"]}}
        differs = differences(read_json(path), asked)
        if differs:
            raise ArgumentError(
                f"{directory} holds an experiment that was started with {differs}; resume it with the same, or choose "
                "another directory with --out"
            )
    for place in places:
        if arguments.resume and (place / METRICS).exists():  # it is trained already, and nothing of it is written
            continue
        claim(place, place.name, arguments.force, arguments.resume)
        if arguments.force:
            clear(place)
    if arguments.force:
        clear(directory, EXPERIMENT)
    write_atomically(path, as_json(plan))


def _compare(directory: Path, records: dict[str, dict[str, Any]]) -> None:
    """Write and print the table, and draw the figure."""
    from tinynet.report import comparison_page, comparison_table

    table = comparison_table(records)
    pages = {name: f"{variant(name).folder}/report.html" for name in records}
    links = {name: page for name, page in pages.items() if (directory / page).exists()}
    page, picture = comparison_page(records, "The original (first) and the modified networks", links)
    write_atomically(directory / PICTURE, picture)
    write_atomically(directory / TABLE, f"{table}\n".encode())
    write_atomically(directory / SUMMARY, page)
    files = f"{TABLE}, {PICTURE}, {SUMMARY}"
    print(f"\n{table}\n\nExperiment: {directory} ({files}, and a run directory for each network)")
