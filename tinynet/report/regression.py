"""The figure of predicted numbers: against the true ones, and what is left over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.checks import check_numbers
from tinynet.errors import DataError, ShapeError
from tinynet.report.style import BLUE, LABEL, VERMILION, Array, as_written, bare_axes, canvas
from tinynet.train.metrics import r2, root_mean_squared_error

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_POINTS = 2_000  # of more, cells are coloured by their number


def regression_figure(predicted: Array, actual: Array, name: str = "value", title: str | None = None) -> Figure:
    """Draw predicted numbers against the true ones, and the residuals, predicted - true.

    Parameters
    ----------
    predicted, actual : array_like
        Of the same size.
    name : str
        What is predicted, with its unit; for the axes.
    title : str, optional
        Stands above the picture; by default R² and the root mean squared error.

    Returns
    -------
    matplotlib.figure.Figure
        Predicted against true on the left, where the dotted line is what is right; the residuals against what was
        predicted on the right, and how often each occurs below. Of more than 2,000 numbers cells are drawn, the darker
        the more there are.

    Raises
    ------
    ShapeError
        If there are not as many of both.
    DataError
        If there are none, or one is not finite.
    DTypeError
        If something is no array of numbers.

    Examples
    --------
    >>> regression_figure([1.0, 2.0, 3.5], [1, 2, 3], "price").get_suptitle()
    'R² 0.8750, root mean squared error 0.2887'
    """
    made = check_numbers("regression_figure: the predicted numbers", predicted).reshape(-1).astype(np.float64)
    true = check_numbers("regression_figure: the true numbers", actual).reshape(-1).astype(np.float64)
    if made.shape != true.shape:
        raise ShapeError(f"regression_figure: got {made.size} predicted numbers, but {true.size} true ones")
    if not made.size or not (np.isfinite(made) & np.isfinite(true)).all():
        raise DataError("regression_figure: needs finite numbers, at least one; leave out what is NaN or infinite")
    if title is None:
        title = f"R² {r2(made, true):.4f}, root mean squared error {root_mean_squared_error(made, true):.4g}"
    figure = canvas(4.6, title)
    places = figure.subplot_mosaic([["fit", "left"], ["count", "count"]], height_ratios=[2, 1])
    low, high = min(made.min(), true.min()), max(made.max(), true.max())
    places["fit"].plot([low, high], [low, high], ":", color=VERMILION, linewidth=1.5)
    places["left"].axhline(0, linestyle=":", color=VERMILION, linewidth=1.5)
    _cloud(places["fit"], true, made)
    _cloud(places["left"], made, made - true)
    places["count"].hist(made - true, bins=min(40, 5 + made.size // 10), color=BLUE)
    words = as_written(name)
    labels = {
        "fit": (f"True {words}", f"Predicted {words}"),
        "left": (f"Predicted {words}", "Predicted - true"),
        "count": ("Predicted - true", "Number"),
    }
    for place, (x, y) in labels.items():
        bare_axes(places[place], grid="both")
        places[place].set_xlabel(x, fontsize=LABEL)
        places[place].set_ylabel(y, fontsize=LABEL)
        places[place].locator_params(axis="x", nbins=5 if place != "count" else 9)
    return figure


def _cloud(axes: Axes, x: Array, y: Array) -> None:
    """Draw points, or where there are very many, how many there are in each cell."""
    style: dict[str, Any] = {"zorder": 2}
    if len(x) <= _MOST_POINTS:
        axes.plot(x, y, "o", color=BLUE, markersize=3, alpha=0.35 if len(x) > 200 else 0.7, markeredgewidth=0, **style)
    else:
        axes.hexbin(x, y, gridsize=40, cmap="Blues", mincnt=1, bins="log", linewidths=0.1, **style)
