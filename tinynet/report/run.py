"""The report of a run: all figures as PNG, the scores as text, and the page that holds everything."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.datasets import Dataset
from tinynet.model import Model
from tinynet.report.confusion import confusion_heat_map
from tinynet.report.curves import learning_curve
from tinynet.report.data import choice, chosen_images, class_distribution, data_grid
from tinynet.report.model import first_layer_filters, model_diagram
from tinynet.report.page import Picture, render
from tinynet.report.predictions import prediction_grid
from tinynet.report.style import Array, encode
from tinynet.saving.files import write_atomically
from tinynet.train import History
from tinynet.train.metrics import classification_scores, confusion_matrix

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE, SCORES = "report.html", "classification_report.txt"


def write_report(
    directory: Path, record: Mapping[str, Any], model: Model, data: Dataset, predicted: Array
) -> list[str]:
    """Write the figures and the report of a run into its directory.

    Parameters
    ----------
    directory : pathlib.Path
        The run directory; files of an earlier report are replaced.
    record : mapping
        What its ``metrics.json`` holds.
    model : Model
        The model that was evaluated.
    data : Dataset
        What it was trained and tested on.
    predicted : ndarray of int
        (n_test,): the classes that it gives to the test images.

    Returns
    -------
    list of str
        The names of the files: a PNG for each figure, the scores as text, and the page.

    Raises
    ------
    WriteError
        If a file cannot be written.
    """
    matrix = confusion_matrix(predicted, data.y_test, record["classes"])
    names = data.classes
    scores = classification_scores(matrix, names)
    history = History(
        {name: [np.nan if v is None else v for v in values] for name, values in record["history"].items()},
        record["seconds"]["by_epoch"],
    )
    n_train, n_test, wrong = len(data.y_train), len(data.y_test), int((predicted != data.y_test).sum())
    ink, split = data.preparation.drawn, "validation_split" in record["hyper_parameters"]
    first, answers = chosen_images(data.y_train), chosen_images(data.y_test)
    size = f"{record['parameters']['count']:,} parameters"
    made: dict[str, tuple[Callable[[], Figure], str]] = {
        "data_grid": (
            lambda: data_grid(
                data.x_train,
                data.y_train,
                names,
                title=f"{choice(data.y_train)} of {n_train:,} training images",
                ink=ink,
            ),
            f"{choice(data.y_train)} of the training images with their labels: "
            f"{', '.join(names[label] for label in data.y_train[first])}.",
        ),
        "class_distribution": (
            lambda: class_distribution(
                data.y_train, data.y_test, names, title=f"Training and test samples of each {data.noun}"
            ),
            f"Stacked bars: how many of {n_train:,} training and {n_test:,} test samples each {data.noun} has.",
        ),
        "model_diagram": (
            lambda: model_diagram(model, title=f"{record['title'].capitalize()}, {size}"),
            "The layers of the model from input to output, with the shapes between them; the table has the same.",
        ),
        "learning_curve": (
            lambda: learning_curve(history, validation="validation" if split else "test"),
            f"Loss and accuracy by epoch, in training and {'in validation' if split else 'on the test set'}; the best "
            f"epoch is {history.best_epoch}. The table has the same figures.",
        ),
        "predictions": (
            lambda: prediction_grid(data.x_test, data.y_test, predicted, names=names, ink=ink),
            f"{choice(data.y_test)} of the test images, titled actual → predicted: "
            f"{_pairs(names, data.y_test[answers], predicted[answers])}.",
        ),
        "mislabelled": (
            lambda: prediction_grid(data.x_test, data.y_test, predicted, mislabelled=True, names=names, ink=ink),
            f"The first of {wrong:,} mislabelled test images, titled actual → predicted.",
        ),
        "confusion": (
            lambda: confusion_heat_map(matrix, names),
            f"Heat map: how many percent of the test images of each {data.noun} were taken for which {data.noun}. On "
            f"the diagonal: {', '.join(f'{name}: {s:.1%}' for name, s in zip(names, scores.recall, strict=True))}.",
        ),
        "filters": (
            lambda: first_layer_filters(model),
            "The weights of the first layer with parameters, as images.",
        ),
    }
    pictures = {name: Picture(encode(draw()), alt) for name, (draw, alt) in made.items()}
    contents = {f"{name}.png": picture.png for name, picture in pictures.items()}
    contents[SCORES] = f"{scores}\n".encode()
    contents[PAGE] = render(record, model, scores, pictures).encode()
    for name, content in contents.items():
        write_atomically(directory / name, content)
    return list(contents)


def _pairs(names: Sequence[str], labels: Array, predicted: Array) -> str:
    return ", ".join(f"{names[a]} → {names[p]}" for a, p in zip(labels, predicted, strict=True))
