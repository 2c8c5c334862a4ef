"""Images of a test set with what a model takes them for: some of all, and the mistakes, also by pair of classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.errors import ArgumentError
from tinynet.report.confusion import confused_pairs
from tinynet.report.data import FIRST, choice, chosen_images
from tinynet.report.style import (
    LABEL,
    VERMILION,
    Array,
    by_sample,
    canvas,
    class_names,
    classes_of,
    mosaic,
    shown_images,
    tones,
)
from tinynet.train.metrics import confusion_matrix

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMNS = 5
_PAIRS = 5  # of classes that are shown


def prediction_grid(
    images: Array,
    labels: Array,
    predicted: Array,
    mislabelled: bool = False,
    names: Sequence[str] | None = None,
    title: str | None = None,
    ink: bool = True,
    confidence: Array | None = None,
    worst_first: bool = False,
) -> Figure:
    """Show 25 images, each titled "actual → predicted": the first ones, or some throughout a set sorted by class.

    Parameters
    ----------
    images : array_like
        (n, H, W), (n, H, W, 1) or, in colour, (n, H, W, 3).
    labels, predicted : array_like of int
        (n,): the true and the predicted classes.
    mislabelled : bool
        Show only those whose prediction is wrong.
    names : sequence of str, optional
        Of the classes; their numbers by default.
    title : str, optional
        Stands above the picture.
    ink : bool
        Whether the least value of grey images is drawn white, as the background of a drawing.
    confidence : array_like, optional
        (n,): the probability of the predicted class. It stands in the titles, in percent.
    worst_first : bool
        Begin with the images whose wrong class has the largest probability; needs ``mislabelled`` and ``confidence``.

    Returns
    -------
    matplotlib.figure.Figure
        A grid of 5 x 5, or of fewer where there are no more; titles of wrong predictions are coloured.

    Raises
    ------
    ShapeError
        If the images are not of one channel or three, or labels, predictions or confidences are not one for each.
    ArgumentError
        If labels or predictions are no class numbers, there are fewer names than classes, or ``worst_first`` has
        nothing to go by.
    DTypeError
        If something is no array of numbers.

    Examples
    --------
    >>> import numpy as np
    >>> figure = prediction_grid(np.eye(4).reshape(1, 4, 4), [7], [1], confidence=[0.85])
    >>> figure.get_suptitle(), figure.axes[0].texts[0].get_text()
    ('First 1 of 1 images, 1 wrong among these: actual → predicted', '7 → 1, 85 %')
    """
    found, labels, predicted, words = _checked("prediction_grid", images, labels, predicted, names)
    sure = None if confidence is None else by_sample("prediction_grid", "the confidence", confidence, len(found))
    if worst_first and (sure is None or not mislabelled):
        raise ArgumentError("prediction_grid: worst_first needs mislabelled=True and the confidence of each prediction")
    wrong = np.flatnonzero(labels != predicted)
    chosen = wrong[:FIRST] if mislabelled else chosen_images(labels)
    if worst_first and sure is not None:
        chosen = wrong[np.argsort(-sure[wrong], kind="stable")][:FIRST]
    if title is None:
        title = _title(labels, chosen, wrong, mislabelled, worst_first)
    titles = [_caption(words, labels, predicted, sure, i) for i in chosen]
    colors = ["black" if mislabelled or labels[i] == predicted[i] else VERMILION for i in chosen]
    return _grid(title, found[chosen], titles, colors, tones(found, ink))


def confused_pairs_grid(
    images: Array,
    labels: Array,
    predicted: Array,
    confidence: Array,
    names: Sequence[str] | None = None,
    title: str | None = None,
    ink: bool = True,
) -> Figure:
    """Show images of the pairs of classes that are confused most: a row for each pair, the most confident first.

    Parameters
    ----------
    images, labels, predicted, confidence, names, title, ink
        As for `prediction_grid`.

    Returns
    -------
    matplotlib.figure.Figure
        At most five pairs, and five images of each, titled "actual → predicted" with the confidence in percent.

    Raises
    ------
    ShapeError, ArgumentError, DTypeError
        As from `prediction_grid`.

    Examples
    --------
    >>> import numpy as np
    >>> figure = confused_pairs_grid(np.zeros((3, 4, 4)), [0, 0, 1], [1, 1, 0], [0.5, 0.75, 0.5])
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['0 → 1, 75 %', '0 → 1, 50 %', '1 → 0, 50 %']
    """
    found, labels, predicted, words = _checked("confused_pairs_grid", images, labels, predicted, names)
    sure = by_sample("confused_pairs_grid", "the confidence", confidence, len(found))
    pairs = confused_pairs(confusion_matrix(predicted, labels, len(words)), _PAIRS)
    chosen: list[int] = []
    titles: list[str] = []
    for pair in pairs:
        of_pair = np.flatnonzero((labels == pair.true) & (predicted == pair.predicted))
        row = of_pair[np.argsort(-sure[of_pair], kind="stable")][:_COLUMNS].tolist()
        titles += [_caption(words, labels, predicted, sure, i) for i in row] + [""] * (_COLUMNS - len(row))
        chosen += row + row[:1] * (_COLUMNS - len(row))
    told = title or "The pairs that are confused most, the most confident mistakes first"
    return _grid(told, found[chosen], titles, [], tones(found, ink))


def _checked(
    function: str, images: Any, labels: Any, predicted: Any, names: Sequence[str] | None
) -> tuple[Array, Array, Array, list[str]]:
    found = shown_images(function, images)
    labels = classes_of(function, "the labels", labels, len(found))
    predicted = classes_of(function, "the predicted classes", predicted, len(found))
    return found, labels, predicted, class_names(function, names, int(max(labels.max(), predicted.max())) + 1)


def _title(labels: Array, chosen: Array, wrong: Array, mislabelled: bool, worst_first: bool) -> str:
    if worst_first:
        return f"The {len(chosen)} most confident of {len(wrong):,} mistakes: actual → predicted"
    if mislabelled:
        return f"First {len(chosen)} of {len(wrong):,} mislabelled images: actual → predicted"
    errors = int(np.isin(chosen, wrong).sum())
    return f"{choice(labels)} of {len(labels):,} images, {errors} wrong among these: actual → predicted"


def _caption(words: Sequence[str], labels: Array, predicted: Array, confidence: Array | None, i: int) -> str:
    caption = f"{words[labels[i]]} → {words[predicted[i]]}"
    return caption if confidence is None else f"{caption}, {100 * confidence[i]:.0f} %"


def _grid(title: str, images: Array, titles: list[str], colors: list[str], style: dict[str, Any]) -> Figure:
    figure = canvas(1, title)
    if not len(images):
        figure.set_size_inches(figure.get_figwidth(), 1.2)
        figure.text(0.5, 0.35, "Every image is labelled right.", ha="center", fontsize=LABEL)
        return figure
    mosaic(figure, images, titles, _COLUMNS, colors, **style)
    return figure
