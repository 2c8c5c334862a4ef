"""The data of a run: chosen by the arguments, told in its record, and read again for a finished run."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from tinynet.datasets.loader import DIGITS
from tinynet.datasets.spec import SPECS
from tinynet.errors import ArgumentError, FileFormatError

if TYPE_CHECKING:  # what computes is imported only once it is needed, so that help comes at once
    from tinynet.cli.record import FinishedRun
    from tinynet.datasets import Dataset
    from tinynet.datasets.preparation import Preparation

_NAMES = f"{', '.join(SPECS)}, {DIGITS} (the embedded sample of MNIST)"
_VARIABLES = " or ".join(spec.variable for spec in SPECS.values() if spec.name != "mnist")


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add which data are taken, and where they come from."""
    add = parser.add_argument
    add("--dataset", default="mnist", metavar="NAME|DIR", help=f"{_NAMES}, or a directory with a directory of images "
        "for each class (default: %(default)s)")  # fmt: skip
    add("--data", default="auto", metavar="SOURCE", help="where the files of a named dataset are: auto, full, sample, "
        "or their path (default: %(default)s: TINYNET_DATA if set, the cache, a download, or else the embedded "
        f"sample; of the others {_VARIABLES}, the cache, a download)")  # fmt: skip
    add("--size", type=_size, metavar="N", help="pixels a side of the images of a directory (default: that of the "
        "images if they all have one of at most 64, otherwise 64)")  # fmt: skip


def add_own_data(parser: argparse.ArgumentParser) -> None:
    """Add where the data of a finished run come from."""
    parser.add_argument("--data", metavar="SOURCE", help="auto, full, sample, the path of files of the run's dataset, "
        "or of another directory of images (default: the data of the run)")  # fmt: skip


def _size(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
    if not 1 <= number <= 4096:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to 4096, but got {text!r}")
    return number


def load_chosen(arguments: argparse.Namespace) -> Dataset:
    """Load the data that the arguments name, and say what was left out of a directory."""
    from tinynet import datasets

    data = datasets.load(arguments.dataset, arguments.data, arguments.size)
    tell_skipped(data)
    return data


_MOST_TOLD = 5


def tell_skipped(data: Dataset) -> None:
    """Print which files were left out, the first few by name."""
    if not data.skipped:
        return
    count = f"{len(data.skipped):,} file{'' if len(data.skipped) == 1 else 's'}"
    print(f"Left out: {count}, as no image could be read from {'it' if len(data.skipped) == 1 else 'them'}")
    for line in data.skipped[:_MOST_TOLD]:
        print(f"  {line}")
    if len(data.skipped) > _MOST_TOLD:
        print(f"  and {len(data.skipped) - _MOST_TOLD:,} more")


def data_options(data: Dataset) -> dict[str, Any]:
    """Return the options that choose the same data again."""
    from tinynet.datasets.spec import SPECS

    if data.name in SPECS:
        return {"--dataset": data.name, "--data": data.origin}
    sides = data.x_train.shape[1:3]
    return {"--dataset": data.origin, **({"--size": sides[0]} if sides[0] == sides[1] else {})}


def data_record(data: Dataset) -> dict[str, Any]:
    """Describe the data of a run for its record: what they are, where they are from, and how many there are."""
    from tinynet.datasets.likeness import ranges

    return {
        "source": data.source,
        "origin": data.origin,
        "sha256": data.digest(),
        "training_samples": len(data.x_train),
        "test_samples": len(data.x_test),
        "name": data.name,
        "title": data.title,
        "noun": data.noun,
        "plural": data.plural,
        "classes": list(data.classes),
        "genuine": data.genuine,
        "preparation": data.preparation.record(),
        "left_out": len(data.skipped),
        "likeness": ranges(data.x_train, data.preparation),
    }


class Described(NamedTuple):
    """What the record of a run says of its data.

    Attributes
    ----------
    name, title, noun, plural : str
        As of a `tinynet.datasets.Dataset`.
    classes : tuple of str
        The names of the classes.
    preparation : Preparation
        How an image becomes a sample.
    """

    name: str
    title: str
    noun: str
    plural: str
    classes: tuple[str, ...]
    preparation: Preparation


def described(record: Mapping[str, Any]) -> Described:
    """Read what a record says of its data; one of version 0.1 is of MNIST. A FileFormatError says what is damaged."""
    from tinynet.datasets.preparation import Preparation
    from tinynet.datasets.spec import MNIST

    data = record["data"]
    if "classes" not in data:
        return Described(MNIST.name, MNIST.title, MNIST.noun, MNIST.plural, MNIST.classes, MNIST.preparation)
    words = {name: data.get(name) for name in ("name", "title", "noun", "plural")}
    classes = data["classes"]
    if not all(isinstance(word, str) for word in words.values()) or not isinstance(classes, list) or not classes:
        raise FileFormatError("its data have no name, or no classes")
    if not all(isinstance(name, str) for name in classes):
        raise FileFormatError("the names of its classes are not texts")
    return Described(**words, classes=tuple(classes), preparation=Preparation.of_record(data.get("preparation")))


def load_data(run: FinishedRun, source: str | None, same: bool) -> Dataset:
    """Read the data of a run, or others that the user names.

    Parameters
    ----------
    run : FinishedRun
        As from `open_run`.
    source : str, optional
        As ``--data`` takes it; what the run used by default.
    same : bool
        Refuse data that are not the run's own; otherwise it is only said.

    Returns
    -------
    Dataset
        The data.

    Raises
    ------
    ArgumentError
        If the data are not there any more, or not those of the run, or have other classes.
    DatasetError, FileFormatError
        As `tinynet.datasets.load`.
    """
    origin = run.record["data"]["origin"]
    if source is None and origin != "sample" and not os.path.exists(origin):  # noqa: PTH110 - that of Path raises if it is long
        raise ArgumentError(f"the data of the run, {origin}, are not there any more; name them with --data")
    told = described(run.record)
    data = _load(told, origin if source is None else source)
    if data.digest() != run.record["data"]["sha256"]:
        words = f"{data.source} are not the data of the run, which were {run.record['data']['source']}"
        if data.origin == origin:
            words = f"{data.source} are not the data of the run any more: they have changed since"
        if same:
            raise ArgumentError(f"{words}; name those of the run with --data")
        if data.classes != told.classes:
            raise ArgumentError(
                f"{words}; their classes are {_listed(data.classes)}, but the model knows {_listed(told.classes)}"
            )
        print(f"Note: {words}")
    return data


def _load(told: Described, source: str) -> Dataset:
    """Load the dataset of a run from a source, in its form."""
    from tinynet import datasets
    from tinynet.datasets.spec import SPECS

    if told.name in SPECS:
        return datasets.load(told.name, source)
    height, width, channels = told.preparation.shape
    data = datasets.image_folder(source, (height, width), channels={1: "grey", 3: "colour"}[channels])
    tell_skipped(data)
    return data


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
