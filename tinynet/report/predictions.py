"""Figures of what a model predicts: images with the true and the predicted class, and the confusion of classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tinynet.errors import ArgumentError, ShapeError
from tinynet.report.data import FIRST, choice, chosen_images, name_classes
from tinynet.report.style import (
    LABEL,
    SMALL,
    VERMILION,
    Array,
    canvas,
    class_names,
    luminance,
    mosaic,
    shown_images,
    tones,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_MOST_WRITTEN = 20  # classes whose shares are written into a heat map


def prediction_grid(
    images: Array,
    labels: Array,
    predicted: Array,
    mislabelled: bool = False,
    names: Sequence[str] | None = None,
    title: str | None = None,
    ink: bool = True,
) -> Figure:
    """Show the first 25 images, or 25 throughout a set that is sorted by class, each titled "actual → predicted".

    Parameters
    ----------
    images : ndarray
        (n, H, W), (n, H, W, 1) or, in colour, (n, H, W, 3).
    labels, predicted : ndarray of int
        (n,): the true and the predicted classes.
    mislabelled : bool
        Show only those whose prediction is wrong.
    names : sequence of str, optional
        Of the classes; their numbers by default.
    title : str, optional
        Stands above the picture.
    ink : bool
        Whether the least value of grey images is drawn white, as the background of a drawing.

    Returns
    -------
    matplotlib.figure.Figure
        A grid of 5 x 5, or of fewer where there are no more; titles of wrong predictions are coloured.

    Raises
    ------
    ShapeError
        If the images are not of one channel or three, or labels and predictions are not one for each.

    Examples
    --------
    >>> import numpy as np
    >>> figure = prediction_grid(np.eye(4).reshape(1, 4, 4), np.array([7]), np.array([1]))
    >>> figure.get_suptitle(), figure.axes[0].texts[0].get_text()
    ('First 1 of 1 images, 1 wrong among these: actual → predicted', '7 → 1')
    """
    found = shown_images("prediction_grid", images)
    if not labels.shape == predicted.shape == (len(images),):
        raise ShapeError(
            f"prediction_grid: needs a label and a predicted class for each of {len(images)} images, but got shapes "
            f"{labels.shape} and {predicted.shape}"
        )
    wrong = np.flatnonzero(labels != predicted)
    chosen = wrong[:FIRST] if mislabelled else chosen_images(labels)
    words = class_names(names, int(max(labels.max(), predicted.max())) + 1)
    if title is None and mislabelled:
        title = f"First {len(chosen)} of {len(wrong):,} mislabelled images: actual → predicted"
    elif title is None:
        errors = int(np.isin(chosen, wrong).sum())
        title = f"{choice(labels)} of {len(images):,} images, {errors} wrong among these: actual → predicted"
    figure = canvas(1, title)
    if not len(chosen):
        figure.set_size_inches(figure.get_figwidth(), 1.2)
        figure.text(0.5, 0.35, "Every image is labelled right.", ha="center", fontsize=LABEL)
        return figure
    titles = [f"{words[int(labels[i])]} → {words[int(predicted[i])]}" for i in chosen]
    colors = ["black" if mislabelled or labels[i] == predicted[i] else VERMILION for i in chosen]
    mosaic(figure, found[chosen], titles, 5, colors, **tones(images, ink))
    return figure


def confusion_heat_map(matrix: Array, names: Sequence[str] | None = None, title: str | None = None) -> Figure:
    """Draw a confusion matrix, normalised by true class, as an annotated heat map.

    Parameters
    ----------
    matrix : ndarray of int
        (K, K): as from `tinynet.train.metrics.confusion_matrix`.
    names : sequence of str, optional
        Of the classes; their numbers by default.
    title : str, optional
        Stands above the picture.

    Returns
    -------
    matplotlib.figure.Figure
        In row i and column j the share of the samples of class i that were taken for class j, in percent. Colours
        follow the square root of the share, so that rare confusions show. A class without samples is a row of dashes.
        Of more than 20 classes the colours stand alone.

    Raises
    ------
    ArgumentError
        If the matrix is not square.

    Examples
    --------
    >>> import numpy as np
    >>> figure = confusion_heat_map(np.array([[3, 1], [0, 0]]))
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['75.0', '25.0', '-', '-']
    """
    k = len(matrix)
    if not k or matrix.shape != (k, k):
        raise ArgumentError(f"confusion_heat_map: the matrix must be (K, K), but has shape {matrix.shape}")
    from matplotlib.colors import PowerNorm

    words, totals = class_names(names, k), matrix.sum(axis=1, keepdims=True)
    shares = np.where(totals > 0, 100 * matrix / np.maximum(totals, 1), np.nan)
    figure = canvas(4.75, title or "Confusion matrix, normalised by true class (%)")
    axes = figure.add_subplot()
    picture = axes.imshow(shares, cmap="Blues", norm=PowerNorm(0.5, 0, 100))
    for i, j in np.ndindex(k, k) if k <= _MOST_WRITTEN else ():
        share = shares[i, j]
        text = "-" if np.isnan(share) else f"{share:.1f}" if 0 < share < 100 else f"{share:.0f}"
        dark = not np.isnan(share) and luminance(picture.cmap(picture.norm(share))) < 0.45
        color = "white" if dark else "0.65" if not matrix[i, j] else "black"
        axes.text(j, i, text, ha="center", va="center", fontsize=min(SMALL, 100 / k), color=color)
    name_classes(axes, words, "x")
    name_classes(axes, words, "y")
    axes.tick_params(length=0)
    axes.set_xlabel("Predicted class", fontsize=LABEL)
    axes.set_ylabel("True class", fontsize=LABEL)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(picture, shrink=0.8, ticks=[0, 1, 5, 10, 25, 50, 100])
    bar.ax.tick_params(labelsize=SMALL)
    bar.set_label("Share of the true class (%)", fontsize=LABEL)
    bar.outline.set_visible(False)
    return figure
