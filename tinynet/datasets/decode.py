"""Images from files of the user's, in any common format: upright, of 8 bits, with what was done to them in words.

A file may be damaged or hostile: its size is bounded, what its header claims is looked at before any pixel is
decoded, and nothing is unpickled.
"""

from __future__ import annotations

import io
import math
import os
import stat
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tinynet.datasets.formats import damaged, npy_header, shape_text
from tinynet.errors import DatasetError, FileFormatError

if TYPE_CHECKING:
    from PIL.Image import Image

Array = npt.NDArray[Any]

MAX_PIXELS = 2**26  # 8192 x 8192
MAX_BYTES = 2**27 + 2**16
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".npy")
EXPECTED = "a PNG, JPEG, WebP, BMP, GIF or TIFF image, or an .npy array"
_NPY = b"\x93NUMPY"
_ORIENTATION = 0x0112  # the tag of EXIF
_DEPTHS = (8, 10, 12, 14, 16)  # bits of grey levels that are stored in 16 bits or more


class Picture(NamedTuple):
    """An image that was read.

    Attributes
    ----------
    image : PIL.Image.Image
        Of mode "L", "RGB", "LA" or "RGBA", 8 bits a channel.
    remarks : list of str
        Its size and format, and what was done to it, in words.
    """

    image: Image
    remarks: list[str]


def read_picture(path: str | os.PathLike[str], enough: int | None = None) -> Picture:
    """Read an image from a file.

    Parameters
    ----------
    path : path-like
        An image in one of the `FORMATS`, or an ``.npy`` file of one image (H, W), (H, W, 1) or (H, W, 3) with values
        from 0 to 255, or floats from 0 to 1. Of several images in a file, the first is taken.
    enough : int, optional
        Pixels a side beyond which no more are needed: a larger image is made smaller on the way, in whole steps.

    Returns
    -------
    Picture
        The image, turned upright as its orientation says.

    Raises
    ------
    DatasetError
        If the file cannot be read.
    FileFormatError
        If it is not an image, damaged, or too large.
    """
    name = str(path)
    try:
        with Path(path).open("rb") as file:
            found = os.fstat(file.fileno())
            expected = found.st_size if stat.S_ISREG(found.st_mode) else MAX_BYTES  # a pipe does not know its size
            data = file.read(min(expected, MAX_BYTES) + 1)
    except OSError as error:
        raise DatasetError(f"{name}: cannot be read ({error.strerror}). Check the path.") from error
    if len(data) > MAX_BYTES:
        raise damaged(name, f"more than {MAX_BYTES:,} bytes", "one image", "Make it smaller.")
    if data.startswith(_NPY):
        return _npy(data, name)
    return _decoded(data, name, enough)


def _decoded(data: bytes, name: str, enough: int | None) -> Picture:
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of large images, ours are bounded; and of odd metadata
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                _check_size(name, (image.height, image.width))
                return _opened(image, enough, name)
    except FileFormatError:
        raise
    except UnidentifiedImageError:
        begins = f"it begins with {data[:4].hex(' ')}" if data else "it is empty"
        raise damaged(name, begins, EXPECTED, "Convert it to PNG.") from None
    except Image.DecompressionBombError as error:
        raise damaged(name, "an enormous image", f"at most {MAX_PIXELS:,} pixels", "Make it smaller.") from error
    except Exception as error:  # Pillow raises a dozen classes on damaged images, from SyntaxError to struct.error
        raise damaged(name, f"the image cannot be decoded ({str(error)[:80]})", "a valid image") from error


def _opened(image: Image, enough: int | None, name: str) -> Picture:
    from PIL import ImageOps

    kind = {"MPO": "JPEG", "WEBP": "WebP"}.get(str(image.format), str(image.format))
    remarks = [f"{image.width} x {image.height} {kind}"]
    if getattr(image, "n_frames", 1) > 1:
        remarks.append(f"the first of {image.n_frames} images")  # type: ignore[attr-defined]
    if enough is not None and kind == "JPEG":
        image.draft(None, (2 * enough, 2 * enough))
    turned = image.getexif().get(_ORIENTATION, 1) > 1  # which a TIFF image loses when its pixels are loaded
    image.load()
    turned = turned or image.getexif().get(_ORIENTATION, 1) > 1  # which a PNG image may have after its pixels
    image = ImageOps.exif_transpose(image)
    if turned:
        remarks.append("turned upright, as its orientation says")
    if image.mode.startswith(("I", "F")):
        image = _of_levels(np.asarray(image), remarks, name)
    elif image.mode not in ("L", "LA", "RGB", "RGBA"):
        see_through = "A" in image.getbands() or "a" in image.getbands() or "transparency" in image.info
        grey = image.mode in ("1", "L;16")
        image = image.convert("L" if grey else "RGBA" if see_through else "RGB")
    elif "transparency" in image.info:
        image = image.convert("LA" if image.mode == "L" else "RGBA")
    if image.mode == "L" and image.getextrema() == (0, 1):
        remarks.append("values 0 and 1 taken as 0 and 255")
        image = image.point(lambda value: 255 * value)
    factor = max(image.size) // (2 * enough) if enough else 0
    return Picture(image.reduce(factor) if factor > 1 else image, remarks)


def _of_levels(levels: Array, remarks: list[str], name: str) -> Image:
    """Make an image of grey levels of more than 8 bits, or of floats, as far as they go."""
    if not np.isfinite(levels).all() or levels.min() < 0:
        raise damaged(name, "grey levels that are negative or not finite", "levels from 0 up", "Scale it.")
    most = float(levels.max())
    if levels.dtype.kind == "f":
        top, words = _float_range(most, name)
    elif most <= 1:
        top, words = 1.0, "values 0 and 1 taken as 0 and 255"
    else:
        bits = next((bits for bits in _DEPTHS if most < 2**bits), 32)
        top, words = 2.0**bits - 1, f"grey levels up to {most:,.0f} taken as {bits} bits"
        words = "" if bits == 16 else words
    remarks += [words] if words else []
    return _grey(levels * (255 / top))


def _float_range(most: float, name: str) -> tuple[float, str]:
    if most > 255:
        expected = "grey levels from 0 to 255, or from 0 to 1"
        raise damaged(name, "values that are not from 0 to 255", expected, "Scale it.")
    return (1.0, "values from 0 to 1 taken as 0 to 255") if most <= 1 else (255.0, "")


def _grey(levels: Array) -> Image:
    from PIL import Image

    return Image.fromarray(np.rint(levels).astype(np.uint8))


def _npy(data: bytes, name: str) -> Picture:
    shape, fortran_order, dtype, start = npy_header(data, name)
    flat = shape[:2] if len(shape) == 3 and shape[2] == 1 else shape
    colour = len(flat) == 3 and flat[2] == 3
    sized = all(type(n) is int and 0 < n <= MAX_PIXELS for n in flat)
    if dtype.kind not in "fiub" or not (len(flat) == 2 or colour) or not sized:
        expected, found = "one image (H, W), (H, W, 1) or (H, W, 3)", f"{dtype} of shape {shape_text(shape)}"
        raise damaged(name, found, expected, "Save each image in a file of its own.")
    _check_size(name, flat[:2])
    if len(data) - start != math.prod(flat) * dtype.itemsize:
        raise damaged(name, f"{len(data) - start:,} bytes of values", f"{math.prod(flat) * dtype.itemsize:,}")
    image = np.frombuffer(data, dtype, offset=start).reshape(flat, order="F" if fortran_order else "C")
    if not np.isfinite(image).all() or image.min() < 0 or image.max() > 255:
        expected = "grey levels from 0 to 255, or from 0 to 1"
        raise damaged(name, "values that are not from 0 to 255", expected, "Scale it.")
    remarks, pixels = [f"{image.shape[1]} x {image.shape[0]} array"], image.astype(np.float32)
    if pixels.max() <= 1 and image.dtype.kind in "fb":
        pixels *= 255
        remarks.append("values from 0 to 1 taken as 0 to 255")
    elif pixels.max() == 1:
        pixels *= 255
        remarks.append("values 0 and 1 taken as 0 and 255")
    return Picture(_grey(pixels), remarks)


def _check_size(name: str, shape: tuple[int, ...]) -> None:
    height, width = shape
    if height * width > MAX_PIXELS:
        raise damaged(name, f"{width} x {height} pixels", f"at most {MAX_PIXELS:,}", "Make it smaller.")
