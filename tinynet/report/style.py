"""What the figures have in common: colours, sizes, and images side by side."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tinynet.checks import check_numbers
from tinynet.errors import ArgumentError, ShapeError

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

Array = npt.NDArray[Any]

# From the palette of Okabe and Ito, which colour-blind readers can tell apart: https://jfly.uni-koeln.de/color/
BLUE, ORANGE, GREEN, VERMILION, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9"
COLORS = (BLUE, VERMILION, GREEN, ORANGE, SKY, "#CC79A7", "#000000")
MARKERS = "osD^vPX*"  # of another number than the colours, so that 56 lines differ in one or the other

WIDTH = 5.6  # inches: a column of print; and text of 8 points can still be read where a phone shows it 390 pixels wide
TITLE, LABEL, SMALL, LEAST = 11, 9, 8, 7  # sizes of text, in points
_LETTERS = 64  # of the size of a label, in the width of a figure
_DPI = 200  # of figures in files


def expect(function: str, value: Any, kind: type, what: str) -> None:
    """Check that a figure is drawn of what it can be drawn of."""
    if not isinstance(value, kind):
        raise ArgumentError(f"{function}: expected {what}, but got a {type(value).__name__}")


def check_line(function: str, argument: str, values: Any, length: int | None = None) -> Array:
    """Check that something is a row of numbers, of some length or of any from 1 on; returns it as an array."""
    found = check_numbers(f"{function}: {argument}", values)
    if found.ndim != 1 or not found.size or len(found) != (length or len(found)):
        expected = "(n,), with at least one number" if length is None else f"({length},)"
        raise ShapeError(f"{function}: {argument} must have shape {expected}, but has shape {found.shape}")
    return found


def canvas(height: float, title: str = "") -> Figure:
    """Make an empty figure of the common width, with a title above it; its height is in inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    setattr(figure, "_repr_png_", partial(in_notebook, figure))  # noqa: B010 - shown where a cell ends with it
    if title:
        figure.suptitle(title, fontsize=TITLE, parse_math=False)
    return figure


def in_notebook(figure: Figure) -> tuple[bytes, dict[str, float]]:
    """Return a figure as Jupyter shows it, sharp on fine screens: a PNG, and the width in pixels to show it at."""
    return encode(figure), {"width": round(96 * figure.get_figwidth())}


def encode(figure: Figure, format: str = "png") -> bytes:
    """Return a figure as the content of a file: png, svg or pdf; the same figure has the same bytes."""
    import matplotlib as mpl

    stream = io.BytesIO()
    dated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    with mpl.rc_context({"svg.hashsalt": "tinynet"}):
        figure.savefig(stream, format=format, dpi=_DPI, metadata=dated.get(format))
    return stream.getvalue()


def as_written(text: str) -> str:
    """Return a text of the user's for an axis, where a dollar sign would begin mathematics."""
    return text.replace("$", r"\$")


def add_legend(figure: Figure, handles: Sequence[Artist], ncols: int = 2) -> None:
    """Put a legend below a figure, with the labels as they are, whatever signs they have."""
    words = [str(handle.get_label()) for handle in handles]
    legend = figure.legend(
        handles, ["-"] * len(words), loc="outside lower center", ncols=ncols, fontsize=SMALL, frameon=False
    )
    for text, word in zip(legend.get_texts(), words, strict=True):  # matplotlib leaves out those that begin with "_"
        text.set_parse_math(False)
        text.set_text(word)


def bare_axes(axes: Axes, grid: str | None = None) -> None:
    """Leave off what is not needed: the frame but for the axes, ticks in small print, a faint grid."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=SMALL, which="both")
    if grid is not None:
        axes.grid(axis=grid, color="0.9", linewidth=0.8)  # type: ignore[arg-type]
        axes.set_axisbelow(True)


def whole(axes: Axes) -> None:
    """Put ticks at whole numbers only along the x axis, of epochs or steps; at one if there is but one."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def by_sample(function: str, what: str, values: Any, n: int | None = None) -> Array:
    """Check that something is an array of a number for each of n samples, or of any, and return it."""
    found: Array = check_numbers(f"{function}: {what}", values)
    if found.ndim != 1 or (n is not None and len(found) != n):
        wanted = "(n,)" if n is None else f"({n},), one for each sample"
        raise ShapeError(f"{function}: {what} must have shape {wanted}, but got shape {found.shape}")
    return found


def classes_of(function: str, what: str, values: Any, n: int | None = None) -> Array:
    """Check that something is an array of class numbers, integers of 0 or more, and return it."""
    found = by_sample(function, what, values, n)
    if found.dtype.kind not in "iub" or (found.size and found.min() < 0):
        raise ArgumentError(f"{function}: {what} must be class numbers, integers of 0 or more, but are {found.dtype}")
    numbers: Array = found.astype(np.int64)
    return numbers


def shown_images(function: str, images: Any) -> Array:
    """Check images of one channel or three, and return them as (n, H, W) or (n, H, W, 3)."""
    images = check_numbers(f"{function}: the images", images)
    found: Array = images[..., 0] if images.ndim == 4 and images.shape[3] == 1 else images
    coloured = found.ndim == 4 and found.shape[3] == 3
    if not (found.ndim == 3 or coloured) or 0 in found.shape:
        forms = "(n, H, W), (n, H, W, 1) or, in colour, (n, H, W, 3)"
        raise ShapeError(f"{function}: needs images {forms}, but got shape {images.shape}")
    if coloured and found.dtype != np.uint8:  # which matplotlib takes from 0 to 1
        low, high = float(found.min()), float(found.max())
        found = (found - low) / (high - low or 1.0)
    return found


def tones(images: Array, ink: bool) -> dict[str, Any]:
    """Return how grey images are drawn: the least value white, as paper under ink, or black, as in photographs."""
    return {"cmap": "gray_r" if ink else "gray", "vmin": images.min(), "vmax": images.max()}


def mosaic(
    figure: Figure, images: Array, titles: Sequence[str], columns: int, colors: Sequence[str] = (), **style: Any
) -> AxesImage:
    """Show images (n, H, W) side by side in one picture, each with a frame and its title above.

    The figure gets the height that this takes. Where titles are long, all are in two lines, broken before an arrow. An
    image whose title is empty leaves its place free. All images are on one pair of axes: a pair for each takes far
    longer.
    """
    n, h, w = images.shape[:3]
    gap = 0.14 * w  # all lengths are in pixels of the images
    width = columns * (w + gap) - gap + 2
    inch = width / WIDTH
    letters = _LETTERS // columns
    lines = 1 + any(len(title) > letters * LABEL / LEAST for title in titles)
    text = (0.1 + 0.14 * lines) * inch
    head, room = text, text - 0.07 * inch  # from one row to the next, and above the first
    axes = figure.add_subplot()
    shown = []
    for i, (image, title) in enumerate(zip(images, titles, strict=True)):
        if not title:
            continue
        x, y = (i % columns) * (w + gap), (i // columns) * (h + head)
        shown.append(axes.imshow(image, extent=(x, x + w, y + h, y), interpolation="nearest", **style))
        color = colors[i] if colors else "black"
        parts = title.replace(" → ", "\n→ ").split("\n") if lines == 2 else [title]
        axes.text(
            x + w / 2, y - 0.04 * inch, "\n".join(fitting(part, letters) for part in parts), ha="center", va="bottom",
            fontsize=min(_size_for(part, letters) for part in parts), color=color, parse_math=False, linespacing=1.1,
        )  # fmt: skip
        axes.add_patch(_frame(x, y, w, h))
    height = -(-n // columns) * (h + head) - head + room + 1
    axes.set_xlim(-1, width - 1)
    axes.set_ylim(height - room, -room)
    axes.set_axis_off()
    figure.set_size_inches(WIDTH, height / inch + 0.4)
    return shown[0]


def _frame(x: float, y: float, w: float, h: float) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((x, y), w, h, fill=False, edgecolor="0.75", linewidth=0.6)


def fitting(text: str, letters: int) -> str:
    """Shorten a text to as many letters as fit at the smallest size; its two ends stay, which tell names apart."""
    most = int(letters * LABEL / LEAST)
    if len(text) <= most:
        return text
    end = (most - 1) // 2
    return f"{text[: most - 1 - end]}…{text[len(text) - end :]}"


def _size_for(text: str, letters: int) -> float:
    return LABEL if len(text) <= letters else max(LEAST, LABEL * letters / len(text))


def class_names(function: str, names: Sequence[str] | None, classes: int) -> list[str]:
    """Return the names of classes, at least so many: their numbers, if there are no others."""
    if names is None:
        return [str(i) for i in range(classes)]
    if not isinstance(names, Iterable):
        raise ArgumentError(f"{function}: names must be a sequence of texts, but got {names!r}")
    found = [str(name) for name in names]
    if len(found) < classes:
        raise ArgumentError(f"{function}: there are {classes} classes, but {len(found)} names")
    return found


def luminance(color: Any) -> float:
    """Return how light a colour (red, green, blue from 0 to 1) is, from 0 to 1."""
    return float(np.dot(color[:3], (0.2126, 0.7152, 0.0722)))
