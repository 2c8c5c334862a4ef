"""The figure of a training run: losses and accuracies by epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.errors import ArgumentError
from tinynet.report.style import BLUE, LABEL, SMALL, VERMILION, Array, canvas, plain, whole
from tinynet.train import History

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

_LINES = {"": "-", "val_": "--"}


def learning_curve(history: History, title: str | None = None, validation: str = "test") -> Figure:
    """Draw the losses of a run on the left axis, its accuracies on the right, and a line at the best epoch.

    Parameters
    ----------
    history : History
        As from `tinynet.Model.fit`. Values that are None or not finite are left out.
    title : str, optional
        Stands above the picture; the best accuracy by default.
    validation : str
        What the set is called that the run was validated on, such as "validation" where it is not the test set.

    Returns
    -------
    matplotlib.figure.Figure
        The axis of accuracies is left off where the history has none.

    Raises
    ------
    ArgumentError
        If there are no epochs.

    Examples
    --------
    >>> from tinynet.train import History
    >>> run = History({"loss": [0.5, 0.2], "accuracy": [0.8, 0.9], "val_accuracy": [0.7, 0.75]}, [1.0, 1.0])
    >>> figure = learning_curve(run)
    >>> figure.get_suptitle(), [axes.get_ylabel() for axes in figure.axes]
    ('Best test accuracy 0.7500, in epoch 2', ['Loss', 'Accuracy'])
    """
    series = {name: np.array(values, np.float64) for name, values in history.history.items()}
    if not any(len(values) for values in series.values()):
        raise ArgumentError("learning_curve: the history has no epochs; give what fit gave back")
    epochs = max(len(values) for values in series.values())
    parts = {"": "training", "val_": validation}  # prefixes in the history
    figure = canvas(3.9, title if title is not None else _title(series, validation))
    losses = figure.add_subplot()
    plain(losses, grid="x")
    lines = _draw(losses, series, parts, "loss", BLUE, "o")
    if any(f"{prefix}accuracy" in series for prefix in parts):
        accuracies = losses.twinx()
        plain(accuracies)
        accuracies.spines["right"].set_visible(True)
        lines += _draw(accuracies, series, parts, "accuracy", VERMILION, "s")
        if epochs == 1:  # the points of both axes would lie in one place, whatever their values are
            (low, high), (bottom, top) = losses.get_ylim(), accuracies.get_ylim()
            losses.set_ylim(low, high + 0.3 * (high - low))
            accuracies.set_ylim(bottom - 0.3 * (top - bottom), top)
    best = history.best_epoch
    if best:
        least = validation if history.history.get("val_loss") else "training"
        label = f"best epoch, {best}: least {least} loss"
        lines.append(losses.axvline(best, color="0.35", linestyle=":", linewidth=1.5, label=label, zorder=0))
    losses.set_xlabel("Epoch", fontsize=LABEL)
    whole(losses)
    losses.set_xlim(1 - 0.04 * max(epochs - 1, 5), epochs + 0.04 * max(epochs - 1, 5))
    figure.legend(handles=lines, loc="outside lower center", ncols=2, fontsize=SMALL, frameon=False)
    return figure


def _title(series: dict[str, Array], validation: str) -> str:
    for name, words in (("val_accuracy", f"{validation} accuracy"), ("accuracy", "training accuracy")):
        if name in series and np.isfinite(series[name]).any():
            best = int(np.nanargmax(series[name]))
            return f"Best {words} {series[name][best]:.4f}, in epoch {best + 1}"
    return "Learning curve"


def _draw(
    axes: Axes, series: dict[str, Array], parts: dict[str, str], figure: str, color: str, marker: str
) -> list[Line2D]:
    """Draw one figure of training and validation, and label its axis in the colour of its lines."""
    lines = []
    for prefix, part in parts.items():
        values = series.get(f"{prefix}{figure}")
        if values is not None:
            style: dict[str, Any] = {"linestyle": _LINES[prefix], "markerfacecolor": "white" if prefix else color}
            epochs = np.arange(1, len(values) + 1)
            size = 4 if len(values) <= 30 else 2
            lines += axes.plot(
                epochs, values, color=color, marker=marker, markersize=size, label=f"{part} {figure}", **style
            )
    axes.set_ylabel(figure.capitalize(), fontsize=LABEL, color=color)
    axes.tick_params(axis="y", colors=color)
    return lines
