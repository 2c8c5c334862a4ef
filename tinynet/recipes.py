"""The reference models as data: the layers of each, and how it is trained, on MNIST or other images.

They come from texts that tinynet was written to reproduce: one derives logistic regression by line search, the others
train three networks. Here these texts are called *the documents*; docs/results.md has their figures beside tinynet's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tinynet.datasets import Dataset
from tinynet.errors import ArgumentError
from tinynet.fullbatch import Backtracking, GradientDescent
from tinynet.model import Sequential
from tinynet.nn import Conv2D, Dense, Flatten, Input, Layer, MaxPool

SMALL = 10_000  # training images; on fewer, a run makes as many epochs as on the embedded sample


@dataclass(frozen=True)
class Recipe:
    """A model and how it is trained: by SGD without momentum, on batches that are reshuffled each epoch.

    Parameters
    ----------
    name : str
        What it is called on the command line.
    title : str
        What it is, in words.
    layers : callable
        Makes its layers, new at each call, from the shape (H, W, C) of the images and the number of classes.
    sample_epochs : int
        Epochs on sets as small as the embedded sample of 4,000 images, where an epoch has a fifteenth of the steps.
    epochs : int
        Epochs on the 60,000 training images of MNIST.
    loss : str
        As `tinynet.Model.fit` takes it.
    learning_rate : float
        Of SGD.
    batch_size : int
        Samples a step.

    Examples
    --------
    >>> RECIPES["cnn"].model(seed=0).theta.size
    93962
    """

    name: str
    title: str
    layers: Callable[[tuple[int, ...], int], list[Layer]]
    sample_epochs: int
    epochs: int = 10
    loss: str = "cross_entropy"
    learning_rate: float = 0.01
    batch_size: int = 32

    def model(self, seed: int | None = None, shape: tuple[int, ...] = (28, 28, 1), classes: int = 10) -> Sequential:
        """Make the model, with initial parameters that the seed decides.

        Parameters
        ----------
        seed : int, optional
            As for `tinynet.Sequential`.
        shape : (int, int, int)
            Of the images: (H, W, C).
        classes : int
            How many there are.

        Returns
        -------
        Sequential
            New at each call, in float32.
        """
        return Sequential(self.layers(shape, classes), seed=seed, name=self.name)

    def for_data(self, data: Dataset, seed: int | None = None) -> Sequential:
        """Make the model for the images and the classes of a dataset.

        Parameters
        ----------
        data : Dataset
            Of images.
        seed : int, optional
            As for `tinynet.Sequential`.

        Returns
        -------
        Sequential
            New at each call, in float32.

        Examples
        --------
        >>> import tinynet as tn
        >>> RECIPES["cnn"].for_data(tn.datasets.digits(), seed=0).theta.size
        93962
        """
        return self.model(seed, data.shape, len(data.classes))

    def epochs_for(self, samples: int) -> int:
        """Give the number of epochs for a training set of a size.

        Parameters
        ----------
        samples : int
            The number of training images.

        Returns
        -------
        int
            ``epochs``, or on a small set ``sample_epochs``.

        Examples
        --------
        >>> RECIPES["cnn"].epochs_for(60_000), RECIPES["cnn"].epochs_for(4_000)
        (10, 20)
        """
        return self.sample_epochs if samples < SMALL else self.epochs


def _images(shape: tuple[int, ...]) -> Input:
    return Input(shape, scale=1 / 255, name="Input")


def _softmax_regression(shape: tuple[int, ...], classes: int) -> list[Layer]:
    return [_images(shape), Flatten(name="Flatten"), Dense(classes, activation="softmax", name="Output")]


def _dense_network(shape: tuple[int, ...], classes: int) -> list[Layer]:
    return [
        _images(shape),
        Flatten(name="Flatten"),
        Dense(128, activation="relu", name="Dense1"),
        Dense(64, activation="relu", name="Dense2"),
        Dense(classes, activation="softmax", name="Output"),
    ]


def _cnn(shape: tuple[int, ...], classes: int) -> list[Layer]:
    return [
        _images(shape),
        Conv2D(32, 3, activation="relu", name="Conv1"),
        MaxPool(2, name="Pool1"),
        Conv2D(64, 3, activation="relu", name="Conv2"),
        MaxPool(3, name="Pool2"),
        Flatten(name="Flatten"),
        Dense(128, activation="relu", name="Dense1"),
        Dense(classes, activation="softmax", name="Output"),
    ]


def dense_variant(units: Sequence[int], activation: str) -> Recipe:
    """Make the recipe of a dense network with other layers: what the documents' experiment asks for.

    Parameters
    ----------
    units : sequence of int
        Of the hidden layers.
    activation : str
        Of the hidden layers; "linear" is none.

    Returns
    -------
    Recipe
        Else that of the dense network.

    Examples
    --------
    >>> recipe = dense_variant([512, 256], "linear")
    >>> recipe.title, recipe.model(seed=0).theta.size
    ('dense network 512,256:linear', 535818)
    """

    def layers(shape: tuple[int, ...], classes: int) -> list[Layer]:
        chosen = None if activation == "linear" else activation
        hidden = [Dense(n, activation=chosen, name=f"Dense{i}") for i, n in enumerate(units, 1)]
        return [_images(shape), Flatten(name="Flatten"), *hidden, Dense(classes, activation="softmax", name="Output")]

    title = f"dense network {','.join(map(str, units))}:{activation}"
    return replace(RECIPES["dense"], title=title, layers=layers)


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe("softmax", "softmax regression", _softmax_regression, sample_epochs=30),
        Recipe("dense", "dense network", _dense_network, sample_epochs=40),
        Recipe("cnn", "convolutional network", _cnn, sample_epochs=20),
    )
}


# --- "is it a 5?": two classes, all samples in each step

LOGISTIC_DIGIT, LOGISTIC_STEPS = 5, 200
_LEAST_DEVIATION = 1e-9  # of a pixel; one that varies less is left at its scale
_PIECE = 1024  # images


def standardisation(images: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Find the shift and the scale that give each pixel of a set mean 0 and standard deviation 1, for `Input`.

    Parameters
    ----------
    images : ndarray
        (n, ...): at least one; they are converted a piece at a time.

    Returns
    -------
    shift, scale : ndarray
        The mean of each pixel, and 1 / its standard deviation, or 1 where that is below 1e-9.

    Raises
    ------
    ArgumentError
        If there are no images.

    Examples
    --------
    >>> import numpy as np
    >>> standardisation(np.array([[0, 7], [4, 7]], np.uint8))
    (array([2., 7.]), array([0.5, 1. ]))
    """
    if not len(images):
        raise ArgumentError(f"standardisation: needs at least one image, but got shape {images.shape}")
    shift = images.mean(axis=0, dtype=np.float64)
    squares = np.zeros_like(shift)
    for start in range(0, len(images), _PIECE):
        squares += ((images[start : start + _PIECE] - shift) ** 2).sum(axis=0)
    deviation = np.sqrt(squares / len(images))
    return shift, 1 / np.where(deviation < _LEAST_DEVIATION, 1.0, deviation)


def logistic_model(images: npt.NDArray[np.uint8], intercept: bool = False) -> Sequential:
    """Make the binary logistic regression that tells one class from the others, on standardised pixels, in float64.

    Parameters
    ----------
    images : ndarray
        (n, H, W): the training set, whose means and standard deviations the model takes.
    intercept : bool
        Add a bias to the product of pixels and weights; the documents' model has none.

    Returns
    -------
    Sequential
        With all parameters 0.

    Examples
    --------
    >>> import tinynet as tn
    >>> (x, y), _ = tn.datasets.mnist(source="sample")
    >>> logistic_model(x).theta.shape, logistic_model(x, intercept=True).theta.shape
    ((784,), (785,))
    """
    shift, scale = standardisation(images)
    return Sequential(
        [
            Input(images.shape[1:], shift=shift, scale=scale, name="Input"),
            Flatten(name="Flatten"),
            Dense(1, activation="sigmoid", use_bias=intercept, kernel_init="zeros", name="Output"),
        ],
        dtype="float64",
        name="logistic",
    )


def logistic_optimizer(l2: float = 0.0) -> GradientDescent:
    """Make the optimizer of the logistic regression: gradient descent with the documents' line search.

    Parameters
    ----------
    l2 : float
        The factor of a penalty (l2 / 2) |w|^2; the documents' model has none.

    Returns
    -------
    GradientDescent
        With alpha 0.01, beta 0.5 and a first step of 1.
    """
    return GradientDescent(Backtracking(alpha=0.01, beta=0.5, initial_step=1.0), weight_decay=l2)
