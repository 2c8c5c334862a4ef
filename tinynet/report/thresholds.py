"""The figure of what a threshold makes of a model's answers: ROC and precision against recall."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.checks import check_numbers
from tinynet.errors import ShapeError
from tinynet.report.style import COLORS, LABEL, Array, add_legend, bare_axes, canvas, class_names, fitting
from tinynet.train.metrics import average_precision, precision_recall_curve, roc_auc, roc_curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_NAMED = 6  # curves with a colour; of more, those with the least area
_MOST_POINTS = 400  # of a curve
_LETTERS = 16


def threshold_figure(
    outputs: Array, truth: Array, names: Sequence[str] | None = None, title: str | None = None
) -> Figure:
    """Draw the ROC curve and precision against recall, for each class against all others.

    Parameters
    ----------
    outputs : array_like
        (n, K): how much each sample is taken for each class or label, best as probabilities.
    truth : array_like
        (n, K): 1 where the sample is of the class, or has the label, otherwise 0.
    names : sequence of str, optional
        Of the K columns; their numbers by default.
    title : str, optional
        Stands above the picture; by default the mean area under the ROC curves, and the mean of the average precisions.

    Returns
    -------
    matplotlib.figure.Figure
        ROC on the left, precision against recall on the right. Of more than six columns those with the least area
        under the ROC curve have colours and names, the others are grey. A column without samples of both kinds has no
        curve.

    Raises
    ------
    ShapeError
        If the arrays are not both (n, K).
    DataError
        If an output is NaN, or the truth is neither 0 nor 1.
    ArgumentError
        If there are fewer names than columns.
    DTypeError
        If something is no array of numbers.

    Examples
    --------
    >>> figure = threshold_figure([[0.1], [0.4], [0.35], [0.8]], [[0], [0], [1], [1]], ["spam"])
    >>> figure.get_suptitle(), [axes.get_ylabel() for axes in figure.axes]
    ('Mean area under ROC 0.7500, mean average precision 0.8333', ['True positive rate', 'Precision'])
    """
    scores = check_numbers("threshold_figure: the outputs", outputs)
    actual = check_numbers("threshold_figure: the truth", truth)
    if scores.ndim != 2 or scores.shape != actual.shape or not scores.size:
        raise ShapeError(f"threshold_figure: needs outputs and truth (n, K), but got {scores.shape} and {actual.shape}")
    words = class_names("threshold_figure", names, scores.shape[1])
    known = [k for k in range(scores.shape[1]) if 0 < actual[:, k].sum() < len(actual)]
    areas = {k: roc_auc(scores[:, k], actual[:, k]) for k in known}
    order = sorted(known, key=areas.__getitem__)
    if title is None and known:
        mean_precision = np.mean([average_precision(scores[:, k], actual[:, k]) for k in known])
        area = np.mean(list(areas.values()))
        title = f"Mean area under ROC {area:.4f}, mean average precision {mean_precision:.4f}"
    figure = canvas(
        3.2 + 0.09 * min(len(known), _MOST_NAMED + 1), title or "No class has both samples that belong to it and others"
    )
    left, right = figure.subplots(1, 2)
    handles = []
    for place, k in reversed(list(enumerate(order))):
        style = _look(place, f"{fitting(words[k], _LETTERS)}, area {areas[k]:.3f}", len(order))
        x, y, _ = roc_curve(scores[:, k], actual[:, k])
        precision, recall, _ = precision_recall_curve(scores[:, k], actual[:, k])
        (line,) = left.plot(_thinned(x), _thinned(y), **style)
        right.plot(_thinned(recall[1:]), _thinned(precision[1:]), **style)
        if place <= _MOST_NAMED:
            handles.append(line)
    left.plot([0, 1], [0, 1], ":", color="0.5", linewidth=1, zorder=0)
    _frame(left, "False positive rate", "True positive rate")
    _frame(right, "Recall", "Precision")
    add_legend(figure, handles[::-1], ncols=2)
    return figure


def _frame(axes: Axes, x: str, y: str) -> None:
    bare_axes(axes, grid="both")
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.set_xlabel(x, fontsize=LABEL)
    axes.set_ylabel(y, fontsize=LABEL)


def _look(place: int, label: str, curves: int) -> dict[str, Any]:
    """Return how the curve at a place in the order of the areas is drawn."""
    if place >= _MOST_NAMED:
        left = curves - _MOST_NAMED
        return {"color": "0.8", "linewidth": 0.8, "label": f"{left} other{'s' * (left > 1)}, with larger areas"}
    return {"color": COLORS[place], "linewidth": 1.4, "linestyle": ("-", "--", "-.")[place % 3], "label": label}


def _thinned(values: Array) -> Array:
    if len(values) <= _MOST_POINTS:
        return values
    return values[np.unique(np.linspace(0, len(values) - 1, _MOST_POINTS).astype(np.intp))]
