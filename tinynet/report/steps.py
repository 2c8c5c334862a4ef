"""The figure of the loss by step, of a run of few epochs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tinynet.errors import ArgumentError
from tinynet.report.curves import choose_scale
from tinynet.report.style import BLUE, LABEL, SMALL, VERMILION, add_legend, bare_axes, canvas, expect, whole
from tinynet.train import History

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_MARKS = 10  # ends of epochs that are marked


def loss_by_step(
    history: History, title: str | None = None, validation: str = "test", log: bool | None = None
) -> Figure:
    """Draw the training loss by step, with a mark at the end of each epoch.

    Parameters
    ----------
    history : History
        As from `tinynet.Model.fit`, with `tinynet.StepLosses` among the callbacks.
    title : str, optional
        Stands above the picture.
    validation : str
        What the set is called that the run was validated on, such as "validation" where it is not the test set.
    log : bool, optional
        Whether the loss is on a logarithmic scale; by default where its first values are far above the others.

    Returns
    -------
    matplotlib.figure.Figure
        A line, and a point for each validation, at the end of its epoch.

    Raises
    ------
    ArgumentError
        If the history has no losses by step.

    Examples
    --------
    >>> from tinynet.train import History
    >>> by_step = {"epoch": [0.5, 1.0], "step": [100, 200], "loss": [1.5, 0.7]}
    >>> figure = loss_by_step(History({"loss": [1.1]}, [1.0], by_step=by_step))
    >>> figure.get_suptitle(), figure.axes[0].get_xlabel()
    ('Training loss, each value the mean of 100 steps', 'Step')
    """
    expect("loss_by_step", history, History, "the History that fit returned")
    kept = history.by_step
    if not kept.get("step"):
        raise ArgumentError(
            "loss_by_step: the history has no losses by step; pass tn.StepLosses() to fit, among the callbacks"
        )
    steps, losses = np.array(kept["step"]), np.array(kept["loss"], np.float64)
    an_epoch = steps[0] / kept["epoch"][0]
    every = int(steps[0]) if len(steps) > 1 else 1
    each = f", each value the mean of {every:,} steps" if every > 1 else " of each step"
    figure = canvas(3.4, f"Training loss{each}" if title is None else title)
    axes = figure.add_subplot()
    bare_axes(axes, grid="y")
    marker = "o" if len(steps) == 1 else None  # a line of one point cannot be seen
    (line,) = axes.plot(steps, losses, color=BLUE, linewidth=1.2, marker=marker, label="training")
    lines = [line]
    validated = np.array(history.history.get("val_loss", []), np.float64)[: round(kept["epoch"][-1])]
    if np.isfinite(validated).any():
        style = {"linestyle": "--", "marker": "s", "markersize": 5, "markerfacecolor": "white"}
        ends = an_epoch * np.arange(1, len(validated) + 1)
        lines += axes.plot(ends, validated, color=VERMILION, linewidth=1.3, label=validation, **style)  # type: ignore[arg-type]
    choose_scale(axes, "loss", log)
    _mark_epochs(axes, an_epoch, kept["epoch"][-1])
    axes.set_ylabel("Loss", fontsize=LABEL)
    axes.set_xlabel("Step", fontsize=LABEL)
    whole(axes)
    add_legend(figure, lines)
    return figure


def _mark_epochs(axes: Axes, an_epoch: float, epochs: float) -> None:
    """Draw a line at the end of each epoch, with its number; of many epochs at some."""
    every = -(-round(epochs) // _MOST_MARKS) or 1
    for epoch in range(every, int(epochs + 1e-9) + 1, every):
        axes.axvline(epoch * an_epoch, color="0.6", linestyle=":", linewidth=1.2, zorder=0)
        axes.annotate(
            f"epoch {epoch}",
            (epoch * an_epoch, 1.0),
            (0, 1),
            axes.get_xaxis_transform(),
            "offset points",
            fontsize=SMALL,
            ha="center",
            va="bottom",
            color="0.35",
        )
