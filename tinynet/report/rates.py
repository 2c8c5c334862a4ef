"""The figure of a search for a learning rate."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from tinynet.errors import ArgumentError
from tinynet.report.style import BLUE, LABEL, SKY, SMALL, VERMILION, bare_axes, canvas
from tinynet.train import LearningRateFinder

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def learning_rate_curve(finder: LearningRateFinder, title: str | None = None) -> Figure:
    """Draw the losses of a search for a learning rate by the rate, and a line at the rate that it suggests.

    Parameters
    ----------
    finder : LearningRateFinder
        After its search.
    title : str, optional
        Stands above the picture; the rate that is suggested by default.

    Returns
    -------
    matplotlib.figure.Figure
        The loss of each batch is a thin line, their mean so far a thick one; far above the first loss it is cut off.

    Raises
    ------
    ArgumentError
        If there was no search yet.

    Examples
    --------
    >>> from tinynet.train import LearningRateFinder
    >>> finder = LearningRateFinder()
    >>> finder.rates, finder.losses, finder.smoothed = [0.01, 0.1, 1.0], [2.3, 2.0, 1.0], [2.3, 2.1, 1.6]
    >>> learning_rate_curve(finder).get_suptitle()
    'The loss falls fastest at a learning rate of 1'
    """
    if not isinstance(finder, LearningRateFinder) or not finder.losses:
        raise ArgumentError(
            "learning_rate_curve: there is nothing to draw; call find of a LearningRateFinder first, and pass that, "
            f"not {finder!r}"
        )
    suggested = finder.suggestion
    falls = f"The loss falls fastest at a learning rate of {suggested:.2g}"
    figure = canvas(3.4, title or ("The loss never falls" if math.isnan(suggested) else falls))
    axes = figure.add_subplot()
    bare_axes(axes, grid="both")
    axes.semilogx(finder.rates, finder.losses, color=SKY, linewidth=0.8, label="loss of the batch")
    axes.semilogx(finder.rates, finder.smoothed, color=BLUE, linewidth=2, label="mean so far")
    if not math.isnan(suggested):
        text = f"suggested rate, {suggested:.2g}"
        axes.axvline(suggested, color=VERMILION, linestyle="--", linewidth=1.5, label=text)
    low, first = min(*finder.losses, *finder.smoothed), max(finder.smoothed[0], np.median(finder.losses))
    span = max(first - low, 1e-12)
    axes.set_ylim(low - 0.08 * span, first + 0.4 * span)
    axes.set_xlabel("Learning rate", fontsize=LABEL)
    axes.set_ylabel("Loss", fontsize=LABEL)
    figure.legend(loc="outside lower center", ncols=3, fontsize=SMALL, frameon=False)
    return figure
