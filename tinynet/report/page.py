"""A report as one HTML page: no script, nothing loaded from elsewhere, light and dark."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any

from tinynet.report.answers import CLASSES
from tinynet.report.html import cards, named, number, seconds
from tinynet.report.outcomes import scores_of
from tinynet.report.subject import Drawing, Element, Pair, Subject


def render(subject: Subject, sections: Mapping[str, Sequence[Element]], draw: Callable[[Drawing], bytes]) -> str:
    """Write the page of a report.

    Parameters
    ----------
    subject : Subject
        What it is about.
    sections : mapping of str to sequence of Element
        As from `tinynet.report.sections.made_sections`.
    draw : callable
        Returns the PNG of a figure; called once for each.

    Returns
    -------
    str
        HTML.
    """
    record = subject.record
    about = "A report by tinynet."
    if record is not None:
        about = f"A run of tinynet, finished {escape(record['finished'])}. Data: {escape(record['data']['source'])}."
    play = subject.playground
    playground = f'<p><a href="{escape(play)}">Draw on this network</a>, and see inside it.</p>\n' if play else ""
    body = "".join(
        f'<section id="{_id(title)}"><h2>{title}</h2>{_lay_out(elements, draw)}</section>\n'
        for title, elements in sections.items()
    )
    return document(
        subject.title,
        f'<p class="soft">{about}</p>\n{playground}{cards(_first_figures(subject))}\n{navigation(list(sections))}',
        body,
        str(record["versions"]["tinynet"]) if record is not None else "",
    )


def encoded(page: str) -> bytes:
    r"""Encode a page; bytes in the names of files that are no text are shown as ``\xff``."""
    return page.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace").encode()


def document(title: str, header: str, main: str, version: str = "") -> str:
    """Write a page around what stands in its header, below the title, and in its body."""
    from tinynet import __version__

    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="generator" content="tinynet {escape(version or __version__)}">
<title>{escape(title)}</title>
<style>
{files("tinynet.report").joinpath("page.css").read_text("utf-8")}</style>
</head>
<body>
<header>
<h1>{escape(title)}</h1>
{header}
</header>
<main>
{main}</main>
</body>
</html>
"""


def navigation(titles: Sequence[str]) -> str:
    """Write links to the sections of a page."""
    links = "".join(f'<a href="#{_id(title)}">{title}</a>' for title in titles)
    return f'<nav aria-label="Sections">{links}</nav>'


def figure(png: bytes, alt: str, caption: str = "") -> str:
    """Write a picture that is part of the page."""
    source = base64.b64encode(png).decode("ascii")
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f'<figure><img alt="{escape(alt)}" src="data:image/png;base64,{source}">{below}</figure>'


def _id(title: str) -> str:
    return title.lower().replace(" ", "-")


def _lay_out(elements: Sequence[Element], draw: Callable[[Drawing], bytes]) -> str:
    return "".join(_html(element, draw) for element in elements)


def _html(element: Element, draw: Callable[[Drawing], bytes]) -> str:
    if isinstance(element, Drawing):
        return figure(draw(element), element.alt, element.caption)
    if isinstance(element, Pair):
        left, right = (f"<div>{_lay_out(side, draw)}</div>" for side in element)
        return f'<div class="pair">{left}{right}</div>'
    return element


def _first_figures(subject: Subject) -> dict[str, str]:
    """Return what stands first: the measures of the test, and what the model took."""
    measures: dict[str, Any] = dict(subject.measures)
    loss = measures.pop("loss", None)
    first = {f"Test {named(name).lower()}": number(value) for name, value in list(measures.items())[:4]}
    first["Test loss"] = number(loss)
    classes = [answers for answers in subject.answers if answers.task == CLASSES]
    if len(classes) == len(subject.answers) == 1:
        first["Macro F1"] = number(scores_of(classes[0]).macro[2])
    first["Parameters"] = f"{subject.model.theta.size:,}"
    history, record = subject.history, subject.record
    if history is not None and history.epochs:
        if "step_size" in history.history:
            first["Steps"] = f"{history.epochs}"
        else:
            first["Best epoch"] = f"{history.best_epoch} of {history.epochs}"
    if record is not None:
        first["Time"] = seconds(record["seconds"]["total"])
    return first
