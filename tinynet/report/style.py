"""What the figures have in common: colours, sizes, and images side by side."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tinynet.errors import ShapeError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

Array = npt.NDArray[Any]

# From the palette of Okabe and Ito, which colour-blind readers can tell apart: https://jfly.uni-koeln.de/color/
BLUE, ORANGE, GREEN, VERMILION, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9"

WIDTH = 5.6  # inches: a column of print; and text of 8 points can still be read where a phone shows it 390 pixels wide
TITLE, LABEL, SMALL, LEAST = 11, 9, 8, 7  # sizes of text, in points
_LETTERS = 70  # of the size of a label, in the width of a figure
_DPI = 200  # of figures in files


def canvas(height: float, title: str = "") -> Figure:
    """Make an empty figure of the common width, with a title above it; its height is in inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    setattr(figure, "_repr_png_", partial(in_notebook, figure))  # noqa: B010 - shown where a cell ends with it
    if title:
        figure.suptitle(title, fontsize=TITLE)
    return figure


def in_notebook(figure: Figure) -> tuple[bytes, dict[str, float]]:
    """Return a figure as Jupyter shows it, sharp on fine screens: a PNG, and the width in pixels to show it at."""
    return encode(figure), {"width": round(96 * figure.get_figwidth())}


def encode(figure: Figure, format: str = "png") -> bytes:
    """Give a figure as the content of a file: png, or svg or pdf."""
    stream = io.BytesIO()
    figure.savefig(stream, format=format, dpi=_DPI)
    return stream.getvalue()


def plain(axes: Axes, grid: str | None = None) -> None:
    """Leave off what is not needed: the frame but for the axes, ticks in small print, a faint grid."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=SMALL)
    if grid is not None:
        axes.grid(axis=grid, color="0.9", linewidth=0.8)  # type: ignore[arg-type]
        axes.set_axisbelow(True)


def whole(axes: Axes) -> None:
    """Put ticks at whole numbers only along the x axis, of epochs or steps; at one if there is but one."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def shown_images(function: str, images: Array) -> Array:
    """Check images of one channel or three, and return them as (n, H, W) or (n, H, W, 3)."""
    found = images[..., 0] if images.ndim == 4 and images.shape[3] == 1 else images
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

    The figure gets the height that this takes. All images are on one pair of axes: a pair for each takes far longer.
    """
    n, h, w = images.shape[:3]
    gap = 0.14 * w  # all lengths are in pixels of the images
    width = columns * (w + gap) - gap + 2
    inch = width / WIDTH
    head, room = 0.24 * inch, 0.17 * inch  # from one row to the next, and above the first: a line of text
    axes = figure.add_subplot()
    shown = []
    for i, (image, title) in enumerate(zip(images, titles, strict=True)):
        x, y = (i % columns) * (w + gap), (i // columns) * (h + head)
        shown.append(axes.imshow(image, extent=(x, x + w, y + h, y), interpolation="nearest", **style))
        color = colors[i] if colors else "black"
        axes.text(
            x + w / 2, y - 0.04 * inch, fitting(title, _LETTERS // columns), ha="center", va="bottom",
            fontsize=_size_for(title, _LETTERS // columns), color=color, parse_math=False,
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
    """Shorten a text to as many letters as fit at the smallest size, with an ellipsis in its place.

    Of a text such as "cat → dog" each side gets its share.
    """
    most = int(letters * LABEL / LEAST)
    if len(text) <= most:
        return text
    one, arrow, other = text.partition(" → ")
    if not arrow:
        return _cut(text, most)
    room = most - len(arrow)
    first = min(len(one), max(room // 2, room - len(other)))
    return arrow.join(_cut(side, most) for side, most in ((one, first), (other, room - first)))


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _size_for(text: str, letters: int) -> float:
    return LABEL if len(text) <= letters else max(LEAST, LABEL * letters / len(text))


def class_names(names: Sequence[str] | None, classes: int) -> list[str]:
    """Give the names of classes: their numbers, if there are no others."""
    return [str(i) for i in range(classes)] if names is None else list(names)


def luminance(color: Any) -> float:
    """Give how light a colour (red, green, blue from 0 to 1) is, from 0 to 1."""
    return float(np.dot(color[:3], (0.2126, 0.7152, 0.0722)))
