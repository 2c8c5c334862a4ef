"""A page with a network that one can draw on: it computes, and shows what happens in each layer."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping, Sequence
from hashlib import sha256
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

import numpy as np
import numpy.typing as npt

from tinynet.datasets import Dataset
from tinynet.datasets.preparation import Preparation
from tinynet.errors import ArgumentError, ShapeError
from tinynet.model import Model
from tinynet.report.page import encoded
from tinynet.report.portable import as_sequential, encode, network_of
from tinynet.saving.files import write_atomically

Array = npt.NDArray[Any]

PLAYGROUND = "playground.html"  # in the directory of a run
_MOST_IMAGES = 200
_MOST_BYTES = 4_000_000  # of the images
_SCRIPTS = ("network.js", "sample.js", "screen.js")
_ANSWERS = {
    "probabilities": "Probabilities of softmax: they add up to 100 %, also for an image of none of the classes.",
    "one probability": "The probability of the second class; the first has the rest.",
    "separate probabilities": "Each class has a probability of its own.",
    "scores": "Scores: the network has no softmax or sigmoid at its end, and the largest score is its answer.",
}
_GRADIENT = (
    "Which pixels decide is told by the gradient of the score of a class with respect to each pixel, computed in this "
    "page from the last layer back to the first by the chain rule"
)
_OF_PROBABILITIES = ". The score is what the network has before {} makes a probability of it, which hardly moves where "
_OF_PROBABILITIES += "the network is sure."


def playground(
    model: Model,
    path: str | os.PathLike[str],
    data: Dataset | tuple[npt.ArrayLike, npt.ArrayLike | None] | None = None,
    names: Sequence[str] | None = None,
    title: str | None = None,
    preparation: Preparation | None = None,
) -> None:
    """Write a page with a network that one can draw on.

    The page needs no network and no server: it holds the parameters of the model, and computes what `predict` computes,
    within 1e-4. It shows the answer, the values of each layer as images, the filters, where a value comes from, and the
    gradient of the answer with respect to the pixels.

    Parameters
    ----------
    model : Sequential
        On images (H, W), (H, W, 1) or (H, W, 3) of up to 64 x 64 pixels, made of `Dense`, `Conv2D`, pooling,
        normalisation, `Flatten`, `Reshape`, `Residual`, `UpSampling` and activations with a name; `Dropout`, noise and
        augmentation act in training alone.
    path : path-like
        Of the HTML file; one that is there is replaced.
    data : Dataset or (images, labels), optional
        Up to 200 images to choose from: those of a dataset are its test images. Images are an array (n, H, W),
        (n, H, W, 1) or (n, H, W, 3), as `predict` takes it; labels are numbers of classes (n,), or None. They also say
        between which values a drawing lies, and whether it is light on dark. Without them a drawing has values from 0
        to 1 / scale of the model's `Input`, light on dark.
    names : sequence of str, optional
        Of the classes; those of the dataset, or their numbers, by default.
    title : str, optional
        Stands above the page.
    preparation : Preparation, optional
        How a drawing becomes a sample, as it is known of a dataset: fitted into a box and centred. Otherwise it goes
        into the network as it is drawn.

    Raises
    ------
    ArgumentError
        If the model has a layer or takes images that the page cannot show, if the names do not fit its outputs, or if
        neither images nor the model say which values a drawing has.
    ShapeError
        If the images are not such as the model takes, or there is not one label for each.
    WriteError
        If the file cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile, tinynet as tn
    >>> digits = tn.datasets.digits()
    >>> model = tn.Sequential([tn.Input((28, 28, 1), scale=1 / 255), tn.Flatten(), tn.Dense(10, "softmax")], seed=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = pathlib.Path(folder, "play.html")
    ...     tn.report.playground(model, page, digits)
    ...     print(page.read_text("utf-8")[:15])
    <!DOCTYPE html>
    """
    as_sequential(model)
    if isinstance(data, Dataset):
        names = data.classes if names is None else names
        preparation = preparation or data.preparation
        title = title or f"{model.name} on {data.title}"
        data = data.x_test, data.y_test
    write_atomically(path, page(model, data, names, title or model.name, preparation))


def page_of_run(model: Model, record: Mapping[str, Any], data: Dataset) -> bytes:
    """Return the page of a run, whose record is that of its ``metrics.json``; errors as for `playground`."""
    title = f"{record['title'].capitalize()} on {data.title}"
    return page(model, (data.x_test, data.y_test), data.classes, title, data.preparation)


def page(
    model: Model,
    data: Any,
    names: Sequence[str] | None,
    title: str,
    preparation: Preparation | None,
) -> bytes:
    """Return the page, for the arguments of `playground`; all of them are checked first."""
    network = network_of(model)
    classes = _class_names(names, 2 if network["meaning"] == "one probability" else network["outputs"])
    images, labels = _chosen(data, network["shape"], len(classes))
    fitted = preparation is not None and preparation.drawn and network["shape"][2] == 1
    if preparation is not None and list(preparation.shape) != network["shape"]:
        raise ArgumentError(
            f"playground: the preparation makes samples of shape {preparation.shape}, but the model takes "
            f"{tuple(network['shape'])}"
        )
    facts = {
        "network": network,
        "names": classes,
        "answer": _ANSWERS[network["meaning"]],
        "preparation": preparation.record() if preparation is not None and fitted else None,
        **_tones(images, model, fitted),
        **_image_facts(model, images, labels, network),
    }
    return encoded(_filled(facts, title))


# --- what the page is given


def _class_names(names: Sequence[str] | None, classes: int) -> list[str]:
    if names is None:
        return [str(i) for i in range(classes)]
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise ArgumentError(f"playground: names must be a sequence of texts, but got {names!r}")
    if len(names) != classes:
        raise ArgumentError(f"playground: the model tells {classes} classes apart, but got {len(names)} names")
    return list(names)


def _chosen(data: Any, shape: Sequence[int], classes: int) -> tuple[Array | None, Array | None]:
    """Check images and labels, and return those that the page holds: some throughout the set."""
    if data is None:
        return None, None
    if not isinstance(data, tuple) or len(data) != 2:
        raise ArgumentError(f"playground: data must be a Dataset or (images, labels), but got a {type(data).__name__}")
    images = np.asarray(data[0])
    images = images[..., None] if images.ndim == 3 else images
    if images.shape[1:] != tuple(shape) or not len(images) or images.dtype.kind not in "buif":
        raise ShapeError(
            f"playground: the model takes images of shape {tuple(shape)}, so images must be numbers (n, "
            f"{', '.join(map(str, shape))}), but are {images.dtype} of shape {images.shape}"
        )
    labels = None if data[1] is None else np.asarray(data[1])
    if labels is not None:
        if labels.shape != images.shape[:1] or labels.dtype.kind not in "bui":
            raise ShapeError(
                f"playground: needs the number of a class for each of {len(images)} images, but labels are "
                f"{labels.dtype} of shape {labels.shape}"
            )
        if labels.min() < 0 or labels.max() >= classes:
            raise ArgumentError(
                f"playground: labels must be from 0 to {classes - 1}, but are from {labels.min()} to {labels.max()}"
            )
    size = images[0].size * (1 if images.dtype == np.uint8 else 4)
    count = max(1, min(len(images), _MOST_IMAGES, _MOST_BYTES // size))
    at = np.linspace(0, len(images) - 1, count).astype(np.intp)
    images = images[at]
    if not np.isfinite(images).all():
        raise ArgumentError("playground: the images have values that are not finite")
    return images, None if labels is None else labels[at]


def _tones(images: Array | None, model: Model, fitted: bool) -> dict[str, Any]:
    """Return the least and the largest value of a drawing, whether they are integers, and which of them is paper."""
    if images is None:
        shift, scale = model.input.shift, model.input.scale
        if shift.ndim or scale.ndim or shift != 0 or not scale > 0:
            raise ArgumentError(
                "playground: the model's Input does not say between which values images lie; give some of them with "
                "data=(images, labels)"
            )
        most = float(1 / scale)
        return {"levels": [0.0, most], "integers": most > 1, "paper": 0}
    low, high = float(images.min()), float(images.max())
    if images.dtype == np.uint8 and high > 127:
        low, high = 0.0, 255.0
    if low == high:
        raise ArgumentError(f"playground: all values of the images are {low:g}, so they do not say what a drawing is")
    edges = np.concatenate([images[:, [0, -1]].ravel(), images[:, :, [0, -1]].ravel()])
    paper = int(not fitted and np.median(edges) > (low + high) / 2)
    return {"levels": [low, high], "integers": images.dtype.kind in "bui", "paper": paper}


def _image_facts(model: Model, images: Array | None, labels: Array | None, network: dict[str, Any]) -> dict[str, Any]:
    """Return the images for the page, their labels, and what the model takes them for."""
    if images is None:
        return {"images": None, "labels": None, "predicted": None}
    as_bytes = images.dtype == np.uint8
    pixels = encode(images if as_bytes else images.astype("<f4"))
    held = {"count": len(images), "bytes": as_bytes, "pixels": pixels}
    if labels is None:
        return {"images": held, "labels": None, "predicted": None}
    output = model.predict(images.reshape(-1, *model.input.shape))
    predicted = output[:, 0] >= 0.5 if network["meaning"] == "one probability" else output.argmax(axis=1)
    return {"images": held, "labels": labels.astype(int).tolist(), "predicted": predicted.astype(int).tolist()}


# --- the file


def _filled(facts: dict[str, Any], title: str) -> str:
    """Put all parts into the page; its policy allows these scripts and this style by their digests, and no others."""
    from tinynet import __version__

    style = _part("page.css")
    script = '"use strict";\n' + "\n".join(map(_part, _SCRIPTS))
    activation = {"probabilities": "softmax", "scores": ""}.get(facts["network"]["meaning"], "sigmoid")
    return Template(_part("page.html")).substitute(
        title=escape(title),
        version=escape(__version__),
        style=style,
        style_digest=_digest(style),
        script=script,
        script_digest=_digest(script),
        gradient_method=_GRADIENT + (_OF_PROBABILITIES.format(activation) if activation else "."),
        data=_within_html(facts),
    )


def _part(name: str) -> str:
    return files("tinynet.report").joinpath("play", name).read_text("utf-8")


def _digest(content: str) -> str:
    """Return the digest of a script or a style as a content security policy names it."""
    return f"sha256-{base64.b64encode(sha256(content.encode()).digest()).decode('ascii')}"


def _within_html(facts: dict[str, Any]) -> str:
    """Write facts as JSON in which no sign ends the element around it, or means anything else to HTML."""
    text = json.dumps(facts, allow_nan=False, separators=(",", ":"))  # in ASCII
    return text.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")
