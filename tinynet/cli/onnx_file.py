"""The model of an ONNX file, for commands that take that in place of a run."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tinynet.cli.data import Described
from tinynet.errors import ShapeError

if TYPE_CHECKING:
    from tinynet.core.spec import Array


class Source(NamedTuple):
    """What tells the classes of images.

    Attributes
    ----------
    title : str
        What it is, and where it is from.
    predict : callable
        Returns the probabilities of the classes for images.
    told : Described
        What is known of the data that it was trained on.
    known : dict
        Of these data: ranges outside of which an image is unlike them.
    """

    title: str
    predict: Callable[[Array], Array]
    told: Described
    known: dict[str, Any]


def is_file(path: Path) -> bool:
    """Whether a path is that of an ONNX file, and not of a run."""
    return path.is_file() or path.suffix == ".onnx"


def of_file(path: Path, scale: float) -> Source:
    """Load the model of an ONNX file, which must take drawings of digits.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    scale : float
        What pixels from 0 to 255 are multiplied by.

    Raises
    ------
    ShapeError
        If the model takes other samples than images of 28 x 28 pixels, or does not return a number for each class.
    CheckpointError, MissingFileError, MissingPackageError
        As `tinynet.onnx.load`.
    """
    import numpy as np

    from tinynet import onnx, ops
    from tinynet.datasets.spec import MNIST

    model, size = onnx.load(path), MNIST.preparation.shape[0]
    made: Any = model.made
    if math.prod(model.input.shape) != size**2 or made is None or len(made.shape) != 2:
        raise ShapeError(
            f"{path} takes samples of shape {model.input.shape} and returns {made.shape[1:]} for each, but this command"
            f" shows images of {size} x {size} pixels, and takes one number for each class; use tn.onnx.load in Python"
        )

    def predict(pixels: Array) -> Array:
        samples = pixels.reshape(len(pixels), *model.input.shape) * scale
        output = model.predict(samples)
        probable = output.min() >= 0 and np.allclose(output.sum(1), 1, atol=1e-3)
        return output if probable else ops.softmax(output).data  # they are logits

    count = made.shape[1]
    classes = MNIST.classes if count == len(MNIST.classes) else tuple(map(str, range(count)))
    told = Described(MNIST.name, MNIST.title, MNIST.noun, MNIST.plural, classes, MNIST.preparation)
    return Source(f"{model.name}, {path}", predict, told, {})
