"""Several runs side by side: the original and what was modified, as a table and a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.errors import ArgumentError
from tinynet.report.style import COLORS, LABEL, MARKERS, add_legend, canvas, plain, whole
from tinynet.train import History

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def comparison_figure(histories: Mapping[str, History], title: str | None = None, validation: str = "test") -> Figure:
    """Draw the losses and the accuracies of several runs, by epoch.

    Parameters
    ----------
    histories : mapping of str to History
        By the names of the runs; the first is the original.
    title : str, optional
        Stands above the picture.
    validation : str
        What the set is called that the runs were validated on.

    Returns
    -------
    matplotlib.figure.Figure
        Losses above, accuracies below; each run has a colour and a marker of its own, training is a thin line without
        markers (of one epoch, a hollow marker), validation a dashed one with them.

    Raises
    ------
    ArgumentError
        If there are no runs, or one has no epochs.

    Examples
    --------
    >>> from tinynet.train import History
    >>> run = History({"loss": [0.5], "accuracy": [0.8], "val_loss": [0.6], "val_accuracy": [0.7]}, [1.0])
    >>> figure = comparison_figure({"64:relu": run, "32:relu": run})
    >>> [axes.get_ylabel() for axes in figure.axes]
    ['Loss', 'Accuracy']
    """
    if not histories or not all(history.epochs for history in histories.values()):
        raise ArgumentError("comparison_figure: needs at least one run, and each with at least one epoch")
    from matplotlib.lines import Line2D

    rows = -(-len(histories) // 2) + 1  # of the legend
    figure = canvas(5.4 + 0.18 * rows, title or "The original (first) and the modified networks")
    panels = figure.subplots(2, 1, sharex=True)
    single = min(history.epochs for history in histories.values()) == 1
    hollow: dict[str, Any] = {"markerfacecolor": "white"}
    points: dict[str, Any] = {"marker": "o", "markersize": 5} if single else {}
    keys = []
    for i, (name, history) in enumerate(histories.items()):
        color, marker = COLORS[i % len(COLORS)], MARKERS[i % len(MARKERS)]
        keys.append(Line2D([], [], color=color, marker=marker, markersize=5, label=name))
        for axes, measure in zip(panels, ("loss", "accuracy"), strict=True):
            values = [np.array(history.history.get(key, []), np.float64) for key in (measure, f"val_{measure}")]
            epochs = [np.arange(1, len(v) + 1) for v in values]
            alone = marker if len(values[0]) == 1 else None  # a line of one point cannot be seen
            axes.plot(epochs[0], values[0], color=color, linewidth=1, marker=alone, markersize=4, **hollow)
            every = max(1, len(values[1]) // 12)
            axes.plot(epochs[1], values[1], color=color, linestyle="--", marker=marker, markersize=4, markevery=every)
    for axes, measure in zip(panels, ("Loss", "Accuracy"), strict=True):
        plain(axes, grid="both")
        axes.set_ylabel(measure, fontsize=LABEL)
    panels[1].set_xlabel("Epoch", fontsize=LABEL)
    whole(panels[1])
    keys.append(Line2D([], [], color="0.3", linewidth=1, label="training", **points, **hollow))
    keys.append(Line2D([], [], color="0.3", linestyle="--", label=validation, **points))
    add_legend(figure, keys)
    return figure


def comparison_table(records: Mapping[str, Mapping[str, Any]]) -> str:
    """Lay out the figures of several runs at their best epochs, with the difference in test accuracy to the first.

    Parameters
    ----------
    records : mapping of str to mapping
        What the ``metrics.json`` of each run holds, by the names of the runs; the first is the original.

    Returns
    -------
    str
        A line for each run.

    Examples
    --------
    >>> run = {"parameters": {"count": 10}, "test": {"loss": 0.5, "accuracy": 0.8}, "seconds": {"total": 1.0},
    ...        "history": {"loss": [0.4], "accuracy": [0.9]}, "best_epoch": 1}
    >>> print(comparison_table({"64:relu": run, "32:relu": {**run, "test": {"loss": 0.45, "accuracy": 0.82}}}))
    network  parameters  best epoch    loss  accuracy  test loss  test accuracy  difference  seconds
    64:relu          10           1  0.4000    0.9000     0.5000         0.8000    original      1.0
    32:relu          10           1  0.4000    0.9000     0.4500         0.8200     +0.0200      1.0
    """
    head = ("network", "parameters", "best epoch", "loss", "accuracy", "test loss", "test accuracy", "difference",
            "seconds")  # fmt: skip
    rows: list[Sequence[str]] = [head]
    original = next(iter(records.values()))["test"]["accuracy"]
    for i, (name, record) in enumerate(records.items()):
        at = record["best_epoch"] - 1  # the parameters that were tested
        measures = (record["history"]["loss"][at], record["history"]["accuracy"][at], *record["test"].values())
        difference = f"{record['test']['accuracy'] - original:+.4f}" if i else "original"
        rows.append(
            (
                name,
                f"{record['parameters']['count']:,}",
                str(record["best_epoch"]),
                *("-" if value is None else f"{value:.4f}" for value in measures),
                difference,
                f"{record['seconds']['total']:.1f}",
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    aligned = ([f"{cell:{'>' if i else '<'}{widths[i]}}" for i, cell in enumerate(row)] for row in rows)
    return "\n".join("  ".join(cells).rstrip() for cells in aligned)
