"""Several runs side by side: the original and what was modified, as a table and a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.errors import ArgumentError
from tinynet.report.html import paragraph, table
from tinynet.report.page import document, encoded, figure
from tinynet.report.style import COLORS, LABEL, MARKERS, add_legend, bare_axes, canvas, encode, expect, whole
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
    _check_histories(histories)
    from matplotlib.lines import Line2D

    rows = -(-len(histories) // 2) + 1  # of the legend
    picture = canvas(5.4 + 0.18 * rows, title or "The original (first) and the modified networks")
    panels = picture.subplots(2, 1, sharex=True)
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
        bare_axes(axes, grid="both")
        axes.set_ylabel(measure, fontsize=LABEL)
    panels[1].set_xlabel("Epoch", fontsize=LABEL)
    whole(panels[1])
    keys.append(Line2D([], [], color="0.3", linewidth=1, label="training", **points, **hollow))
    keys.append(Line2D([], [], color="0.3", linestyle="--", label=validation, **points))
    add_legend(picture, keys)
    return picture


def comparison_table(records: Mapping[str, Mapping[str, Any]]) -> str:
    """Lay out the measures of several runs at their best epochs, with the difference in test accuracy to the first.

    Parameters
    ----------
    records : mapping of str to mapping
        What the ``metrics.json`` of each run holds, by the names of the runs; the others are compared with the first.

    Returns
    -------
    str
        A line for each run.

    Examples
    --------
    >>> run = {"parameters": {"count": 10}, "test": {"loss": 0.5, "accuracy": 0.8}, "seconds": {"total": 1.0},
    ...        "history": {"loss": [0.4], "accuracy": [0.9]}, "best_epoch": 1}
    >>> print(comparison_table({"64:relu": run, "32:relu": {**run, "test": {"loss": 0.45, "accuracy": 0.82}}}))
    network  parameters  best epoch    loss  accuracy  test loss  test accuracy  to the first  seconds
    64:relu          10           1  0.4000    0.9000     0.5000         0.8000             -      1.0
    32:relu          10           1  0.4000    0.9000     0.4500         0.8200       +0.0200      1.0
    """
    rows = comparison_rows(records)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    aligned = ([f"{cell:{'>' if i else '<'}{widths[i]}}" for i, cell in enumerate(row)] for row in rows)
    return "\n".join("  ".join(cells).rstrip() for cells in aligned)


_HEAD = (
    "network",
    "parameters",
    "best epoch",
    "loss",
    "accuracy",
    "test loss",
    "test accuracy",
    "to the first",
    "seconds",
)
_FIRST = "network", "test accuracy", "to the first", "test loss"  # on a page, of which a phone shows the left


def comparison_rows(records: Mapping[str, Mapping[str, Any]]) -> list[Sequence[str]]:
    """Return the cells of a table of runs, below its head; arguments as for `comparison_table`."""
    _check_records(records)
    rows: list[Sequence[str]] = [_HEAD]
    first = _test_accuracy(next(iter(records.values())))
    for i, (run, record) in enumerate(records.items()):
        history = record["history"]
        at = record.get("best_epoch", len(history["loss"])) - 1  # the parameters that were tested; logistic: the last
        trained = [history[name][at] if history.get(name) else None for name in ("loss", "accuracy")]
        accuracy = _test_accuracy(record)
        cells = ("-" if v is None else f"{v:.4f}" for v in (*trained, record["test"]["loss"], accuracy))
        difference = f"{accuracy - first:+.4f}" if i else "-"
        count, seconds = f"{record['parameters']['count']:,}", f"{record['seconds']['total']:.1f}"
        rows.append((run, count, str(at + 1), *cells, difference, seconds))
    return rows


def _check_histories(histories: Any) -> None:
    expect("comparison_figure", histories, Mapping, "a dictionary of histories by the names of their runs")
    for history in histories.values():
        expect("comparison_figure", history, History, "a History for each run, as fit returned it")
    if not histories or not all(history.epochs for history in histories.values()):
        raise ArgumentError("comparison_figure: needs at least one run, and each with at least one epoch")


def _check_records(records: Any) -> None:
    expect("a comparison", records, Mapping, "a dictionary of the records of runs, by their names")
    if not records:
        raise ArgumentError("a comparison needs at least one run")
    for record in records.values():
        expect("a comparison", record, Mapping, "a record for each run, as in its metrics.json")


def _test_accuracy(record: Mapping[str, Any]) -> float:
    test = record["test"]
    return float(test["accuracy"] if "accuracy" in test else 1 - test["error"])


def incomparable(records: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Say why the accuracies of runs cannot be compared, if they cannot."""
    told = {
        "were tested on the same data": {record["data"]["sha256"] for record in records.values()},
        "tell the same classes apart": {record.get("class") for record in records.values()},
    }
    reasons = (words for words, kinds in told.items() if len(kinds) > 1)
    return [f"Not all runs {words}, so their accuracies cannot be compared" for words in reasons]


def history_of(record: Mapping[str, Any]) -> History:
    """Return the history of a run from its record, with accuracies where it has errors."""
    known = {name: [np.nan if v is None else v for v in values] for name, values in record["history"].items()}
    if "val_error" in known:
        known["val_accuracy"] = [1 - error for error in known["val_error"]]
    seconds = record["seconds"]
    rates = [np.nan if rate is None else rate for rate in record.get("learning_rates") or []]
    times = seconds.get("by_epoch") or seconds["by_step"]
    return History(known, times, rates, by_step=dict(record.get("by_step") or {}))


def comparison_page(
    records: Mapping[str, Mapping[str, Any]], title: str, links: Mapping[str, str] | None = None
) -> tuple[bytes, bytes]:
    r"""Put several runs on one page: a table, their curves over each other, and how each was trained.

    Parameters
    ----------
    records : mapping of str to mapping
        As for `comparison_table`; of runs of logistic, too.
    title : str
        Stands above the page.
    links : mapping of str to str, optional
        The addresses of the reports of the runs, by their names.

    Returns
    -------
    page, picture : bytes
        HTML in UTF-8, and the PNG of the curves that is part of it.

    Raises
    ------
    ArgumentError
        If there are no runs, or one has no epochs.

    Examples
    --------
    >>> run = {"parameters": {"count": 10, "dtype": "float32"}, "test": {"loss": 0.5, "accuracy": 0.8},
    ...        "history": {"loss": [0.4], "accuracy": [0.9]}, "best_epoch": 1, "data": {"sha256": "0"},
    ...        "hyper_parameters": {"learning_rate": 0.1}, "seconds": {"total": 1.0, "by_epoch": [1.0]}}
    >>> page, picture = comparison_page({"a": run, "b": run}, "Two runs")
    >>> b"<h1>Two runs</h1>" in page, picture[:4]
    (True, b'\x89PNG')
    """
    _check_records(records)
    histories = {name: history_of(record) for name, record in records.items()}
    split = any("validation_split" in record["hyper_parameters"] for record in records.values())
    curves = comparison_figure(histories, "Losses and accuracies", "validation" if split else "test")
    picture = encode(curves)
    order = [_HEAD.index(name) for name in dict.fromkeys((*_FIRST, *_HEAD))]
    head, *rows = [[row[i] for i in order] for row in comparison_rows(records)]
    best = max(range(len(rows)), key=lambda i: _test_accuracy(list(records.values())[i]))
    parts = [table(rows, ["Run", *(cell.capitalize() for cell in head[1:])], best=best)]
    parts.append(
        paragraph(
            'The run with the largest test accuracy is marked; "to the first" is how far a test accuracy is from that '
            "of the first run."
        )
    )
    parts += [paragraph(f"{warning}.") for warning in incomparable(records)]
    parts.append(figure(picture, "Losses and accuracies of the runs by epoch; the table has them at the best epochs."))
    settings = {name: settings_of(record) for name, record in records.items()}
    keys = dict.fromkeys(key for found in settings.values() for key in found)
    differing = {key for key in keys if len({found.get(key) for found in settings.values()}) > 1}
    compared = [(key, *(found.get(key, "-") for found in settings.values())) for key in keys]
    parts.append(f"<h2>Settings</h2>{table(compared, ('Setting', *records))}")
    told = ", ".join(key.lower() for key in keys if key in differing)
    parts.append(paragraph(f"The settings differ in: {told}." if told else "The settings are the same."))
    pages = [f'<a href="{escape(link)}">{escape(name)}</a>' for name, link in (links or {}).items()]
    parts += [f"<h2>Their reports</h2><p>{', '.join(pages)}</p>"] if pages else []
    header = f'<p class="soft">{len(records)} runs of tinynet, side by side.</p>'
    return encoded(document(title, header, "".join(parts))), picture


def settings_of(record: Mapping[str, Any]) -> dict[str, str]:
    """Return how a model was trained, in words, from the record of its run."""
    named = {name.replace("_", " ").capitalize(): value for name, value in record["hyper_parameters"].items()}
    rows = {**named, "Seed": record.get("seed"), "Type of numbers": record["parameters"]["dtype"]}
    return {name: _setting(value) for name, value in rows.items() if value is not None}


def _setting(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name.replace('_', ' ')} {_setting(one)}" for name, one in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)
