"""Reports: of a run, from its directory and its data; and of any model with samples that it was not trained on."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tinynet.datasets import Dataset
from tinynet.errors import ArgumentError, WriteError
from tinynet.model import Model
from tinynet.report.answers import CLASSES, Answers, answers_of, as_probabilities
from tinynet.report.comparison import history_of, settings_of
from tinynet.report.outcomes import scores_of
from tinynet.report.page import encoded, render
from tinynet.report.playing import PLAYGROUND, page_of_run
from tinynet.report.portable import can_show
from tinynet.report.sections import made_sections
from tinynet.report.style import Array, encode
from tinynet.report.subject import Drawing, Subject
from tinynet.saving.files import write_atomically
from tinynet.saving.places import make_writable
from tinynet.train import History

PAGE, SCORES = "report.html", "classification_report.txt"
FORMATS = ("svg", "pdf")  # of figures besides PNG


def write_report(
    directory: str | os.PathLike[str],
    record: Mapping[str, Any],
    model: Model,
    data: Dataset,
    predicted: Array | None = None,
    formats: Sequence[str] = (),
) -> list[str]:
    """Write the figures and the report of a run into its directory.

    Parameters
    ----------
    directory : path-like
        The run directory; files of an earlier report are replaced.
    record : mapping
        What its ``metrics.json`` holds.
    model : Model
        The model that was evaluated.
    data : Dataset
        What it was trained and tested on.
    predicted : ndarray, optional
        (n_test, K): the probabilities that it gives to the test images; computed if they are left out, or are the
        classes alone.
    formats : sequence of {"svg", "pdf"}
        In which each figure is written besides PNG.

    Returns
    -------
    list of str
        The names of the files: a PNG for each figure, the scores as text, and at last the page.

    Raises
    ------
    WriteError
        If the directory cannot be written to; this is told before anything is computed.
    ArgumentError
        If there is no such format.
    """
    _check_formats(formats)
    place = Path(directory)
    check_writable(place)
    subject = subject_of_run(record, model, data, predicted)
    contents = {SCORES: f"{scores_of(subject.answers[0])}\n".encode()}
    if "title" in record and can_show(model):  # a run of logistic has none
        contents[PLAYGROUND] = page_of_run(model, record, data)
        subject = replace(subject, playground=PLAYGROUND)
    return _write(place, subject, contents, formats)


def subject_of_run(record: Mapping[str, Any], model: Model, data: Dataset, predicted: Array | None = None) -> Subject:
    """Bring together what the report of a run is about; the arguments are those of `write_report`."""
    given = np.empty(0) if predicted is None else predicted
    outputs = given if given.ndim == 2 else model.predict(data.x_test)
    classes, labels, of = tuple(data.classes), data.y_test.astype(np.int64), record.get("title", "")
    if "class" in record:  # which a logistic regression tells from all others
        name = record["class"]
        classes, labels = (f"not {name}", name), (labels == classes.index(name)).astype(np.int64)
        outputs, of = np.hstack([1 - outputs, outputs]), f"is it {name}? Logistic regression"
    answers = Answers("", CLASSES, as_probabilities(outputs), labels, classes)
    split = record["hyper_parameters"].get("validation_split", 0)
    images = data.x_test if _are_images(data.x_test) else None
    return Subject(
        f"{of[:1].upper()}{of[1:]} on {record['data'].get('title', 'MNIST')}", model, [answers], record["test"],
        history_of(record), "validation" if split else "test", images, data.preparation.drawn, data.noun, data.plural,
        data, record, settings=settings_of(record),
    )  # fmt: skip


def write_model_report(
    directory: str | os.PathLike[str],
    model: Model,
    x: Any,
    y: Any,
    *,
    history: History | None = None,
    loss: Any = None,
    names: Any = None,
    title: str | None = None,
    validation: str = "validation",
    formats: Sequence[str] = (),
) -> list[str]:
    """Write a report of any model: its layers, its training, and what it makes of samples that are kept apart.

    Parameters
    ----------
    directory : path-like
        Where the page ``report.html`` and its figures go; it is made if need be.
    model : Model
        Trained; of one output or several.
    x, y : array_like
        Samples and labels, as for `tinynet.Model.evaluate`. If the samples are images, the report shows some.
    history : History, optional
        As from `tinynet.Model.fit`.
    loss : str, callable, tuple or dict, optional
        As for `tinynet.Model.evaluate`; by default that of the last `fit`. It decides the task: "cross_entropy" has
        classes, "binary_cross_entropy" two classes or labels, "mse", "mae" and "huber" values.
    names : sequence of str or dict, optional
        Of the classes, labels or values; of a model of several outputs a dict of them, by the names of outputs.
    title : str, optional
        Of the page; the name of the model by default.
    validation : str
        What the set is called that ``history`` was validated on.
    formats : sequence of {"svg", "pdf"}
        In which each figure is written besides PNG.

    Returns
    -------
    list of str
        The names of the files; the page comes last.

    Raises
    ------
    WriteError
        If the directory cannot be written to; this is told before anything is computed.
    ArgumentError, ShapeError, DataError, DTypeError, NotBuiltError
        As from `tinynet.Model.evaluate`; or if there are more classes than names, or no such format.

    Examples
    --------
    >>> import numpy as np, tempfile, tinynet as tn
    >>> model = tn.Sequential([tn.Input((2,)), tn.Dense(1)], seed=0)
    >>> x = np.random.default_rng(0).normal(size=(50, 2))
    >>> history = model.fit(x, x[:, 0], epochs=2, loss="mse", verbose=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tn.report.write_model_report(folder, model, x, x[:, 0], history=history, names=["price"])
    ['model_diagram.png', 'learning_curve.png', 'regression.png', 'report.html']
    """
    place = Path(directory)
    _check_formats(formats)
    check_writable(place)
    answers = answers_of(model, x, y, loss, names)
    measures = model.evaluate(x, y, loss=loss)
    samples = x if isinstance(x, np.ndarray) else None
    shown = samples if samples is not None and _are_images(samples) else None
    subject = Subject(title or str(model.name), model, answers, measures, history, validation, shown)
    return _write(place, subject, {}, formats)


def _check_formats(formats: Sequence[str]) -> None:
    unknown = [name for name in formats if name not in FORMATS]
    if unknown:
        raise ArgumentError(f"formats must be some of {', '.join(FORMATS)}, besides PNG, but got {unknown[0]!r}")


def check_writable(directory: Path) -> None:
    """Make a directory if need be, and raise a WriteError if nothing can be written into it."""
    try:
        make_writable(directory)
    except OSError as error:
        raise WriteError(
            error.errno,
            f"the directory {directory} cannot be made or written to ({error.strerror or error}), so there is no place "
            "for the report; make it writable, or choose another one",
        ) from error


def _are_images(samples: Array) -> bool:
    return samples.ndim == 3 or (samples.ndim == 4 and samples.shape[3] in (1, 3))


def _write(directory: Path, subject: Subject, contents: dict[str, bytes], formats: Sequence[str]) -> list[str]:
    """Draw all figures and the page, then write them."""
    drawn: dict[str, bytes] = {}

    def draw(drawing: Drawing) -> bytes:
        figure = drawing.draw()
        drawn.update({f"{drawing.name}.{name}": encode(figure, name) for name in ("png", *formats)})
        return drawn[f"{drawing.name}.png"]

    page = encoded(render(subject, made_sections(subject), draw))
    files = {**drawn, **contents, PAGE: page}
    for name, content in files.items():
        write_atomically(directory / name, content)
    return list(files)
