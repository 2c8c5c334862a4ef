"""Images from a user's files, made alike to the samples that a model was trained on.

Drawings are made light on dark, cut to their ink and centred; photographs are scaled and cut to size.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tinynet.datasets.decode import Picture, read_picture
from tinynet.datasets.formats import Pixels, damaged
from tinynet.datasets.preparation import Preparation
from tinynet.datasets.spec import MNIST
from tinynet.errors import FileFormatError

if TYPE_CHECKING:
    from PIL.Image import Image

Array = npt.NDArray[Any]

_ENOUGH = 512  # pixels a side of a drawing; more are averaged
_LEAST_CONTRAST = 16  # of 255, between the ink and the background
_EDGE_PARTS = 16
_LEAST_COLOUR = 3  # of 255, between the channels


class Sample(NamedTuple):
    """An image as a model takes it.

    Attributes
    ----------
    pixels : ndarray of uint8
        (H, W), or (H, W, 3) in colour; of a drawing, 0 is the background.
    remarks : list of str
        What was done to the image, in words.
    """

    pixels: Pixels
    remarks: list[str]


Digit = Sample  # its name in version 0.1


def read_digit(path: str | os.PathLike[str]) -> Sample:
    """Read an image of a digit, and make it alike to those of MNIST; `read_sample` with MNIST's preparation.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/one.npy", np.pad(np.zeros((40, 8), np.uint8), 20, constant_values=255))
    ...     digit = read_digit(f"{folder}/one.npy")
    >>> digit.pixels.shape, digit.remarks[1]
    ((28, 28), 'dark on light: inverted')
    """
    return read_sample(path, MNIST.preparation)


def read_sample(path: str | os.PathLike[str], preparation: Preparation) -> Sample:
    """Read an image, and make it alike to the samples of a dataset.

    Of drawings, dark on light is inverted. An image that has the size of the samples is taken as it is. Any other is
    brought to full contrast, cut to its ink, fitted into the box with its proportions kept, and put into the sample so
    that its centre of mass, or of the ink, is in the middle, which is how MNIST was made (LeCun et al., "Gradient-based
    learning applied to document recognition", 1998, section III.A).

    Photographs are scaled until they cover the shape, and cut to it in the middle.

    Parameters
    ----------
    path : path-like
        As `read_picture` takes it.
    preparation : Preparation
        Of the dataset.

    Returns
    -------
    Sample
        The pixels, and what was done.

    Raises
    ------
    DatasetError
        If the file cannot be read.
    FileFormatError
        If it is not an image, is damaged, too large, or, as a drawing, blank.
    """
    if preparation.drawn:
        return _drawing(read_picture(path, _ENOUGH), preparation, str(path))
    return photograph(read_picture(path, max(preparation.shape[:2])), preparation.shape)


def photograph(picture: Picture, shape: tuple[int, int, int]) -> Sample:
    """Scale an image until it covers a shape (H, W, C), and cut it to that in the middle."""
    from PIL import Image, ImageOps

    image, remarks = picture.image, list(picture.remarks)
    if image.mode in ("LA", "RGBA"):
        image = _on_ground(image, 255)
        remarks.append("transparent: put on white")
    image = image.convert("L" if shape[2] == 1 else "RGB")
    if image.size != (shape[1], shape[0]):
        small = min(image.size) < min(shape[:2])
        image = ImageOps.fit(image, (shape[1], shape[0]), Image.Resampling.BILINEAR)
        remarks.append(f"{'enlarged' if small else 'scaled'} and cut to {shape[1]} x {shape[0]}")
    return Sample(np.array(image), remarks)


def is_coloured(image: Image) -> bool:
    """Return whether an image has more than shades of grey."""
    if image.mode not in ("RGB", "RGBA"):
        return False
    pixels = np.asarray(image).astype(np.int16)
    spread = pixels[..., :3].max(axis=2) - pixels[..., :3].min(axis=2)
    if image.mode == "RGBA":
        spread = spread[pixels[..., 3] > 0]
    return bool(spread.max(initial=0) > _LEAST_COLOUR)


def _on_ground(image: Image, level: int) -> Image:
    from PIL import Image as Images

    ground = Images.new("RGBA", image.size, (level, level, level, 255))
    return Images.alpha_composite(ground, image.convert("RGBA")).convert("L" if image.mode == "LA" else "RGB")


# --- drawings


def _drawing(picture: Picture, preparation: Preparation, name: str) -> Sample:
    shape, remarks = preparation.shape, list(picture.remarks)
    image = _grey_levels(picture.image, remarks)
    if image.max() - image.min() < _LEAST_CONTRAST:
        raise _blank(name)
    background = float(np.median(_edge(image)))
    dark = background - image.min() > image.max() - background
    if dark:
        remarks.append("dark on light: inverted")
    if image.shape == shape[:2]:
        return Sample(np.rint(255 - image if dark else image).astype(np.uint8), remarks)
    shaded = _is_shaded(_edge(image))
    if shaded:
        image = _evened(image, dark)
        remarks.append("unevenly lit: evened out")
    elif dark:
        image = 255 - image
    background = float(np.median(_edge(image)))
    if image.max() - background < 1:
        raise _blank(name)  # all that varied was the light
    ink = np.clip((image - background) / (image.max() - background), 0, 1)
    image = _centre(_fit(ink, preparation.box), shape, preparation.by_mass)
    how = f"fitted into {preparation.box} x {preparation.box} and centred in {shape[0]} x {shape[1]}"
    return Sample(np.rint(image).astype(np.uint8), [*remarks, f"cut to its ink, {how}"])


def _blank(name: str) -> FileFormatError:
    return damaged(name, "a blank image: its pixels are all about alike", "a drawing", "Draw with more contrast.")


def _edge(image: Array) -> Array:
    return np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])


def _grey_levels(image: Image, remarks: list[str]) -> Array:
    """Return the brightness of an image, from 0 to 255, on the ground that its ink stands out from."""
    if is_coloured(image):
        remarks.append("coloured: taken by its brightness")
    if image.mode in ("LA", "RGBA"):
        grey, opacity = (np.asarray(band, np.float64) for band in image.convert("LA").split())
        if opacity.min() < 255:
            light = opacity.sum() > 0 and (grey * opacity).sum() / opacity.sum() > 127
            remarks.append(f"transparent: put on {'black' if light else 'white'}")
            return np.asarray(_on_ground(image, 0 if light else 255).convert("L"), np.float64)
    return np.asarray(image.convert("L"), np.float64)


def _is_shaded(edge: Array) -> bool:
    """Return whether the background along the edge of an image varies by more than noise and a stroke that reaches it.

    Means over sixteenths of it are compared, but for the two most extreme ones on each side.
    """
    means = np.sort([part.mean() for part in np.array_split(edge, _EDGE_PARTS)])
    return bool(means[-3] - means[2] > _LEAST_CONTRAST)


def _evened(image: Array, dark: bool) -> Array:
    """Return the ink of a drawing that is unevenly lit, light on dark, from 0 to 255.

    The background is what a closing of dark strokes leaves, or an opening of light ones, smoothed. Dark ink is what
    it swallows of the light that falls on it; of light ink the background is subtracted.
    """
    from scipy import ndimage

    width = max(1, min(max(image.shape) // 4, min(image.shape) - 1))
    remove = ndimage.grey_closing if dark else ndimage.grey_opening
    calm = ndimage.uniform_filter(image, 1 + width // 8)
    extended = np.pad(calm, width, "reflect", reflect_type="odd")  # a slope goes on beyond the edge
    background = ndimage.uniform_filter(remove(extended, (width, width)), width // 2)[width:-width, width:-width]
    ink = 255 * (1 - image / np.maximum(background, 1)) if dark else image - background
    return np.asarray(np.clip(ink, 0, 255))


def _fit(ink: Array, box: int) -> Array:
    """Cut an image, from 0 to 1, to its ink, and resize that so that its longer side is that of the box."""
    from PIL import Image

    rows, columns = (np.flatnonzero((ink > 0.2).any(axis=axis)) for axis in (1, 0))
    cut = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = (max(1, round(box * length / max(cut.shape))) for length in cut.shape)
    how = Image.Resampling.BOX if max(cut.shape) > box else Image.Resampling.BILINEAR
    resized = Image.fromarray(cut.astype(np.float32)).resize((width, height), how)
    shrunk: Array = np.asarray(resized, np.float64)
    return np.asarray(255 * np.clip(shrunk / shrunk.max(), 0, 1))


def _centre(drawing: Array, shape: tuple[int, ...], by_mass: bool) -> Array:
    """Put a small image into one of a shape, with its centre, or that of its mass, in the middle.

    The middle of 28 pixels is at 14, counted from 0: in MNIST all centres of mass lie from 13.48 to 14.50.
    """
    height, width = drawing.shape
    y, x = height / 2, width / 2
    if by_mass:
        mass = drawing.sum()
        y = (drawing.sum(axis=1) @ np.arange(height)) / mass
        x = (drawing.sum(axis=0) @ np.arange(width)) / mass
    top = int(np.clip(round(shape[0] / 2 - y), 0, shape[0] - height))
    left = int(np.clip(round(shape[1] / 2 - x), 0, shape[1] - width))
    canvas = np.zeros(shape[:2])
    canvas[top : top + height, left : left + width] = drawing
    return canvas
