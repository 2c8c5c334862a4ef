"""Models, histories and gradient reports in a notebook, as tables of HTML.

They have no background and take the colour of the text around them, so that they can be read in light and dark. All
that comes from the user, such as the names of layers and metrics, is escaped.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

from tinynet.errors import TinynetError
from tinynet.inspection.gradcheck import GradientReport
from tinynet.inspection.shapes import output_shapes
from tinynet.inspection.summary import count_leaves, summary_rows
from tinynet.model import Model
from tinynet.train.history import History
from tinynet.train.progress import write_measures

_LINE = "1px solid rgba(128,128,128,.4)"
_TABLE = "border-collapse: collapse; background: none; color: inherit; font-variant-numeric: tabular-nums"
_COLORS = {"ok": "#2a9d5c", "wrong": "#e0523a", "kink": "#c98a00"}  # legible on white and on black
_EPOCHS = 10  # of a history that are shown
_ENDS = 4  # of them at its beginning and at its end


def html_table(
    title: str, head: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str] = (), texts: int = 1
) -> str:
    """Write a table; the first columns, as many as ``texts``, are to the left, and the others, numbers, to the right.

    Parameters
    ----------
    title : str
        Stands above it.
    head : sequence of str
        The names of the columns.
    rows : sequence of sequence of str
        The cells.
    notes : sequence of str
        Lines below it.
    texts : int
        How many columns hold text.

    Returns
    -------
    str
        HTML, with everything escaped.

    Examples
    --------
    >>> html_table("a < b", ["name", "value"], [["x", "1"]])[:20]
    '<div><div>a &lt; b</'
    """
    line = f'<tr style="border-bottom: {_LINE}; background: none">'
    heads = "".join(_cell("th", text, i < texts) for i, text in enumerate(head))
    body = "".join(
        '<tr style="background: none">' + "".join(_cell("td", text, i < texts) for i, text in enumerate(row)) + "</tr>"
        for row in rows
    )
    below = "".join(f'<div style="opacity: .75">{html.escape(note)}</div>' for note in notes)
    return (
        f'<div><div>{html.escape(title)}</div><table style="{_TABLE}"><thead>{line}{heads}</tr></thead>'
        f"<tbody>{body}</tbody></table>{below}</div>"
    )


def _cell(tag: str, text: str, left: bool) -> str:
    color = f"; color: {_COLORS[text]}; font-weight: bold" if tag == "td" and text in _COLORS else ""
    style = f"text-align: {'left' if left else 'right'}; padding: 2px 10px 2px 2px{color}"
    return f'<{tag} style="{style}">{html.escape(text)}</{tag}>'


def model_in_html(model: Model) -> str | None:
    """Show the layers with their shapes and parameters; None of a model that does not know its input yet."""
    try:
        model.build_model()
    except TinynetError:
        return None
    rows = [(str(name), output_shapes(shape), f"{count:,}") for name, shape, count in summary_rows(model)]
    return html_table(f"Model: {model.name}", ["Layer (type)", "Output shape", "Parameters"], rows,
                      count_leaves(model), texts=2)  # fmt: skip


def history_in_html(history: History) -> str:
    """Show the measures of each epoch; of a long run the first and last epochs, and the best."""
    n, best = history.epochs, history.best_epoch
    epochs = list(range(1, n + 1))
    if n > _EPOCHS:
        epochs = sorted({*epochs[:_ENDS], *epochs[-_ENDS:], *([best] if best else [])})
    rows: list[list[str]] = []
    for before, epoch in zip([0, *epochs], epochs, strict=False):
        if epoch > before + 1:
            rows.append(["…", *[""] * len(history.history)])
        values = [_measure(name, series, epoch) for name, series in history.history.items()]
        rows.append([f"{epoch}{' (best)' if epoch == best else ''}", *values])
    total = f"{n:,} epoch{'s' * (n != 1)}, {sum(history.seconds):.1f} s"
    notes = [f"stopped: {history.stopped}"] if history.stopped else []
    if len(epochs) < n:
        notes.append(f"{n - len(epochs):,} of {n:,} epochs are left out; history.history has all")
    return html_table(f"History: {total}", ["epoch", *history.history], rows, notes)


def _measure(name: str, series: list[float], epoch: int) -> str:
    """Write a value as the line of an epoch does; nothing where there is none."""
    return write_measures({name: series[epoch - 1]}).removeprefix(f"{name} ") if epoch <= len(series) else ""


def report_in_html(report: GradientReport) -> str:
    """Show what was found of each input or parameter, and the legend."""
    second = any(row.order == 2 for row in report.rows)
    head = ["input", "shape", "verdict", "|gradient|", "analytic", "numeric", "rel. error", "compared"]
    rows = [
        (
            f"{row.name}{', second order' * (row.order - 1)}", str(row.shape), row.verdict, f"{row.gradient:.5g}",
            f"{row.analytic:.5g}", f"{row.numeric:.5g}", f"{row.error:.1e}", f"{row.compared} of {row.directions}",
        )
        for row in report.rows
    ]  # fmt: skip
    found = "no gradient is wrong" if report.ok else f"wrong: {', '.join(row.name for row in report.wrong)}"
    order = " of first and second order" if second else ""
    return html_table(f"Gradients{order} against difference quotients: {found}", head, rows, report.legend(), texts=3)


Model._repr_html_ = model_in_html  # type: ignore[attr-defined]
History._repr_html_ = history_in_html  # type: ignore[attr-defined]
GradientReport._repr_html_ = report_in_html  # type: ignore[attr-defined]
