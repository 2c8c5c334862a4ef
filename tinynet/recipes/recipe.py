"""The reference models as data: the layers of each, and how it is trained, on MNIST or other images.

Softmax regression, the dense network, the CNN and logistic regression come from *course texts* that tinynet was written
to reproduce; docs/results.md has their results beside tinynet's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from tinynet.datasets import Dataset
from tinynet.model import Sequential
from tinynet.nn import Dense, Flatten, Layer
from tinynet.recipes import networks
from tinynet.recipes.training import CONSTANT, NO_AUGMENTATION, augmented

SMALL = 10_000  # training images; on fewer, a run makes as many epochs as on the embedded sample


@dataclass(frozen=True)
class Recipe:
    """A model and how it is trained, on batches that are reshuffled each epoch.

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
        Of the optimizer.
    batch_size : int
        Samples a step.
    optimizer : str
        The name of its class.
    optimizer_options : mapping
        Its other arguments; those that are not here have their defaults.
    schedule : str
        Of the learning rate: "constant", or another name that ``tinynet train --schedule`` takes.
    augment : str
        How images are changed in training, as ``tinynet train --augment`` takes it.
    documented : bool
        Whether it comes from the course texts.

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
    optimizer: str = "SGD"
    optimizer_options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    schedule: str = CONSTANT
    augment: str = NO_AUGMENTATION
    documented: bool = False

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
        return Sequential(augmented(self.layers(shape, classes), self.augment), seed=seed, name=self.name)

    def settings(self, samples: int) -> dict[str, Any]:
        """Return how the model is trained on so many images: arguments of `Model.fit`, of the optimizer, and others.

        Parameters
        ----------
        samples : int
            The number of training images.

        Returns
        -------
        dict
            As the record of a run has it.

        Examples
        --------
        >>> RECIPES["cnn"].settings(60_000)  # doctest: +NORMALIZE_WHITESPACE
        {'loss': 'cross_entropy', 'optimizer': 'SGD', 'learning_rate': 0.01, 'batch_size': 32, 'epochs': 10,
         'shuffle': True, 'schedule': 'constant', 'augment': 'none'}
        """
        return {
            "loss": self.loss,
            "optimizer": self.optimizer,
            "learning_rate": self.learning_rate,
            **self.optimizer_options,
            "batch_size": self.batch_size,
            "epochs": self.epochs_for(samples),
            "shuffle": True,
            "schedule": self.schedule,
            "augment": self.augment,
        }

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
        """Return the number of epochs for a training set of a size.

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


def dense_variant(units: Sequence[int], activation: str) -> Recipe:
    """Make the recipe of a dense network with other layers: what an experiment of the course texts asks for.

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
        return [
            networks.images(shape),
            Flatten(name="Flatten"),
            *hidden,
            Dense(classes, activation="softmax", name="Output"),
        ]

    title = f"dense network {','.join(map(str, units))}:{activation}"
    return replace(RECIPES["dense"], title=title, layers=layers)


_MOMENTUM = MappingProxyType({"momentum": 0.9, "nesterov": True})
RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe("softmax", "softmax regression", networks.softmax_regression, sample_epochs=30, documented=True),
        Recipe("dense", "dense network", networks.dense_network, sample_epochs=40, documented=True),
        Recipe("cnn", "convolutional network", networks.cnn, sample_epochs=20, documented=True),
        Recipe(
            "lenet",
            "LeNet-5",
            networks.lenet,
            sample_epochs=20,
            learning_rate=0.05,
            batch_size=64,
            optimizer_options=_MOMENTUM,
            schedule="one-cycle",
        ),
        Recipe(
            "resnet",
            "residual network",
            networks.residual_network,
            sample_epochs=30,
            epochs=12,
            learning_rate=0.1,
            batch_size=128,
            optimizer_options=MappingProxyType({**_MOMENTUM, "weight_decay": 5e-4, "decay": "weights"}),
            schedule="one-cycle",
            augment="shift=2",
        ),
    )
}
DOCUMENTED = [name for name, recipe in RECIPES.items() if recipe.documented]
