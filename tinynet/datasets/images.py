"""Images of digits from a user's files, made alike to those of MNIST: white on black, 28 x 28, centred.

A file may be damaged or hostile: its size is bounded, what its header claims is looked at before any pixel is
decoded, and nothing is unpickled.
"""

from __future__ import annotations

import io
import math
import os
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tinynet.datasets.formats import Pixels, damaged, npy_header, shape_text
from tinynet.errors import DatasetError, FileFormatError

Array = npt.NDArray[Any]

SIZE = 28  # of the images of MNIST
BOX = 20  # into which their digits were fitted, before they were centred by mass
MAX_PIXELS = 2**24  # 4096 x 4096; a digit needs no more
_MAX_BYTES = 8 * MAX_PIXELS + 2**16
_LEAST_CONTRAST = 16  # of 255, between the ink and the background
_PNG = b"\x89PNG\r\n\x1a\n"
_NPY = b"\x93NUMPY"


class Digit(NamedTuple):
    """An image as the models take it.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (28, 28)
        0 is the background.
    remarks : list of str
        What was done to the image, in words.
    """

    pixels: Pixels
    remarks: list[str]


def read_digit(path: str | os.PathLike[str]) -> Digit:
    """Read an image of a digit, and make it alike to those of MNIST.

    Dark on light is inverted. An image of 28 x 28 pixels is taken as it is. Any other is brought to full contrast, cut
    to its ink, fitted into 20 x 20 pixels with its proportions kept, and put into 28 x 28 so that its centre of mass is
    in the middle, which is how MNIST was made (LeCun et al., "Gradient-based learning applied to document recognition",
    1998, section III.A).

    Parameters
    ----------
    path : path-like
        A PNG file, or an ``.npy`` file of one image (H, W) or (H, W, 1), with values from 0 to 255, or floats from 0
        to 1.

    Returns
    -------
    Digit
        The pixels, and what was done.

    Raises
    ------
    DatasetError
        If the file cannot be read.
    FileFormatError
        If it is neither PNG nor npy, is damaged, too large, coloured, or blank.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/one.npy", np.pad(np.zeros((40, 8), np.uint8), 20, constant_values=255))
    ...     digit = read_digit(f"{folder}/one.npy")
    >>> digit.pixels.shape, digit.remarks[1]
    ((28, 28), 'dark on light: inverted')
    """
    name = str(path)
    try:
        with Path(path).open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise DatasetError(f"{name}: cannot be read ({error.strerror}). Check the path.") from error
    if len(data) > _MAX_BYTES:
        raise damaged(name, f"more than {_MAX_BYTES:,} bytes", "an image of one digit", "Make it smaller.")
    if data.startswith(_PNG):
        image, remarks = _png(data, name)
    elif data.startswith(_NPY):
        image, remarks = _npy(data, name)
    else:
        begins = f"it begins with {data[:4].hex(' ')}" if data else "it is empty"
        raise damaged(name, begins, "a PNG image or an .npy array", "Convert it to PNG.")
    return _like_mnist(image, remarks, name)


# --- reading: a grey image as float64 from 0 to 255


def _png(data: bytes, name: str) -> tuple[Array, list[str]]:
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of large images; ours are bounded
            with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
                _check_size(name, (image.height, image.width))
                mode, remarks = image.mode, [f"{image.width} x {image.height} PNG"]
                deep = mode.startswith("I")
                pixels = np.asarray(image if deep else image.convert("RGBA"), np.float64)
    except FileFormatError:
        raise
    except Image.DecompressionBombError as error:
        raise damaged(name, "an enormous image", f"at most {MAX_PIXELS:,} pixels", "Make it smaller.") from error
    except Exception as error:  # Pillow raises a dozen classes on damaged images, from SyntaxError to struct.error
        raise damaged(name, f"the PNG image cannot be decoded ({str(error)[:80]})", "a valid PNG image") from error
    if deep:
        return pixels / 257, remarks  # 16 bits
    color, opacity = pixels[..., :3], pixels[..., 3:] / 255
    if (color.max(axis=2) - color.min(axis=2))[opacity[..., 0] > 0].max(initial=0) > 3:
        raise damaged(name, "a coloured image", "shades of grey", "Convert it to greyscale.")
    if opacity.min() < 1:
        remarks.append("transparent: put on white")
    return (color * opacity + 255 * (1 - opacity))[..., 0], remarks


def _npy(data: bytes, name: str) -> tuple[Array, list[str]]:
    shape, fortran_order, dtype, start = npy_header(data, name)
    flat = shape[:2] if len(shape) == 3 and shape[2] == 1 else shape
    if dtype.kind not in "fiub" or len(flat) != 2 or not all(type(n) is int and 0 < n <= MAX_PIXELS for n in flat):
        expected, found = "one grey image (H, W) or (H, W, 1)", f"{dtype} of shape {shape_text(shape)}"
        raise damaged(name, found, expected, "Save each image in a file of its own.")
    _check_size(name, flat)
    if len(data) - start != math.prod(flat) * dtype.itemsize:
        raise damaged(name, f"{len(data) - start:,} bytes of values", f"{math.prod(flat) * dtype.itemsize:,}")
    image = np.frombuffer(data, dtype, offset=start).reshape(flat, order="F" if fortran_order else "C")
    remarks, pixels = [f"{image.shape[1]} x {image.shape[0]} array"], image.astype(np.float64)
    if not np.isfinite(pixels).all() or pixels.min() < 0 or pixels.max() > 255:
        raise damaged(
            name, "values that are not from 0 to 255", "grey levels from 0 to 255, or from 0 to 1", "Scale it."
        )
    if image.dtype.kind in "fb" and pixels.max() <= 1:
        pixels *= 255
        remarks.append("values from 0 to 1 taken as 0 to 255")
    return pixels, remarks


def _check_size(name: str, shape: tuple[int, ...]) -> None:
    height, width = shape
    if height * width > MAX_PIXELS:
        raise damaged(name, f"{width} x {height} pixels", f"at most {MAX_PIXELS:,}", "Make it smaller.")


# --- making it like MNIST


def _like_mnist(image: Array, remarks: list[str], name: str) -> Digit:
    if image.max() - image.min() < _LEAST_CONTRAST:
        raise damaged(name, "a blank image: its pixels are all about alike", "a digit", "Draw with more contrast.")
    edge = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    background = float(np.median(edge))
    if background - image.min() > image.max() - background:
        image, background = 255 - image, 255 - background
        remarks.append("dark on light: inverted")
    if image.shape != (SIZE, SIZE):
        image = _centre(_fit(np.clip((image - background) / (image.max() - background), 0, 1)))
        remarks.append(f"cut to its ink, fitted into {BOX} x {BOX} and centred in {SIZE} x {SIZE}")
    return Digit(np.round(image).astype(np.uint8), remarks)


def _fit(ink: Array) -> Array:
    """Cut an image, from 0 to 1, to its ink, and resize that so that its longer side is that of the box."""
    from PIL import Image

    rows, columns = (np.flatnonzero((ink > 0.2).any(axis=axis)) for axis in (1, 0))
    cut = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = (max(1, round(BOX * length / max(cut.shape))) for length in cut.shape)
    how = Image.Resampling.BOX if max(cut.shape) > BOX else Image.Resampling.BILINEAR
    resized = Image.fromarray(cut.astype(np.float32)).resize((width, height), how)
    shrunk: Array = np.asarray(resized, np.float64)
    return np.asarray(255 * np.clip(shrunk / shrunk.max(), 0, 1))


def _centre(digit: Array) -> Array:
    """Put a small image into one of 28 x 28, with its centre of mass in the middle, as far as there is room.

    The middle is at pixel 14, counted from 0: in MNIST all centres of mass lie from 13.48 to 14.50.
    """
    height, width = digit.shape
    mass = digit.sum()
    y = (digit.sum(axis=1) @ np.arange(height)) / mass
    x = (digit.sum(axis=0) @ np.arange(width)) / mass
    top = int(np.clip(round(SIZE / 2 - y), 0, SIZE - height))
    left = int(np.clip(round(SIZE / 2 - x), 0, SIZE - width))
    canvas = np.zeros((SIZE, SIZE))
    canvas[top : top + height, left : left + width] = digit
    return canvas
