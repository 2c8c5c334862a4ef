"""The figure of a training run: a panel for each thing that was measured, by epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.errors import ArgumentError
from tinynet.report.style import (
    BLUE,
    GREEN,
    LABEL,
    VERMILION,
    Array,
    add_legend,
    as_written,
    bare_axes,
    canvas,
    expect,
    whole,
)
from tinynet.train import History

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

_MOST_PANELS = 8
_MOST_MARKED = 40  # epochs whose points have markers
_FLATTENED = 20  # times the usual loss: one that is larger makes a linear scale flat
_RATE = "learning rate"
_MANY_TIMES = ("gradient_norm", _RATE)  # what changes by factors


def learning_curve(
    history: History, title: str | None = None, validation: str = "test", log: bool | None = None
) -> Figure:
    """Draw what was measured in a run by epoch, each in a panel of its own, with a line at the best epoch.

    Parameters
    ----------
    history : History
        As from `tinynet.Model.fit`. Values that are None or not finite are left out.
    title : str, optional
        Stands above the picture; by default the best epoch, what it is best by, and what was measured there.
    validation : str
        What the set is called that the run was validated on, such as "validation" where it is not the test set.
    log : bool, optional
        Whether losses are on a logarithmic scale; by default where one is far above the others, as of an epoch that
        diverged.

    Returns
    -------
    matplotlib.figure.Figure
        Loss and accuracy come first, then other metrics, at last the learning rate, if it changes. Of more than eight
        panels those that come last are left out, and the figure says how many.

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
    ('Best epoch: 2, by least training loss; test accuracy 0.7500', ['Loss', 'Accuracy'])
    """
    expect("learning_curve", history, History, "the History that fit returned")
    series = _series(history)
    if not series:
        raise ArgumentError("learning_curve: the history has no epochs; pass what fit returned")
    panels = _panels(series)
    left_out = len(panels) - _MOST_PANELS
    panels = panels[:_MOST_PANELS]
    figure = canvas(0.9 + 2.1 + 1.5 * (len(panels) - 1), _title(history, validation) if title is None else title)
    heights = [2.1, *[1.5] * (len(panels) - 1)]
    rows = figure.subplots(len(panels), 1, sharex=True, height_ratios=heights, squeeze=False)[:, 0]
    parts = {"": ("training", BLUE), "val_": (validation, VERMILION)}  # prefixes in the history
    lines: dict[str, Line2D] = {}
    for axes, measure in zip(rows, panels, strict=True):
        bare_axes(axes, grid="both")
        for prefix, (part, color) in parts.items():
            if f"{prefix}{measure}" in series:
                style = {"color": GREEN, "label": measure} if measure == _RATE else {"color": color, "label": part}
                line = _draw(axes, series[f"{prefix}{measure}"], bool(prefix), **style)
                lines.setdefault(str(line.get_label()), line)
        choose_scale(axes, measure, log)
        axes.set_ylabel(as_written(_words(measure)), fontsize=LABEL)
        if best := history.best_epoch:
            label = "best epoch"
            lines["best epoch"] = axes.axvline(best, color="0.35", linestyle=":", linewidth=1.5, label=label, zorder=0)
    _label_epochs(rows[-1], max(map(len, series.values())), left_out)
    figure.align_ylabels()
    lines.pop(_RATE, None)  # which its axis names
    mark = [lines.pop("best epoch")] if "best epoch" in lines else []
    add_legend(figure, [*lines.values(), *mark], ncols=3)
    return figure


def _series(history: History) -> dict[str, Array]:
    """Return all that a history has by epoch, with NaN for what is no number."""
    rates = np.array(history.learning_rates, np.float64)
    known = {name: np.array(values, np.float64) for name, values in history.history.items()}
    if rates.size and np.isfinite(rates).all() and (rates != rates[0]).any():
        known[_RATE] = rates
    return {name: np.where(np.isfinite(values), values, np.nan) for name, values in known.items() if values.size}


def _panels(series: dict[str, Array]) -> list[str]:
    """Return what has a panel, in their order."""
    measures = dict.fromkeys(name.removeprefix("val_") for name in series)
    first = [name for name in ("loss", "accuracy") if name in measures]
    last = [name for name in _MANY_TIMES if name in measures]
    return [*first, *(name for name in measures if name not in first + last), *last]


def _title(history: History, validation: str) -> str:
    best, history_of = history.best_epoch, history.history
    if not best:
        return "Learning curve"
    of = f"{validation}" if history_of.get("val_loss") else "training"
    title = f"Best epoch: {best}, by least {of} loss"
    for name, words in (("val_accuracy", f"{validation} accuracy"), ("accuracy", "training accuracy")):
        values = history_of.get(name)
        if values and values[best - 1] is not None and np.isfinite(values[best - 1]):
            return f"{title}; {words} {values[best - 1]:.4f}"
    return title


def _words(measure: str) -> str:
    """Return what a measure is called on its axis."""
    words = measure.replace("_", " ")
    return words[:1].upper() + words[1:]


def _draw(axes: Axes, values: Array, dashed: bool, **style: Any) -> Line2D:
    """Draw a measure of training or validation."""
    epochs = np.arange(1, len(values) + 1)
    known = ~np.isnan(values)
    marked: dict[str, Any] = {}
    if known.sum() <= _MOST_MARKED:
        marked = {"marker": "s" if dashed else "o", "markersize": 4, "markerfacecolor": "white" if dashed else None}
    marked = {name: value for name, value in marked.items() if value is not None}
    (line,) = axes.plot(epochs, values, linestyle="--" if dashed else "-", linewidth=1.3, **marked, **style)
    return line


def _label_epochs(axes: Axes, epochs: int, left_out: int) -> None:
    axes.set_xlabel("Epoch" if left_out <= 0 else f"Epoch ({left_out} more measures are not drawn)", fontsize=LABEL)
    whole(axes)
    axes.set_xlim(1 - 0.04 * max(epochs - 1, 5), epochs + 0.04 * max(epochs - 1, 5))


def choose_scale(axes: Axes, measure: str, log: bool | None) -> None:
    """Choose the scale of a panel by what is drawn in it: logarithmic where a linear one would flatten most of it."""
    drawn = np.concatenate([np.asarray(line.get_ydata(), np.float64) for line in axes.lines] or [np.empty(0)])
    drawn = drawn[np.isfinite(drawn)]
    wanted = log
    if not (measure.endswith("loss") or measure in _MANY_TIMES):
        return
    if wanted is None:
        usual = np.min if measure in _MANY_TIMES else np.median
        wanted = bool(drawn.size) and drawn.min() > 0 and drawn.max() > _FLATTENED * usual(drawn)
    if wanted and drawn.size and drawn.max() > 0:
        axes.set_yscale("log")
