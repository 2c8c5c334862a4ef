"""What a classifier of points of the plane has learned: which class it gives to each place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.checks import check_numbers
from tinynet.errors import ArgumentError, DataError, ShapeError
from tinynet.model import Model
from tinynet.report.style import (
    BLUE,
    GREEN,
    LABEL,
    ORANGE,
    SKY,
    SMALL,
    VERMILION,
    Array,
    bare_axes,
    canvas,
    class_names,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLORS = (BLUE, ORANGE, GREEN, VERMILION, SKY, "#CC79A7", "#999933", "#555555")
_GRID = 160  # places along each axis
_LIGHT = 0.55  # of white in the colour of a place


def decision_boundary(
    model: Model, x: Any, y: Any, class_names: Sequence[str] | None = None, title: str | None = None
) -> Figure:
    """Draw points of the plane over the class that a model gives to each place.

    Parameters
    ----------
    model : Model
        Takes points (n, 2); returns the probabilities or logits of K classes, (n, K), or one probability, (n,) or
        (n, 1), of the second of two classes.
    x : array_like
        The points, (n, 2).
    y : array_like
        Their classes, (n,) integers from 0.
    class_names : sequence of str, optional
        What the classes are called; their numbers by default.
    title : str, optional
        Stands above the picture; by default which share of the points the model gets right.

    Returns
    -------
    matplotlib.figure.Figure
        A place is the paler, the less sure the model is; lines separate the classes.

    Raises
    ------
    ShapeError
        If the points are not (n, 2), or the model takes or returns something else.
    DataError
        If there are no points, or the labels are no classes of the model.
    ArgumentError
        If there are more than eight classes, which colours cannot tell apart.

    Examples
    --------
    >>> import tinynet as tn
    >>> (x, y), _ = tn.datasets.spirals(20)
    >>> model = tn.Sequential([tn.Input((2,)), tn.Dense(2, "softmax")], seed=0)
    >>> tn.report.decision_boundary(model, x, y).axes[0].get_xlabel()
    'x[:, 0]'
    """
    points, labels = _checked_points(x), np.asarray(y)
    extent = _extent(points)
    across, up = np.linspace(*extent[:2], _GRID), np.linspace(*extent[2:], _GRID)
    shares = _shares(model, np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2))
    classes = shares.shape[1]
    _check_labels(labels, points, classes)
    names = _names(class_names, classes)
    right = np.argmax(_shares(model, points), axis=1) == labels
    figure = canvas(4.6, title if title is not None else f"{right.mean():.1%} of {len(right):,} points right")
    axes = figure.add_subplot()
    colors = _palette(classes)
    axes.imshow(_tinted(shares, colors), extent=extent, origin="lower", interpolation="bilinear")
    _draw_borders(axes, across, up, shares)
    _draw_points(axes, points, labels, colors, names)
    bare_axes(axes)
    axes.set_aspect("equal")
    axes.set_xlabel("x[:, 0]", fontsize=LABEL)
    axes.set_ylabel("x[:, 1]", fontsize=LABEL)
    figure.legend(loc="outside lower center", ncols=classes, fontsize=SMALL, frameon=False)
    return figure


def _checked_points(x: Any) -> Array:
    points = check_numbers("decision_boundary: x", x).astype(np.float64)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ShapeError(f"decision_boundary: x must be points of the plane, (n, 2), but has shape {points.shape}")
    if not len(points) or not np.isfinite(points).all():
        raise DataError("decision_boundary: x must have at least one point, and no NaN or infinity")
    return points


def _draw_points(axes: Axes, points: Array, labels: Array, colors: Array, names: Sequence[str]) -> None:
    for k, name in enumerate(names):
        across, up = points[labels == k].T
        axes.scatter(across, up, s=14, color=colors[k], edgecolors="white", linewidths=0.5, label=_plain(name))


def _tinted(shares: Array, colors: Array) -> Array:
    """Return the colour of each place: that of its class, the paler the less sure it is."""
    least = 1 / shares.shape[1]
    sure = np.clip((shares.max(1) - least) / (1 - least), 0, 1)[:, None]
    white = 1 - (1 - _LIGHT) * (0.25 + 0.75 * sure)
    image: Array = white + (1 - white) * colors[np.argmax(shares, axis=1)]
    return image.reshape(_GRID, _GRID, 3)


def _draw_borders(axes: Axes, across: Array, up: Array, shares: Array) -> None:
    """Draw a line around the places of each class."""
    classes = shares.shape[1]
    for k in range(classes if classes > 2 else 1):
        others = np.delete(shares, k, axis=1).max(1)
        lead = (shares[:, k] - others).reshape(_GRID, _GRID)
        if lead.min() < 0 < lead.max():
            axes.contour(across, up, lead, levels=[0], colors="0.25", linewidths=1)


def _extent(points: Array) -> tuple[float, float, float, float]:
    """Return the square that holds all points, with a margin: left, right, bottom, top."""
    low, high = points.min(0), points.max(0)
    half = 0.55 * (float((high - low).max()) or 1.0)
    (left, bottom), (right, top) = (low + high) / 2 - half, (low + high) / 2 + half
    return float(left), float(right), float(bottom), float(top)


def _shares(model: Model, points: Array) -> Array:
    """Return the probability of each class at each point, (n, K)."""
    out = np.asarray(model.predict(points.astype(np.float32)), np.float64)
    if out.ndim > 2 or len(out) != len(points):
        raise ShapeError(
            f"decision_boundary: the model must return (n, classes) for points (n, 2), but returned {out.shape}"
        )
    if out.ndim == 1 or out.shape[1] == 1:
        second = out.reshape(-1)
        if not ((second >= 0) & (second <= 1)).all():  # the logit of the second class
            second = 1 / (1 + np.exp(-np.clip(second, -500, 500)))
        return np.stack([1 - second, second], axis=1)
    if (out >= 0).all() and np.allclose(out.sum(1), 1, atol=1e-3):
        return out
    powers = np.exp(out - out.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True))


def _check_labels(labels: Array, points: Array, classes: int) -> None:
    if labels.shape != (len(points),) or labels.dtype.kind not in "iub":
        raise DataError(
            f"decision_boundary: y must be the classes of the points, ({len(points)},) integers, but got dtype "
            f"{labels.dtype} of shape {labels.shape}"
        )
    if labels.min() < 0 or labels.max() >= classes:
        raise DataError(
            f"decision_boundary: the model has {classes} classes, so y must be from 0 to {classes - 1}, but runs from "
            f"{labels.min()} to {labels.max()}"
        )
    if classes > len(_COLORS):
        raise ArgumentError(
            f"decision_boundary: colours tell {len(_COLORS)} classes apart at most, but the model has {classes}"
        )


def _names(names: Sequence[str] | None, classes: int) -> list[str]:
    if names is not None and len(names) != classes:
        raise ArgumentError(f"decision_boundary: the model has {classes} classes, but {len(names)} class_names came")
    return class_names("decision_boundary", names, classes)


def _palette(classes: int) -> Array:
    from matplotlib.colors import to_rgb

    return np.array([to_rgb(color) for color in _COLORS[:classes]])


def _plain(name: str) -> str:
    """Keep a name from being typeset as mathematics, or left out of the legend for its first letter."""
    return f"\u200b{name}".replace("$", r"\$")
