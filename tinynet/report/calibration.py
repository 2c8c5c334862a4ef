"""The figure of how far a model's probabilities can be believed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinynet.report.style import BLUE, LABEL, SKY, Array, bare_axes, canvas
from tinynet.train.metrics import calibration

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def calibration_figure(probability: Array, right: Array, bins: int = 10, title: str | None = None) -> Figure:
    """Draw how often answers were right against the probability that the model assigned to them.

    Parameters
    ----------
    probability, right, bins
        As for `tinynet.train.metrics.calibration`.
    title : str, optional
        Stands above the picture; the expected calibration error by default.

    Returns
    -------
    matplotlib.figure.Figure
        Above, the share of right answers in each bin of probabilities; on the dotted line they are what they say, below
        it the model is too sure. Below, how many answers each bin has.

    Raises
    ------
    ShapeError, DataError, ArgumentError, DTypeError
        As from `tinynet.train.metrics.calibration`.

    Examples
    --------
    >>> calibration_figure([0.5, 0.5, 0.9, 0.9], [0, 1, 1, 1]).get_suptitle()
    'Calibration: probabilities are off by 5.0 % on average'
    """
    found = calibration(probability, right, bins)
    told = f"Calibration: probabilities are off by {100 * found.error:.1f} % on average"
    figure = canvas(4.0, told if title is None else title)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    width = found.edges[1]
    filled = found.count > 0
    above.plot([0, 1], [0, 1], ":", color="0.4", linewidth=1.2, zorder=0)
    above.plot(found.probability[filled], found.share[filled], "o-", color=BLUE, linewidth=1.3, markersize=5)
    below.bar(found.edges[:-1] + width / 2, found.count, width * 0.92, color=SKY)
    for axes, label in ((above, "Share that was right"), (below, "Answers")):
        bare_axes(axes, grid="y")
        axes.set_ylabel(label, fontsize=LABEL)
    above.set(xlim=(0, 1.01), ylim=(-0.02, 1.05))
    below.yaxis.set_major_formatter("{x:,.0f}")
    below.set_xlabel("Probability that the model gave", fontsize=LABEL)
    figure.align_ylabels()
    return figure
