"""A directory of images as a dataset: one directory for each class."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tinynet.checks import check_count, check_integers
from tinynet.datasets.dataset import Dataset
from tinynet.datasets.decode import SUFFIXES, read_picture
from tinynet.datasets.formats import Pixels
from tinynet.datasets.images import is_coloured, photograph
from tinynet.datasets.preparation import Preparation
from tinynet.errors import ArgumentError, DataError, DatasetError, FileFormatError
from tinynet.nn.seeds import generator

DEFAULT_SIZE = 64
MOST_CLASSES = 256  # as labels are uint8
_MOST_BYTES = 2**32
_PARTS = ("train", "test")


class _Kept(NamedTuple):
    """Images of some classes in memory, with what was left out."""

    images: list[Pixels]  # (H, W, 3) each
    labels: list[int]
    coloured: bool
    skipped: list[str]


def image_folder(
    path: str | os.PathLike[str],
    size: int | tuple[int, int] | None = None,
    test_share: float = 0.2,
    seed: int = 0,
    channels: str | None = None,
) -> Dataset:
    """Read a directory with a directory of images for each class.

    Every file in the directory of a class, however deep, is tried; what is not an image is listed in ``skipped`` and
    does no harm. Images are scaled until they cover the size, and cut to it in the middle. They stay in colour if any
    of them is coloured, unless ``channels`` says otherwise. Hidden files and directories are passed over.

    Parameters
    ----------
    path : path-like
        The directory. If it holds just the directories ``train`` and ``test``, these hold the classes.
    size : int or (int, int), optional
        Height and width of the samples. By default that of the images, if they all have one, of at most 64 x 64
        pixels; otherwise 64 x 64.
    test_share : float
        How much of each class is kept for testing, where there are no directories ``train`` and ``test``: at least one
        image of each class.
    seed : int
        Decides which.
    channels : {"grey", "colour"}, optional
        What the samples have, whatever the images have.

    Returns
    -------
    Dataset
        Its classes are the names of the directories, in their order.

    Raises
    ------
    ArgumentError
        If an argument is out of range, or there is no such directory.
    DataError
        If there are fewer than two classes, more than 256, or a class with fewer than two images.
    DatasetError
        If the directory cannot be read.

    Examples
    --------
    >>> import tempfile, numpy as np, tinynet as tn
    >>> from PIL import Image
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for level, name in enumerate(["dark", "light"]):
    ...         Path(folder, name).mkdir()
    ...         for i in range(5):
    ...             Image.fromarray(np.full((40, 30), 50 + 100 * level + i, np.uint8)).save(f"{folder}/{name}/{i}.png")
    ...     data = tn.datasets.image_folder(folder, size=16)
    >>> data.classes, data.x_train.shape, data.x_test.shape
    (('dark', 'light'), (8, 16, 16), (2, 16, 16))
    """
    folder = _folder(path)
    if channels not in (None, "grey", "colour"):
        raise ArgumentError(f'image_folder: channels must be None, "grey" or "colour", but got {channels!r}')
    if not isinstance(test_share, float | np.floating) or not 0 < test_share < 1:
        raise ArgumentError(f"image_folder: test_share must be a share between 0 and 1, but got {test_share!r}")
    inside = _directories(folder)
    parted = {place.name for place in inside} == set(_PARTS)
    roots = [folder / part for part in _PARTS] if parted else [folder]
    names = _class_names(roots, folder)
    files = [_files(root / name) for root in roots for name in names]
    shape = _size(size, [file for group in files for file in group])
    kept = [_read(files[i * len(names) : (i + 1) * len(names)], shape) for i in range(len(roots))]
    train, test = kept if parted else _split(kept[0], names, test_share, seed, folder)
    for part, found in zip(_PARTS, (train, test), strict=True):
        missing = [name for label, name in enumerate(names) if label not in found.labels]
        if missing and (part == "train" or not found.labels):
            raise DataError(f"{folder}: there is no image of {', '.join(missing)} for {part}ing; add some")
    coloured = channels == "colour" or (channels is None and any(found.coloured for found in kept))
    skipped = tuple(line for found in kept for line in found.skipped)
    return _dataset(folder, names, (train, test), coloured, skipped, shape)


def _folder(path: str | os.PathLike[str]) -> Path:
    """Find a directory; what is no path at all is no directory either."""
    try:
        folder = Path(path).expanduser()
        found = folder.is_dir()
    except (TypeError, ValueError, RuntimeError):  # a null character; no such user's home
        found = False
    if not found:
        raise ArgumentError(f"{path} is not a directory; give one that holds a directory of images for each class")
    return folder


def _dataset(
    folder: Path,
    names: list[str],
    parts: tuple[_Kept, _Kept],
    coloured: bool,
    skipped: tuple[str, ...],
    shape: tuple[int, int],
) -> Dataset:
    train, test = parts
    left_out = f"; {len(skipped):,} file{'' if len(skipped) == 1 else 's'} left out" if skipped else ""
    count = f"{len(train.images):,} + {len(test.images):,} images of {len(names)} classes"
    form = f"{shape[0]} x {shape[1]} in {'colour' if coloured else 'grey'}"
    return Dataset(
        *_stacked(train, coloured),
        *_stacked(test, coloured),
        source=f"folder ({count} from {folder}, {form}{left_out})",
        origin=str(folder.resolve()),
        name=str(folder.resolve()),
        title=folder.resolve().name,
        noun="class",
        plural="classes",
        classes=tuple(names),
        preparation=Preparation((*shape, 3 if coloured else 1)),
        skipped=skipped,
    )


def _directories(folder: Path) -> list[Path]:
    try:
        return sorted(place for place in folder.iterdir() if place.is_dir() and not place.name.startswith("."))
    except OSError as error:
        raise DatasetError(f"{folder}: cannot be read ({error.strerror}). Check its permissions.") from error


def _class_names(roots: list[Path], folder: Path) -> list[str]:
    """Return the names of the classes in order: those directories that hold any file, in each part."""
    names = sorted({place.name for root in roots for place in _directories(root) if _files(place)})
    empty = sorted({place.name for root in roots for place in _directories(root)} - set(names))
    also = f" ({', '.join(empty[:5])} {'is' if len(empty) == 1 else 'are'} empty)" if empty else ""
    if len(names) < 2:
        found = f"only {names[0]!r}" if names else "none"
        raise DataError(
            f"{folder}: there must be a directory of images for each of two classes or more, but there is {found}{also}"
        )
    if empty:
        raise DataError(f"{folder}: {', '.join(empty[:5])}: no file in it; put images there, or remove the directory")
    unwritable = [name for name in names if not name.isprintable()]
    if unwritable:
        raise DataError(f"{folder}: the name {unwritable[0]!a} of a class cannot be printed; rename its directory")
    if len(names) > MOST_CLASSES:
        raise DataError(f"{folder}: there are {len(names):,} classes, but at most {MOST_CLASSES} can be taken")
    return names


def _files(place: Path) -> list[Path]:
    """List all files below a directory, in the order of their names, but for hidden ones."""
    found = []
    for root, folders, names in os.walk(place):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(root, name) for name in sorted(names) if not name.startswith(".")]
    return found


def _size(size: int | tuple[int, int] | None, files: list[Path]) -> tuple[int, int]:
    if size is not None:
        sides = check_integers("image_folder: size", size)
        if len(sides) not in (1, 2):
            raise ArgumentError(f"image_folder: size must be one integer or two, but got {size!r}")
        height, width = (check_count("image_folder: size", side) for side in (sides[0], sides[-1]))
        if max(height, width) > 4096:
            raise ArgumentError(f"image_folder: size must be at most 4096 a side, but got {size!r}")
        return height, width
    sizes: set[tuple[int, int]] = set()
    for file in files:
        try:
            sizes.add(read_picture(file).image.size)
        except (DatasetError, FileFormatError):
            continue
        if len(sizes) > 1 or max(max(sizes)) > DEFAULT_SIZE:
            return DEFAULT_SIZE, DEFAULT_SIZE
    width, height = sizes.pop() if sizes else (DEFAULT_SIZE, DEFAULT_SIZE)
    return height, width


def _read(files: list[list[Path]], shape: tuple[int, int]) -> _Kept:
    kept = _Kept([], [], False, [])
    coloured = False
    for label, group in enumerate(files):
        for file in group:
            try:
                picture = read_picture(file, max(shape))
            except (DatasetError, FileFormatError) as error:
                known = file.suffix.lower() in SUFFIXES
                kept.skipped.append(str(error) if known else f"{file}: no image")
                continue
            sample = photograph(picture, (*shape, 3))
            coloured = coloured or is_coloured(picture.image)
            kept.images.append(sample.pixels)
            kept.labels.append(label)
            if len(kept.images) * sample.pixels.nbytes > _MOST_BYTES:
                raise DataError(f"{file}: the images take more than 4 GiB in memory; take a smaller size")
    return kept._replace(coloured=coloured)


def _split(kept: _Kept, names: list[str], share: float, seed: int, folder: Path) -> tuple[_Kept, _Kept]:
    """Keep a share of each class apart for testing."""
    rng = generator("image_folder", seed, stream=1)
    labels = np.array(kept.labels, np.int64)
    chosen = np.zeros(len(labels), bool)
    for label, name in enumerate(names):
        own = np.flatnonzero(labels == label)
        if len(own) < 2:
            why = f"; {kept.skipped[0]}" if kept.skipped else ""
            raise DataError(
                f"{folder}: class {name!r} has {len(own)} image{'' if len(own) == 1 else 's'}, but needs two at least, "
                f"one of them for testing{why}"
            )
        count = min(max(1, round(share * len(own))), len(own) - 1)
        chosen[rng.permutation(own)[:count]] = True

    def part(which: np.typing.NDArray[np.bool_]) -> _Kept:
        at = np.flatnonzero(which)
        return _Kept([kept.images[i] for i in at], labels[at].tolist(), kept.coloured, [])

    return part(~chosen), part(chosen)


def _stacked(kept: _Kept, coloured: bool) -> tuple[Pixels, Pixels]:
    images = np.stack(kept.images)
    return images if coloured else _grey(images), np.array(kept.labels, np.uint8)


def _grey(images: Pixels) -> Pixels:
    """Take the brightness of images (n, H, W, 3), as ITU-R BT.601 weighs colours; grey stays as it is."""
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    return np.stack([np.rint(image @ weights).astype(np.uint8) for image in images])
