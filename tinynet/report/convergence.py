"""Figures of full-batch optimization: curves over the steps, and what theory says of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tinynet.checks import check_positive
from tinynet.errors import ArgumentError
from tinynet.report.style import BLUE, LABEL, SMALL, VERMILION, Array, bare_axes, canvas, check_line, expect, whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CURVES = {  # of a history: what the file is called, the title, and the axis
    "loss": ("training_loss", "Training loss after each step", "Cross-entropy (nats per image)"),
    "val_loss": ("test_loss", "Test loss after each step", "Cross-entropy (nats per image)"),
    "val_error": ("test_error", "Test error after each step", "Share of images told wrongly (%)"),
    "step_size": ("step_size", "Accepted step sizes of the line search", "Step size t"),
}


def step_curves(history: Mapping[str, Sequence[float]]) -> dict[str, Figure]:
    """Draw the training loss, the test loss, the test error and the step sizes of a full-batch run over its steps.

    Parameters
    ----------
    history : mapping of str to sequence of float
        "loss", "val_loss", "val_error" (a share) and "step_size", each with a value for every step.

    Returns
    -------
    dict of str to matplotlib.figure.Figure
        "training_loss", "test_loss", "test_error" and "step_size".

    Raises
    ------
    ArgumentError
        If one of them is missing or empty.

    Examples
    --------
    >>> numbers = {name: [0.5, 0.25] for name in ("loss", "val_loss", "val_error", "step_size")}
    >>> list(step_curves(numbers))
    ['training_loss', 'test_loss', 'test_error', 'step_size']
    """
    expect("step_curves", history, Mapping, "the dictionary of numbers by step, as in history.history")
    figures = {}
    for key, (name, title, label) in _CURVES.items():
        values = np.asarray(history.get(key, []), np.float64)
        if not values.size:
            raise ArgumentError(f"step_curves: the history must have {list(_CURVES)}, but has no {key!r}")
        values = 100 * values if key == "val_error" else values
        steps = np.arange(1, len(values) + 1)
        figure = canvas(3.2, title)
        axes = figure.add_subplot()
        if key == "step_size":
            taken = values > 0  # a run that ends early does so with a step of 0
            axes.plot(steps[taken], values[taken], ".", color=BLUE, markersize=4)
            axes.set_yscale("log", base=2)
        else:
            axes.plot(steps, values, color=BLUE, linewidth=1.5, marker="." if len(steps) == 1 else None)
            axes.annotate(  # beside the line, which it would cover above its end
                f"{values[-1]:.4g}", (steps[-1], values[-1]), (4, 0), textcoords="offset points", va="center",
                fontsize=SMALL,
            )  # fmt: skip
        _label(axes, "Step of gradient descent", label)
        whole(axes)
        figures[name] = figure
    return figures


def spectrum_figure(eigenvalues: Array, title: str = "Eigenvalues of the Hessian") -> Figure:
    """Draw the eigenvalues of a Hessian in falling order, on a scale that is logarithmic away from 0.

    Parameters
    ----------
    eigenvalues : ndarray
        (P,).
    title : str
        Stands above the picture.

    Returns
    -------
    matplotlib.figure.Figure
        Values below 1e-16 of the largest, which rounding makes, are marked.

    Raises
    ------
    ShapeError, DTypeError
        If it is no row of numbers.

    Examples
    --------
    >>> import numpy as np
    >>> figure = spectrum_figure(np.array([2.0, 1.0, 1e-20]))
    >>> figure.axes[0].get_ylabel()
    'Eigenvalue'
    """
    falling = np.sort(check_line("spectrum_figure", "eigenvalues", eigenvalues))[::-1]
    floor = 1e-16 * max(float(falling[0]), np.finfo(float).tiny)
    places = np.arange(1, len(falling) + 1)
    figure = canvas(3.2, title)
    axes = figure.add_subplot()
    above = falling > floor
    axes.semilogy(places[above], falling[above], color=BLUE, linewidth=1.5, label="eigenvalues")
    if not above.all():
        label = f"{np.count_nonzero(~above)} within rounding of 0"
        axes.plot(places[~above], np.full(np.count_nonzero(~above), floor), "|", color=VERMILION, label=label)
    _label(axes, "Number of the eigenvalue", "Eigenvalue")
    axes.legend(fontsize=SMALL, frameon=False)
    return figure


def gap_figure(gaps: Array, bounds: Array, title: str = "How far the loss is above that of a comparator") -> Figure:
    """Draw the gap L(w_k) - L(u) of a run against its steps, under the bound of theory, on logarithmic axes.

    Parameters
    ----------
    gaps, bounds : ndarray
        (K,): after step 1, 2, ...
    title : str
        Stands above the picture.

    Returns
    -------
    matplotlib.figure.Figure
        A line for each.

    Raises
    ------
    ShapeError, DTypeError
        If they are no rows of numbers of one length.

    Examples
    --------
    >>> import numpy as np
    >>> k = np.arange(1, 50)
    >>> [line.get_label() for line in gap_figure(1 / k**2, 2 / k).axes[0].lines]
    ['bound, O(1/k)', 'measured gap']
    """
    gaps = check_line("gap_figure", "gaps", gaps)
    bounds = check_line("gap_figure", "bounds", bounds, len(gaps))
    k = np.arange(1, len(gaps) + 1)
    figure = canvas(3.4, title)
    axes = figure.add_subplot()
    axes.loglog(k, bounds, "--", color=VERMILION, linewidth=1.5, label="bound, O(1/k)")
    axes.loglog(k, gaps, color=BLUE, linewidth=1.5, label="measured gap")
    _label(axes, "Step $k$", "$L(w_k) - L(u)$ (nats per image)")
    axes.legend(fontsize=SMALL, frameon=False)
    return figure


def linear_rate_figure(
    gaps: Array, fitted: float, bound: float, title: str = "With an L2 term: a linear rate"
) -> Figure:
    """Draw the gap of a run with a linear rate on a logarithmic scale, with the lines of its fitted factor and a bound.

    Parameters
    ----------
    gaps : ndarray
        (K,): L(w_k) less the minimum, above 0, before step 1, 2, ...
    fitted, bound : float
        The factor a step of the last half of the run, and the one that theory promises.
    title : str
        Stands above the picture.

    Returns
    -------
    matplotlib.figure.Figure
        The gaps, and a line for each factor.

    Raises
    ------
    ShapeError, DTypeError
        If the gaps are no row of numbers.
    ArgumentError
        If a factor is not above 0.

    Examples
    --------
    >>> import numpy as np
    >>> len(linear_rate_figure(0.5 ** np.arange(10), 0.5, 0.9).axes[0].lines)
    3
    """
    gaps = check_line("linear_rate_figure", "gaps", gaps)
    fitted = check_positive("linear_rate_figure", "fitted", fitted)
    bound = check_positive("linear_rate_figure", "bound", bound)
    k = np.arange(len(gaps))
    half = len(gaps) // 2
    figure = canvas(3.4, title)
    axes = figure.add_subplot()
    axes.semilogy(k, gaps[0] * bound**k, "--", color=VERMILION, label=f"bound: factor {bound:.5f} a step")
    axes.semilogy(k, gaps, color=BLUE, linewidth=1.8, label="measured gap")
    line = gaps[half] * fitted ** (k[half:] - half)
    axes.semilogy(k[half:], line, ":", color="black", linewidth=1.5, label=f"fitted: factor {fitted:.5f} a step")
    _label(axes, "Step $k$", "$L(w_k) - L^*$ (nats per image)")
    axes.legend(fontsize=SMALL, frameon=False)
    return figure


def _label(axes: Axes, x: str, y: str) -> None:
    bare_axes(axes, grid="y")
    axes.set_xlabel(x, fontsize=LABEL)
    axes.set_ylabel(y, fontsize=LABEL)
