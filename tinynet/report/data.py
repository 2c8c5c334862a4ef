"""Figures of a dataset: some of its images, and how many there are of each class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.errors import ArgumentError
from tinynet.report.style import (
    BLUE,
    LABEL,
    LEAST,
    ORANGE,
    SMALL,
    Array,
    as_written,
    bare_axes,
    canvas,
    class_names,
    classes_of,
    fitting,
    mosaic,
    shown_images,
    tones,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FIRST = 25  # images that a grid shows
_MOST_COUNTED = 10  # classes whose numbers of samples are written into the bars
_MOST_NAMED = 30  # classes whose names stand along an axis; of more, every second, third and so on
_LETTERS = 16  # of a name along an axis


def data_grid(
    images: Array, labels: Array, names: Sequence[str] | None = None, title: str | None = None, ink: bool = True
) -> Figure:
    """Show the first 25 images of a set, each titled with its label; of a set that is sorted by class, 25 throughout.

    Parameters
    ----------
    images : ndarray
        (n, H, W), (n, H, W, 1) or, in colour, (n, H, W, 3), in any range.
    labels : ndarray of int
        (n,).
    names : sequence of str, optional
        Of the classes; their numbers by default.
    title : str, optional
        Stands above the picture.
    ink : bool
        Whether the least value of grey images is drawn white, as the background of a drawing.

    Returns
    -------
    matplotlib.figure.Figure
        A grid of 5 x 5, or of fewer where there are no more.

    Raises
    ------
    ShapeError
        If the images are not of one channel or three, or there is not one label for each.

    Examples
    --------
    >>> import tinynet as tn
    >>> (x, y), _ = tn.datasets.mnist(source="sample")
    >>> figure = data_grid(x, y)
    >>> figure.get_suptitle()
    'First 25 of 4,000 images'
    """
    found = shown_images("data_grid", images)
    labels = classes_of("data_grid", "the labels", labels, len(found))
    words = class_names("data_grid", names, int(labels.max()) + 1)
    chosen = chosen_images(labels)
    figure = canvas(1, title or f"{choice(labels)} of {len(found):,} images")
    titles = [words[int(label)] for label in labels[chosen]]
    mosaic(figure, found[chosen], titles, columns=5, **tones(found, ink))
    return figure


def chosen_images(labels: Array) -> Array:
    """Return the numbers of the images that a grid shows: the first, or some throughout a set sorted by class."""
    n = min(FIRST, len(labels))
    return np.arange(n) if _shows_all(labels) else np.linspace(0, len(labels) - 1, n).astype(np.intp)


def choice(labels: Array) -> str:
    """Say which images a grid shows: "First 25"."""
    n = min(FIRST, len(labels))
    return f"First {n}" if _shows_all(labels) else f"{n} throughout"


def _shows_all(labels: Array) -> bool:
    """Return whether the first images are not all of one class, or all images are."""
    return bool((labels[:FIRST] != labels[0]).any() or (labels == labels[0]).all())


def class_distribution(
    y_train: Array, y_test: Array, names: Sequence[str] | None = None, title: str | None = None
) -> Figure:
    """Draw the number of training and test samples of each class as stacked bars.

    Parameters
    ----------
    y_train, y_test : ndarray of int
        (n,): the labels.
    names : sequence of str, optional
        Of the classes; their numbers by default.
    title : str, optional
        Stands above the picture.

    Returns
    -------
    matplotlib.figure.Figure
        A bar for each class, with its counts.

    Raises
    ------
    ArgumentError
        If there are no labels, or they are no integers of 0 or more.

    Examples
    --------
    >>> import numpy as np
    >>> figure = class_distribution(np.array([0, 0, 1]), np.array([1]))
    >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    ['test, 1 in all', 'training, 3 in all']
    """
    parts = {
        part: classes_of("class_distribution", f"the {part} labels", labels)
        for part, labels in (("training", y_train), ("test", y_test))
    }
    if not all(labels.size for labels in parts.values()):
        raise ArgumentError("class_distribution: needs at least one training and one test label, but there are none")
    k = int(max(labels.max() for labels in parts.values())) + 1
    words = class_names("class_distribution", names, k)
    k = len(words)  # with those that do not occur
    figure = canvas(3.4, title or "Samples of each class")
    axes = figure.add_subplot()
    below = np.zeros(k, np.int64)
    bars = []
    for (part, labels), color in zip(parts.items(), (BLUE, ORANGE), strict=True):
        counts = np.bincount(labels, minlength=k)
        bars.append(axes.bar(range(k), counts, 0.82, below, color=color, label=f"{part}, {counts.sum():,} in all"))
        below += counts
    small: dict[str, Any] = {"ha": "center", "fontsize": SMALL - 0.5}
    for i in range(k if k <= _MOST_COUNTED else 0):
        n_train, n_test = (int(container[i].get_height()) for container in bars)
        axes.text(i, n_train / 2, f"{n_train:,}", va="center", color="white", **small)
        axes.text(i, below[i] + 0.012 * below.max(), f"{n_test:,}", va="bottom", color="0.25", **small)
    bare_axes(axes, grid="y")
    axes.set_xlim(-0.6, k - 0.4)
    axes.set_ylim(0, 1.1 * below.max())
    name_classes(axes, words, "x")
    axes.set_xlabel("Class", fontsize=LABEL)
    axes.set_ylabel("Number of samples", fontsize=LABEL)
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.legend(handles=bars[::-1], loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, fontsize=SMALL, frameon=False)
    return figure


def name_classes(axes: Axes, words: Sequence[str], which: str) -> None:
    """Write the names of classes along an axis, "x" or "y": upright along x where they would not fit side by side."""
    step = -(-len(words) // _MOST_NAMED)
    at = range(0, len(words), step)
    shown = [as_written(fitting(words[i], _LETTERS)) for i in at]
    long = max(map(len, shown)) * len(shown) > _LETTERS * 4
    size = max(LEAST, SMALL if len(shown) <= 20 else LEAST)
    if which == "x":
        axes.set_xticks(at, shown, fontsize=size, rotation=90 if long else 0)
    else:
        axes.set_yticks(at, shown, fontsize=size)
