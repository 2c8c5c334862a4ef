"""``tinynet predict``: which classes the model of a run sees on images of the user's."""

from __future__ import annotations

import argparse
import csv
import io
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tinynet.cli.arguments import add_code, add_command, factor, file
from tinynet.cli.data import Described, described
from tinynet.cli.logistic_run import is_logistic, open_any, two_classes
from tinynet.cli.onnx_file import Source, is_file, of_file
from tinynet.cli.record import as_json
from tinynet.cli.run_directory import BEST, LAST, METRICS
from tinynet.errors import ArgumentError, DatasetError, FileFormatError
from tinynet.saving.files import write_atomically
from tinynet.saving.form import conforms
from tinynet.train.progress import counted

if TYPE_CHECKING:
    from tinynet.datasets.images import Sample

EXAMPLES = """\
  tinynet predict runs/cnn seven.png four.jpg      the class of each image, with its probability
  tinynet predict runs/cnn scans/ --csv scans.csv  all images of a directory, as a table for other programs
  tinynet predict digits.onnx seven.png            by the model of an ONNX file, which takes drawings of digits
"""
_BATCH = 32  # images that are read before they are told
_SURE = 0.6  # the least probability of an answer that is not called unsure
_MOST_COLUMNS = 10  # classes whose probabilities are all printed, if their names are short
_SHORT = 5  # letters
_BEST = 3  # classes that are printed otherwise


class Answer(NamedTuple):
    """What the model makes of an image.

    Attributes
    ----------
    name : str
        The path of the image.
    remarks, warnings : list of str
        What was done to it; what speaks against the answer.
    probabilities : list of float
        Of each class; empty if the file could not be read, for the reason in ``warnings``.
    """

    name: str
    remarks: list[str]
    warnings: list[str]
    probabilities: list[float]


def declare(commands: Any) -> None:
    """Add the command to those of ``tinynet``."""
    parser = add_command(
        commands,
        "predict",
        "tell the classes of images",
        "Tell the class of each image, with its probability. An image is a PNG, JPEG, WebP, BMP, GIF or TIFF file, or\n"
        "an npy array, of any size. For a model of drawings, such as those of MNIST, it shows one drawing: dark on\n"
        "light is inverted, and an image of another size than the model's is cut to its ink and centred, as the\n"
        "training images were. For a model of photographs it is scaled and cut to the model's size. What was done is\n"
        "said; so is what is unlike the training images, and when the answer is unsure.",
        EXAMPLES,
        run,
    )
    add = parser.add_argument
    add("model", type=file, metavar="MODEL", help="the directory of a finished run, such as runs/cnn, or an ONNX file")
    add("images", nargs="+", type=file, metavar="IMAGE", help="an image, or a directory, all of whose files are tried")
    add("--csv", type=file, metavar="FILE", help="write the answers as a table, too, with a column for each class")
    add("--json", type=file, metavar="FILE", help="write the answers as JSON, too")
    add_code(parser)
    add("--scale", type=factor, default=1.0, metavar="X", help="for an ONNX file: what pixels from 0 to 255 are "
        "multiplied by, such as 0.00392157 for a model that takes pixels up to 1 (default: 1)")  # fmt: skip


def run(arguments: argparse.Namespace) -> None:
    """Run ``tinynet predict``."""
    source = _source(arguments)
    told = source.told
    _check_outputs(arguments)
    files = list(_files(arguments.images))
    if not files:
        raise ArgumentError(f"there is no file in {', '.join(map(str, arguments.images))}")
    print(f"Model: {source.title}\n")
    width = max(len("image"), *(len(_printable(path)) for path, _ in files))
    print(_head(told, width))
    answers: list[Answer] = []
    for start in range(0, len(files), _BATCH):
        batch = _answers(source, files[start : start + _BATCH])
        answers += batch
        for answer in batch:
            print(_lines(answer, told, width))
        sys.stdout.flush()
    _write(arguments, told, answers)
    _tell_failures(answers, {_printable(path) for path, named in files if named})


def _files(given: Sequence[Path]) -> Iterator[tuple[Path, bool]]:
    """List the files to try, each with whether the user named it; those in directories in the order of their names."""
    for path in given:
        if not path.is_dir():
            yield path, True
            continue
        for root, folders, names in os.walk(path):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            yield from ((Path(root, name), False) for name in sorted(names) if not name.startswith("."))


def _source(arguments: argparse.Namespace) -> Source:
    if is_file(arguments.model):
        return of_file(arguments.model, arguments.scale)
    return _of_run(arguments.model, arguments.code)


def _of_run(directory: Path, code: Path | None) -> Source:
    found = open_any(directory, code)
    known = found.record["data"].get("likeness", {})  # a record of version 0.1 has none
    if not conforms(known, {str: [(float, int)]}) or any(len(pair) != 2 for pair in known.values()):
        raise FileFormatError(
            f"{found.directory / METRICS} is damaged: it does not say what the training data are like"
        )
    if is_logistic(directory):
        title = f"logistic regression: is it {found.record['class']}?"
        return Source(f"{title}, {found.directory / LAST}", *two_classes(found), known)
    return Source(
        f"{found.record['title']}, {found.directory / BEST}", found.model.predict, described(found.record), known
    )


def _answers(source: Source, files: list[tuple[Path, bool]]) -> list[Answer]:
    """Read some images, and predict what can be read at once."""
    import numpy as np

    from tinynet.datasets.images import read_sample
    from tinynet.datasets.likeness import unlike

    told = source.told
    samples: list[Sample | str] = []
    for path, _ in files:
        try:
            samples.append(read_sample(path, told.preparation))
        except (DatasetError, FileFormatError) as error:
            samples.append(str(error).removeprefix(f"{path}: "))
    readable = [sample.pixels for sample in samples if not isinstance(sample, str)]
    outputs: Iterator[Any] = iter(source.predict(np.stack(readable)) if readable else [])
    answers = []
    for (path, _), sample in zip(files, samples, strict=True):
        if isinstance(sample, str):
            answers.append(Answer(_printable(path), [], [sample], []))
            continue
        probabilities = [float(p) for p in next(outputs)]
        warnings = unlike(sample.pixels, told.preparation, source.known)
        if max(probabilities) < _SURE:
            warnings.append(f"unsure: no {told.noun} has a probability of {_SURE:g} or more")
        answers.append(Answer(_printable(path), sample.remarks, warnings, probabilities))
    return answers


def _printable(path: Path) -> str:
    """Write a path so that any terminal and any file takes it: names need not be text."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


# --- on the terminal


def _columns(told: Described) -> bool:
    return len(told.classes) <= _MOST_COLUMNS and max(map(len, told.classes)) <= _SHORT


def _head(told: Described, width: int) -> str:
    if _columns(told):
        noun = f"{told.noun:>{_SHORT}}"
        return f"{'image':<{width}}  {noun}  " + "  ".join(f"{name:>{_SHORT}}" for name in told.classes)
    return f"{'image':<{width}}  {told.noun}, with its probability, and the next likely ones"


def _lines(answer: Answer, told: Described, width: int) -> str:
    """Write an answer in two or three lines: the classes, what was done, what to beware of."""
    if not answer.probabilities:
        return f"{answer.name:<{width}}  not read: {answer.warnings[0]}"
    probabilities = answer.probabilities
    order = sorted(range(len(probabilities)), key=lambda k: -probabilities[k])
    if _columns(told):
        width_of_class = max(_SHORT, len(told.noun))
        cells = "  ".join(f"{p:{_SHORT}.3f}" for p in probabilities)
        row = f"{told.classes[order[0]]:>{width_of_class}}  {cells}"
    else:
        row = "  ".join(f"{told.classes[k]} {probabilities[k]:.3f}" for k in order[:_BEST])
    lines = [f"{answer.name:<{width}}  {row}", f"  {'; '.join(answer.remarks)}"]
    lines += [f"  Warning: {'; '.join(answer.warnings)}"] if answer.warnings else []
    return "\n".join(lines)


def _tell_failures(answers: list[Answer], named: set[str]) -> None:
    """Say how many files could not be read; it is an error if the user named one of them."""
    failed = [answer for answer in answers if not answer.probabilities]
    if not failed:
        return
    told = f"{len(failed)} of {counted(len(answers), 'file')} could not be read"
    wrong = next((answer for answer in failed if answer.name in named), None)
    if wrong or len(failed) == len(answers):
        first = wrong or failed[0]
        raise FileFormatError(f"{told}: {first.name}: {first.warnings[0]}")
    print(f"\n{told}")


# --- into files


def _check_outputs(arguments: argparse.Namespace) -> None:
    """Refuse outputs that could not be written, before anything is read."""
    for path in filter(None, (arguments.csv, arguments.json)):
        if path.is_dir() or not path.parent.is_dir():
            raise ArgumentError(f"{path} cannot be written: {'it' if path.is_dir() else path.parent} is "
                f"{'a' if path.is_dir() else 'no'} directory")  # fmt: skip


def _write(arguments: argparse.Namespace, told: Described, answers: list[Answer]) -> None:
    if arguments.csv:
        write_atomically(arguments.csv, _as_csv(told, answers))
        print(f"\nTable: {arguments.csv}")
    if arguments.json:
        write_atomically(arguments.json, as_json([_as_dict(answer, told) for answer in answers]))
        print(f"\nJSON: {arguments.json}")


def _as_dict(answer: Answer, told: Described) -> dict[str, Any]:
    if not answer.probabilities:
        return {"image": answer.name, "class": None, "probability": None, "error": answer.warnings[0]}
    best = max(range(len(answer.probabilities)), key=answer.probabilities.__getitem__)
    return {
        "image": answer.name,
        "class": told.classes[best],
        "probability": answer.probabilities[best],
        "probabilities": dict(zip(told.classes, answer.probabilities, strict=True)),
        "remarks": answer.remarks,
        "warnings": answer.warnings,
    }


def _as_csv(told: Described, answers: list[Answer]) -> bytes:
    stream = io.StringIO(newline="")
    table = csv.writer(stream)
    table.writerow(["image", "class", "probability", "warnings", *(f"p({name})" for name in told.classes)])
    for answer in answers:
        row = _as_dict(answer, told)
        table.writerow(
            [row["image"], row["class"], row["probability"], "; ".join(answer.warnings), *answer.probabilities]
        )
    return stream.getvalue().encode()
