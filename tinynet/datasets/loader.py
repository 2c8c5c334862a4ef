"""The public loader of MNIST, and the order in which it looks for the files."""

import os
import sys
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TypeAlias

import numpy as np

from tinynet.datasets.download import ADVICE, cache_directory, download_mnist
from tinynet.datasets.files import ACCEPTED, FULL_SIZES, read_dataset, sizes
from tinynet.datasets.formats import Pixels
from tinynet.errors import ArgumentError, DatasetError, FileFormatError

Source: TypeAlias = str | os.PathLike[str]


@dataclass(frozen=True, eq=False)
class MNIST:
    """MNIST, or a part of it, and where it came from.

    Attributes
    ----------
    x_train, x_test : ndarray of uint8, shape (n, 28, 28)
        The images, 0 being the background.
    y_train, y_test : ndarray of uint8, shape (n,)
        The digits, 0 to 9.
    source : str
        What was read, in words; for the record of a run.
    origin : str
        What `load_mnist` takes to read the same again: "sample", or an absolute path.
    """

    x_train: Pixels = field(repr=False)
    y_train: Pixels = field(repr=False)
    x_test: Pixels = field(repr=False)
    y_test: Pixels = field(repr=False)
    source: str
    origin: str = field(repr=False)

    def digest(self) -> str:
        """Give the SHA-256 of all images and labels, by which a run tells that it has the same data again."""
        digest = sha256()
        for array in (self.x_train, self.y_train, self.x_test, self.y_test):
            digest.update(f"{array.shape} {array.dtype} ".encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


def mnist(source: Source = "auto") -> tuple[tuple[Pixels, Pixels], tuple[Pixels, Pixels]]:
    """Load MNIST: 60,000 training and 10,000 test images of handwritten digits, or an embedded sample of them.

    Parameters
    ----------
    source
        Where the images come from.

        - ``"auto"``: what the environment variable TINYNET_DATA points at, else the cache, else a download into the
          cache, else the embedded sample, which a line on stderr then says.
        - ``"full"``: the same without the sample, and nothing less than the full set.
        - ``"sample"``: 4,000 training and 1,000 test images embedded in tinynet.
        - a path: a directory with the four IDX files (.gz or not), ``mnist.npz`` or ``mnist_all.mat``, or the path of
          such an .npz or .mat file. TINYNET_DATA may be set to the same. A directory called "sample" is "./sample".

        The cache is ``~/.cache/tinynet`` on Linux. With TINYNET_OFFLINE=1 in the environment nothing is downloaded.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        uint8 arrays, images (n, 28, 28) and labels (n,), new at each call.

    Raises
    ------
    ArgumentError
        If the source is neither one of the names nor a path that exists.
    DatasetError
        If the files are not there, cannot be read or, for ``"full"``, cannot be downloaded.
    FileFormatError
        If a file is damaged, or holds something else. It is never replaced silently by another source.

    See Also
    --------
    load_mnist : the same, with a record of the source that was used.

    Examples
    --------
    >>> from tinynet.datasets import mnist
    >>> (x_train, y_train), (x_test, y_test) = mnist("sample")
    >>> x_train.shape, y_train.shape, x_test.shape, y_test.shape
    ((4000, 28, 28), (4000,), (1000, 28, 28), (1000,))
    """
    data = load_mnist(source)
    return (data.x_train, data.y_train), (data.x_test, data.y_test)


def load_mnist(source: Source = "auto") -> MNIST:
    """Load MNIST as `mnist` does, with a record of the source that was used.

    Parameters
    ----------
    source
        As for `mnist`.

    Returns
    -------
    MNIST
        The four arrays and, in words, their source.

    Raises
    ------
    ArgumentError, DatasetError, FileFormatError
        As `mnist`.

    Examples
    --------
    >>> from tinynet.datasets import load_mnist
    >>> load_mnist("sample").source
    'sample (4,000 + 1,000 images embedded in tinynet)'
    """
    if isinstance(source, str) and source in ("auto", "full"):
        return _configured_or_cached(full=source == "full")
    if isinstance(source, str) and source == "sample":
        return _sample()
    path = _existing(source)
    if path is None:
        raise ArgumentError(
            f"source={source!r} is neither 'auto', 'full' or 'sample' nor a path that exists. "
            f"As a path, give {ACCEPTED}."
        )
    return _read(path)


def _existing(source: Source) -> Path | None:
    try:
        path = Path(source).expanduser()
        return path if str(source) and path.exists() else None
    except (TypeError, ValueError, RuntimeError):  # no path at all; a null character; no such user's home
        return None
    except OSError as error:
        raise DatasetError(f"{source}: cannot be looked up ({error.strerror}). Check the path.") from error


def _configured_or_cached(full: bool) -> MNIST:
    configured = os.environ.get("TINYNET_DATA")
    if configured:
        return _configured(configured, full)
    cache = cache_directory()
    try:
        return _read(cache, full=True)
    except (DatasetError, FileFormatError):
        pass  # whether the cache is empty or damaged, a download mends it
    try:
        if os.environ.get("TINYNET_OFFLINE", "0") not in ("", "0"):
            raise DatasetError(
                f"MNIST is not in the cache {cache}, and TINYNET_OFFLINE forbids to download it.\n{ADVICE}"
            )
        download_mnist(cache)
        return _read(cache, full=True)
    except (DatasetError, FileFormatError) as error:
        if full:
            raise
        reason = str(error).splitlines()[0].rstrip(".")
    print(
        f"tinynet: {reason}; using the embedded sample of 4,000 + 1,000 images. "
        "For the full set, set TINYNET_DATA to a directory that holds it.",
        file=sys.stderr,
    )
    return _sample()


def _configured(configured: str, full: bool) -> MNIST:
    try:
        path = _existing(configured)
        if path is None:
            raise DatasetError(f"It does not exist. Unset it, or set it to {ACCEPTED}.")
        return _read(path, full)
    except (DatasetError, FileFormatError) as error:
        raise type(error)(f"TINYNET_DATA={configured} cannot be used. {error}") from error


def _read(path: Path, full: bool = False) -> MNIST:
    arrays = read_dataset(path)
    n_train, n_test = sizes(arrays)
    if full and (n_train, n_test) != FULL_SIZES:
        raise DatasetError(
            f"{path}: {n_train:,} + {n_test:,} images, where source='full' needs 60,000 + 10,000. {ADVICE}"
        )
    size = "full" if (n_train, n_test) == FULL_SIZES else "part"
    return MNIST(**arrays, source=f"{size} ({n_train:,} + {n_test:,} images from {path})", origin=str(path.resolve()))


def _sample() -> MNIST:
    arrays = read_dataset(Path(__file__).with_name("mnist_sample.npz"))
    return MNIST(**arrays, source="sample (4,000 + 1,000 images embedded in tinynet)", origin="sample")
