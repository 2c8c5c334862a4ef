"""The time of a plan, call by call, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tinynet.errors import ArgumentError
from tinynet.report.style import BLUE, GREEN, ORANGE, expect

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tinynet.inspection.table import Row

PHASE_COLORS = {"forward": BLUE, "backward": ORANGE, "update": GREEN}


def profile_figure(rows: Sequence[Row], title: str = "") -> Figure:
    """Draw the time of each call of a plan, in their order, coloured by what the call is part of.

    Parameters
    ----------
    rows : sequence of Row
        As from `tinynet.fast.plan.Plan.profile`.
    title : str
        Stands above the picture.

    Returns
    -------
    matplotlib.figure.Figure
        One bar a call, in microseconds, with its share of the whole and the way it is computed.

    Raises
    ------
    ArgumentError
        If there are no rows, or they have no times.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> model = tn.Sequential([tn.Input((784,)), tn.Dense(10, "softmax")], seed=0)
    >>> plan = tn.compile(model).plan(np.zeros((32, 784), np.float32))
    >>> figure = profile_figure(plan.profile(repeats=3), "Inference")
    >>> [text.get_text() for text in figure.axes[0].get_yticklabels()]
    ['matmul_bias  1', 'softmax  2']
    """
    expect("profile_figure", rows, Sequence, "the rows that plan.profile() returned")
    seconds = [s for row in rows if (s := getattr(row, "seconds", None)) is not None]
    if not rows or len(seconds) < len(rows):
        raise ArgumentError("profile_figure: takes the rows of a plan with their times; give what plan.profile() gives")
    from matplotlib.figure import Figure

    n, total = len(rows), sum(seconds)
    figure = Figure(figsize=(7.5, 1.5 + 0.23 * n), layout="constrained")
    axes = figure.add_subplot()
    for phase, color in PHASE_COLORS.items():
        places = [i for i in range(n) if rows[i].phase == phase]
        if places:
            label = f"{phase} ({sum(seconds[i] for i in places) / total:.0%})"
            axes.barh(places, [1e6 * seconds[i] for i in places], height=0.78, color=color, label=label)
    longest = 1e6 * max(seconds)
    box = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}  # keeps the grid out of the text
    style: dict[str, Any] = {"va": "center_baseline", "fontsize": 8, "bbox": box}
    for i, row in enumerate(rows):
        share = axes.text(1e6 * seconds[i] + 0.012 * longest, i, f"{seconds[i] / total:.1%}", **style)
        if row.cost.how not in ("kernel", "numpy"):
            axes.annotate(row.cost.how, (1, i), (7, 0), (share, "data"), "offset points", color="0.35", **style)
    _style(axes, rows, 1.36 * longest)
    figure.suptitle(title, fontsize=10)
    return figure


def _style(axes: Any, rows: Sequence[Row], longest: float) -> None:
    axes.set_yticks(range(len(rows)), [f"{row.name}  {i}" for i, row in enumerate(rows, 1)], fontsize=8)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelsize=8)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0, longest)
    axes.set_xlabel("Time (µs)", fontsize=9)
    axes.grid(axis="x", color="0.88", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, fontsize=8, frameon=False, borderaxespad=0.2)
