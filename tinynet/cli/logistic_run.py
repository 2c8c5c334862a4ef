"""A finished run of logistic: read, and brought into the form of a run that tells two classes apart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinynet.cli.data import Described, described
from tinynet.cli.logistic import MODEL
from tinynet.cli.record import (
    FinishedRun,
    open_run,
    other_parameters,
    parameters_digest,
    read_json,
    wrong_record,
)
from tinynet.cli.run_directory import LAST, METRICS
from tinynet.errors import ArgumentError, FileFormatError

if TYPE_CHECKING:  # what computes is imported only once it is needed, so that help comes at once
    from tinynet.datasets import Dataset

_VALUES = [(float, type(None))]  # by step
_ANY = (object, bool)
_FORM = {
    "class": str,
    "parameters": {"count": int, "dtype": str, str: _ANY},
    "hyper_parameters": {"loss": str, "steps": int, str: _ANY},
    "data": {"source": str, "origin": str, "sha256": str, str: _ANY},
    "history": {"loss": _VALUES, "val_loss": _VALUES, "val_error": _VALUES, "step_size": _VALUES, str: _VALUES},
    "test": {"loss": (float, type(None)), "error": float},
    "seconds": {"total": float, "by_step": [float]},
    "versions": {"tinynet": str, str: str},
    "machine": {"platform": str, "cpus": (int, type(None)), "threads": int},
    "finished": str,
    "command": str,
}


def is_logistic(directory: Path) -> bool:
    """Return whether a directory holds a finished run of logistic."""
    if not (directory / METRICS).is_file():
        return False
    record = read_json(directory / METRICS)
    return isinstance(record, dict) and isinstance(record.get("model"), str) and record["model"] in MODEL


def open_any(directory: Path, code: Path | None = None) -> FinishedRun:
    """Read a run of a classifier or of logistic; arguments and errors as for `open_run`."""
    return _open(directory) if is_logistic(directory) else open_run(directory, code)


def _open(directory: Path) -> FinishedRun:
    from tinynet.saving import load
    from tinynet.saving.form import conforms

    record, path = read_json(directory / METRICS), directory / METRICS
    wrong = [name for name, form in _FORM.items() if not conforms(record.get(name), form)]
    if not wrong and not all(len(values) == len(record["seconds"]["by_step"]) for values in record["history"].values()):
        wrong = ["history"]
    if not wrong and record["class"] not in _told(record).classes:
        wrong = ["class"]
    if wrong:
        raise wrong_record(path, wrong[0])
    if not (directory / LAST).is_file():
        raise ArgumentError(f"{directory} has no {LAST}; give the directory of a finished run")
    model = load(directory / LAST)
    if record["parameters"].get("sha256") not in (None, parameters_digest(model)):
        raise other_parameters(directory / LAST, "tinynet train logistic ... --resume")
    return FinishedRun(directory, record, model)


def _told(record: dict[str, Any]) -> Described:
    try:
        return described(record)
    except FileFormatError as error:
        raise FileFormatError(f"the record is damaged: {error}; train again") from error


def two_classes(run: FinishedRun) -> tuple[Callable[[Any], Any], Described]:
    """Return what computes the probabilities of "no" and "yes", (n, 2), and the data with these two classes."""
    import numpy as np

    told, name = described(run.record), run.record["class"]

    def predict(images: Any) -> Any:
        yes = run.model.predict(images).reshape(-1, 1)
        return np.hstack([1 - yes, yes])

    return predict, told._replace(classes=(f"not {name}", name))


def evaluate(run: FinishedRun, data: Dataset) -> None:
    """Print how well a run of logistic does on the test images."""
    from tinynet.train.metrics import classification_scores, confusion_matrix

    positive = data.classes.index(run.record["class"])
    yes = data.y_test == positive
    predict, told = two_classes(run)
    measures = run.model.evaluate(data.x_test, yes, loss="binary_cross_entropy")
    scores = classification_scores(confusion_matrix(predict(data.x_test).argmax(axis=1), yes, 2), told.classes)
    print(f"Test loss {measures['loss']:.6f}, test error {1 - measures['accuracy']:.4f}\n\n{scores}")
