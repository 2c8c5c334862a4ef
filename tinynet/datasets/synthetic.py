"""Points that need no file: spirals, which no straight line tells apart."""

from __future__ import annotations

import numpy as np

from tinynet.checks import check_count, check_positive
from tinynet.datasets.dataset import Array, Dataset
from tinynet.datasets.preparation import Preparation
from tinynet.errors import ArgumentError
from tinynet.nn.seeds import generator


def spirals(n: int, classes: int = 2, noise: float = 0.1, seed: int = 0) -> Dataset:
    """Draw points of the plane that lie on intertwined spirals, one for each class.

    Parameters
    ----------
    n : int
        How many to train on, and as many to test on; classes come in turns.
    classes : int
        How many spirals: at least two, at most 256.
    noise : float
        The standard deviation of what is added to both coordinates; the radius goes from 0 to 1.
    seed : int
        Decides the points.

    Returns
    -------
    Dataset
        Points (n, 2) in float32, labels (n,) in uint8.

    Raises
    ------
    ArgumentError
        If an argument is out of range.

    Examples
    --------
    >>> import tinynet as tn
    >>> (x, y), (x_test, y_test) = tn.datasets.spirals(300, classes=3)
    >>> x.shape, y[:6]
    ((300, 2), array([0, 1, 2, 0, 1, 2], dtype=uint8))
    """
    n = check_count("spirals: n", n, 2)
    if check_count("spirals: classes", classes, 2) > 256:
        raise ArgumentError(f"spirals: classes must be at most 256, but got {classes}")
    noise = check_positive("spirals", "noise", noise, zero=True)
    rng = generator("spirals", seed, stream=1)

    def draw() -> tuple[Array, Array]:
        labels = np.arange(n) % classes
        radius = rng.uniform(0, 1, n)
        angle = 2 * np.pi * (labels / classes + radius)
        points = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        return (points + rng.normal(0, noise, (n, 2))).astype(np.float32), labels.astype(np.uint8)

    return Dataset(
        *draw(),
        *draw(),
        source=f"spirals ({n:,} + {n:,} points of {classes} classes, noise {noise:g}, seed {seed})",
        origin="spirals",
        name="spirals",
        title="spirals",
        noun="spiral",
        plural="spirals",
        classes=tuple(map(str, range(classes))),
        preparation=Preparation((1, 2, 1)),
        genuine=True,
    )
