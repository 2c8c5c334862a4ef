"""The report of a run as one HTML page: no script, nothing loaded from elsewhere, light and dark."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any, NamedTuple

from tinynet.inspection.shapes import output_shapes
from tinynet.model import Model
from tinynet.train.metrics import Scores

_SECTIONS = ("Model and settings", "Data", "Training", "Test", "First layer", "How to reproduce")


class Picture(NamedTuple):
    """A figure on the page."""

    png: bytes
    alt: str  # says what it shows, for those who do not see it


def render(
    record: Mapping[str, Any], model: Model, scores: Scores, pictures: Mapping[str, Picture], playground: str = ""
) -> str:
    """Write the page of a run.

    Parameters
    ----------
    record : mapping
        What ``metrics.json`` holds.
    model : Model
        The trained model.
    scores : Scores
        Of the test set.
    pictures : mapping of str to Picture
        By their names: "data_grid", "class_distribution", "model_diagram", "learning_curve", "predictions",
        "mislabelled", "confusion" and "filters".
    playground : str
        The name of the page beside this one on which one can draw; "" if there is none.

    Returns
    -------
    str
        HTML.
    """
    title = f"{record['title'].capitalize()} on {record['data'].get('title', 'MNIST')}"
    parts = (
        _model(record, model, pictures),
        _data(record, pictures),
        _training(record, pictures),
        _test(record, scores, pictures),
        _figure(pictures["filters"], "Each image is what one output of the layer weighs; all are on one scale."),
        _reproduction(record),
    )
    ids = [name.lower().replace(" ", "-") for name in _SECTIONS]
    links = "".join(f'<a href="#{id}">{name}</a>' for id, name in zip(ids, _SECTIONS, strict=True))
    sections = "".join(
        f'<section id="{id}"><h2>{name}</h2>{part}</section>\n'
        for id, name, part in zip(ids, _SECTIONS, parts, strict=True)
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="generator" content="tinynet {escape(str(record["versions"]["tinynet"]))}">
<title>{escape(title)}</title>
<style>
{files("tinynet.report").joinpath("page.css").read_text("utf-8")}</style>
</head>
<body>
<header>
<h1>{escape(title)}</h1>
<p class="soft">A run of tinynet, finished {escape(record["finished"])}. Data: {escape(record["data"]["source"])}.</p>
{f'<p><a href="{escape(playground)}">Draw on this network</a>, and see inside it.</p>' if playground else ""}
{_cards(record, scores)}
<nav aria-label="Sections">{links}</nav>
</header>
<main>
{sections}</main>
</body>
</html>
"""


# --- the parts of the page


def _cards(record: Mapping[str, Any], scores: Scores) -> str:
    figures = {
        "Test accuracy": _number(record["test"]["accuracy"]),
        "Test loss": _number(record["test"]["loss"]),
        "Macro F1": _number(scores.macro[2]),
        "Parameters": f"{record['parameters']['count']:,}",
        "Best epoch": f"{record['best_epoch']} of {record['hyper_parameters']['epochs']}",
        "Time": _seconds(record["seconds"]["total"]),
    }
    return (
        f'<dl class="cards">{"".join(f"<div><dt>{k}</dt><dd>{escape(v)}</dd></div>" for k, v in figures.items())}</dl>'
    )


def _model(record: Mapping[str, Any], model: Model, pictures: Mapping[str, Picture]) -> str:
    rows = []
    for layer in model.sublayers():
        counted = {id(p): p.size for _, part in layer.walk() for p in part.own_parameters.values()}
        name = f"{layer.name} ({layer.title or type(layer).__name__})"
        rows.append((name, output_shapes(layer.output_shape), f"{sum(counted.values()):,}"))
    total = ("Total", "", f"{model.theta.size:,}")
    summary = _table(rows, ("Layer (type)", "Output shape", "Parameters"), foot=[total])
    left = f"<div>{summary}{_settings(record)}</div>"
    return f'<div class="pair">{left}{_figure(pictures["model_diagram"])}</div>'


def _settings(record: Mapping[str, Any]) -> str:
    named = {name.replace("_", " ").capitalize(): value for name, value in record["hyper_parameters"].items()}
    rows = {**named, "Seed": record["seed"], "Type of numbers": record["parameters"]["dtype"]}
    words = _words({name: f"{v:g}" if isinstance(v, float) else str(v) for name, v in rows.items()})
    return f"<h3>Settings</h3>{words}"


def _data(record: Mapping[str, Any], pictures: Mapping[str, Picture]) -> str:
    arrays = [
        (name, _shape(array["shape"]), array["dtype"], str(array["min"]), str(array["max"]))
        for name, array in record["data"]["arrays"].items()
    ]
    table = _table(arrays, ("Array", "Shape", "Type", "Least", "Largest"))
    grid, bars = (_figure(pictures[name]) for name in ("data_grid", "class_distribution"))
    return f'<p>{escape(record["data"]["source"])}</p><div class="pair">{grid}<div>{table}{bars}</div></div>'


def _training(record: Mapping[str, Any], pictures: Mapping[str, Picture]) -> str:
    history, seconds = record["history"], record["seconds"]["by_epoch"]
    rows = [
        (str(i + 1), *(_number(values[i]) for values in history.values()), f"{time:.1f}")
        for i, time in enumerate(seconds)
    ]
    validated = "Validation" if _split(record) else "Test"
    head = ("Epoch", *(_heading(name, validated) for name in history), "Time (s)")
    table = _table(rows, head, best=record["best_epoch"] - 1)
    return (
        _figure(
            pictures["learning_curve"],
            "Figures of training are means over the epoch, while the parameters change; those of "
            f"{'validation' if _split(record) else 'the test set'} are from its end.",
        )
        + f"<details open><summary>Epoch by epoch; the best one is marked</summary>{table}</details>"
    )


def _test(record: Mapping[str, Any], scores: Scores, pictures: Mapping[str, Picture]) -> str:
    columns = zip(scores.names, scores.precision, scores.recall, scores.f1, scores.support, strict=True)
    rows = [(name, *map(_number, (p, r, f)), f"{n:,}") for name, p, r, f, n in columns]
    total = f"{scores.support.sum():,}"
    foot = [
        ("accuracy", "", "", _number(scores.accuracy), total),
        ("macro average", *map(_number, scores.macro), total),
        ("weighted average", *map(_number, scores.weighted), total),
    ]
    table = _table(rows, ("Class", "Precision", "Recall", "F1", "Support"), foot=foot)
    first, wrong = (_figure(pictures[name]) for name in ("predictions", "mislabelled"))
    picked = "test loss. So the test set has picked them, as in the documents that the model comes from."
    if _split(record):
        picked = (
            f"validation loss: on {100 * _split(record):g} % of the training images, which were kept apart for that. "
            "The test set was used once."
        )
    return (
        f"<p>Tested with the parameters of epoch {record['best_epoch']}, which has the least {picked}</p>"
        f'<div class="pair"><div>{table}</div>{_figure(pictures["confusion"])}</div>'
        f'<div class="pair">{first}{wrong}</div>'
    )


def _reproduction(record: Mapping[str, Any]) -> str:
    machine = record["machine"]
    facts = {
        **{name: str(version) for name, version in record["versions"].items()},
        "Machine": machine["platform"] + (f", {machine['cpus']} processors" if machine["cpus"] else ""),
        "Threads": f"{machine['threads']}; results do not depend on them",
        "SHA-256 of the data": record["data"]["sha256"],
        "SHA-256 of the parameters": record["parameters"]["sha256"],
    }
    return (
        f"<p>The command that was typed:</p><pre>{escape(record['command'])}</pre>"
        f"<p>The same with every default spelled out:</p><pre>{escape(record['reproduce'])}</pre>"
        "<p>On the same kind of machine, with the same versions and data, it ends in the same bits.</p>" + _words(facts)
    )


# --- the bricks


def _figure(picture: Picture, caption: str = "") -> str:
    source = base64.b64encode(picture.png).decode("ascii")
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f'<figure><img alt="{escape(picture.alt)}" src="data:image/png;base64,{source}">{below}</figure>'


def _table(
    rows: Iterable[Sequence[str]], head: Sequence[str], foot: Iterable[Sequence[str]] = (), best: int | None = None
) -> str:
    """Lay out a table; the first column heads its rows, and the row at ``best`` is marked."""
    body = "".join(_row(row, ' class="best"' if i == best else "") for i, row in enumerate(rows))
    top = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    end = "".join(map(_row, foot))
    end = f"<tfoot>{end}</tfoot>" if end else ""
    return f'<div class="scroll"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody>{end}</table></div>'


def _row(cells: Sequence[str], attributes: str = "") -> str:
    first, *others = (escape(cell) for cell in cells)
    return f'<tr{attributes}><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in others)}</tr>'


def _words(facts: Mapping[str, str]) -> str:
    """Lay out names and what they stand for."""
    return f'<table class="words"><tbody>{"".join(map(_row, facts.items()))}</tbody></table>'


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


def _shape(shape: Sequence[int]) -> str:
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def _split(record: Mapping[str, Any]) -> float:
    """Return the share of the training images that the run was validated on; 0 if it was the test set."""
    return float(record["hyper_parameters"].get("validation_split", 0))


def _heading(name: str, validated: str) -> str:
    return f"{validated} {name[4:]}" if name.startswith("val_") else f"Training {name}"
