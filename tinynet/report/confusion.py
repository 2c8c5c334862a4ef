"""Which classes are taken for which: the confusion matrix as a heat map, and the pairs that are confused most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.checks import check_count, check_numbers
from tinynet.errors import ArgumentError
from tinynet.report.data import name_classes
from tinynet.report.style import LABEL, LEAST, SMALL, Array, canvas, class_names, luminance

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_COUNTED = 12  # classes whose counts stand below their shares
_MOST_WRITTEN = 20  # classes whose shares are written into a heat map


def confusion_heat_map(matrix: Array, names: Sequence[str] | None = None, title: str | None = None) -> Figure:
    r"""Draw a confusion matrix, normalised by true class, as an annotated heat map.

    Parameters
    ----------
    matrix : array_like of int
        (K, K): as from `tinynet.train.metrics.confusion_matrix`.
    names : sequence of str, optional
        Of the classes; their numbers by default.
    title : str, optional
        Stands above the picture.

    Returns
    -------
    matplotlib.figure.Figure
        In row i and column j the share of the samples of class i that were taken for class j, in percent, and below it
        their number. Colours follow the square root of the share, so that rare confusions show. A class without samples
        is a row of dashes. Of more than 12 classes there are shares alone, in whole percents, and of more than 20 the
        colours stand alone; `confused_pairs` then tells what matters.

    Raises
    ------
    ArgumentError
        If the matrix is not square, or there are fewer names than classes.
    DTypeError
        If it is no array of numbers.

    Examples
    --------
    >>> import numpy as np
    >>> figure = confusion_heat_map(np.array([[3, 1], [0, 0]]))
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['75.0\n3', '25.0\n1', '-', '-']
    """
    matrix = _square("confusion_heat_map", matrix)
    k = len(matrix)
    from matplotlib.colors import PowerNorm

    words, totals = class_names("confusion_heat_map", names, k), matrix.sum(axis=1, keepdims=True)
    shares = np.where(totals > 0, 100 * matrix / np.maximum(totals, 1), np.nan)
    figure = canvas(4.75, title or f"Confusion matrix: share of each true class (%){', count' * (k <= _MOST_COUNTED)}")
    axes = figure.add_subplot()
    picture = axes.imshow(shares, cmap="Blues", norm=PowerNorm(0.5, 0, 100))
    size = SMALL if k <= _MOST_COUNTED - 2 else LEAST
    for i, j in np.ndindex(k, k) if k <= _MOST_WRITTEN else ():
        share = shares[i, j]
        dark = not np.isnan(share) and luminance(picture.cmap(picture.norm(share))) < 0.45
        color = "white" if dark else "0.65" if not matrix[i, j] else "black"
        text = _cell(float(share), int(matrix[i, j]), k)
        axes.text(j, i, text, ha="center", va="center", fontsize=size, color=color, linespacing=1)
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


def _cell(share: float, count: int, k: int) -> str:
    if np.isnan(share):
        return "-"
    if not count:
        return "0"
    if k > _MOST_COUNTED:
        return f"{share:.0f}" if share >= 0.5 else "<1"
    return f"{share:.1f}\n{count:,}" if share < 100 else f"{share:.0f}\n{count:,}"


def _square(function: str, matrix: Any) -> Array:
    found = check_numbers(f"{function}: the matrix", matrix)
    if not found.ndim or not found.size or found.shape != (len(found), len(found)):
        raise ArgumentError(f"{function}: the matrix must be (K, K), but has shape {found.shape}")
    return found


@dataclass(frozen=True)
class ConfusedPair:
    """A class and one that it is taken for.

    Attributes
    ----------
    true, predicted : int
        The numbers of the classes.
    count : int
        How many samples of the one were taken for the other.
    share : float
        Of the samples of the true class.
    """

    true: int
    predicted: int
    count: int
    share: float


def confused_pairs(matrix: Array, most: int = 10) -> list[ConfusedPair]:
    """Return which classes are taken for which, the most frequent first.

    Parameters
    ----------
    matrix : array_like of int
        (K, K): as from `tinynet.train.metrics.confusion_matrix`.
    most : int
        How many pairs are returned at most.

    Returns
    -------
    list of ConfusedPair
        Of pairs of equal counts, the larger share of its class first.

    Raises
    ------
    ArgumentError
        If the matrix is not square.
    DTypeError
        If it is no array of numbers.

    Examples
    --------
    >>> [(pair.true, pair.predicted, pair.count) for pair in confused_pairs([[5, 0, 1], [2, 3, 0], [0, 0, 4]])]
    [(1, 0, 2), (0, 2, 1)]
    """
    matrix, most = _square("confused_pairs", matrix), check_count("confused_pairs: most", most)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    true, predicted = np.nonzero(matrix * (1 - np.eye(len(matrix), dtype=np.int64)))
    order = np.lexsort((-shares[true, predicted], -matrix[true, predicted]))[:most]
    return [
        ConfusedPair(int(i), int(j), int(matrix[i, j]), float(shares[i, j]))
        for i, j in zip(true[order], predicted[order], strict=True)
    ]
