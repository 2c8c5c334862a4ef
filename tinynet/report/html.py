"""The bricks of a page: tables, names with what they stand for, numbers as they are written."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any


def table(
    rows: Iterable[Sequence[str]], head: Sequence[str], foot: Iterable[Sequence[str]] = (), best: int | None = None
) -> str:
    """Lay out a table; the first column heads its rows, and the row at ``best`` is marked."""
    body = "".join(row(cells, ' class="best"' if i == best else "") for i, cells in enumerate(rows))
    top = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    end = "".join(map(row, foot))
    end = f"<tfoot>{end}</tfoot>" if end else ""
    return f'<div class="scroll"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody>{end}</table></div>'


def row(cells: Sequence[str], attributes: str = "") -> str:
    """Lay out a row of a table."""
    first, *others = (escape(cell) for cell in cells)
    return f'<tr{attributes}><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in others)}</tr>'


def words(facts: Mapping[str, str]) -> str:
    """Lay out names and what they stand for."""
    return f'<table class="words"><tbody>{"".join(map(row, facts.items()))}</tbody></table>'


def cards(facts: Mapping[str, str]) -> str:
    """Lay out the figures that come first."""
    inner = "".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in facts.items())
    return f'<dl class="cards">{inner}</dl>'


def folded(summary: str, content: str) -> str:
    """Lay out what can be folded away."""
    return f"<details open><summary>{escape(summary)}</summary>{content}</details>"


def paragraph(text: str) -> str:
    """Lay out a paragraph."""
    return f"<p>{escape(text)}</p>"


def command(line: str) -> str:
    """Lay out what to type, whose words are not broken at the end of a line: an option has hyphens."""
    return f"<pre>{' '.join(f'<span>{escape(word)}</span>' for word in line.split(' '))}</pre>"


def number(value: Any) -> str:
    """Write a measure, or a dash for none."""
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:.4f}" if 1e-3 <= abs(value) < 1e5 or value == 0 else f"{value:.4g}"


def seconds(value: float) -> str:
    """Write a time."""
    return f"{value:.1f} s" if value < 120 else f"{value / 60:.1f} min"


def named(measure: str) -> str:
    """Write the name of a measure as the beginning of a sentence."""
    text = measure.replace("_", " ")
    return text[:1].upper() + text[1:]
