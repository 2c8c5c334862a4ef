"""The datasets that are known by name, and the order in which their files are looked for."""

import os
import sys
from importlib.resources import as_file, files
from pathlib import Path

from tinynet.datasets.dataset import Array, Dataset, Source
from tinynet.datasets.download import cache_directory, download
from tinynet.datasets.files import Arrays, Files, read_dataset, read_files, sizes
from tinynet.datasets.folder import image_folder
from tinynet.datasets.identity import is_genuine, other_dataset
from tinynet.datasets.spec import MNIST as _MNIST
from tinynet.datasets.spec import SPECS, DatasetSpec
from tinynet.errors import ArgumentError, DatasetError, FileFormatError

MNIST = Dataset  # its name in version 0.1
DIGITS = "digits"


def load(name: Source, source: Source = "auto", size: int | tuple[int, int] | None = None) -> Dataset:
    """Load a dataset by its name, or a directory of images.

    Parameters
    ----------
    name
        "mnist", "fashion_mnist" or "kmnist"; "digits", which is the sample of MNIST that is embedded in tinynet; or the
        path of a directory with a directory of images for each class, as `image_folder` takes it.
    source
        Where the files of a named dataset come from.

        - ``"auto"``: what its environment variable points at (TINYNET_DATA, TINYNET_FASHION_MNIST, TINYNET_KMNIST),
          else the cache, else a download into the cache; of MNIST else the embedded sample, which a line on stderr then
          says.
        - ``"full"``: the same without the sample, and nothing but the dataset itself, by its digests.
        - ``"sample"``: of MNIST alone, 4,000 training and 1,000 test images embedded in tinynet.
        - a path: a directory with the four IDX files (.gz or not) or an archive such as ``fashion_mnist.npz``, or the
          path of such a file. Files that are not the dataset's own are taken; a line on stderr and the record say so.

        The cache is ``~/.cache/tinynet`` on Linux. With TINYNET_OFFLINE=1 in the environment nothing is downloaded.
    size
        Of the images of a directory; see `image_folder`.

    Returns
    -------
    Dataset
        The arrays, with the names of the classes; it unpacks into two pairs.

    Raises
    ------
    ArgumentError
        If there is no such dataset, or the source is neither one of the names nor a path that exists.
    DatasetError
        If the files are not there, cannot be read or cannot be downloaded.
    FileFormatError
        If a file is damaged, or holds something else. It is never replaced silently by another source.

    Examples
    --------
    >>> import tinynet as tn
    >>> (x_train, y_train), (x_test, y_test) = tn.datasets.load("mnist", source="sample")
    >>> x_train.shape, y_test.shape
    ((4000, 28, 28), (1000,))
    """
    if isinstance(name, str) and name == DIGITS:
        if source != "auto" or size is not None:
            given = f"source={source!r}" if source != "auto" else f"size={size!r}"
            raise ArgumentError(f"{given} is of datasets whose files are read, but digits need no file; leave it out")
        return digits()
    if isinstance(name, str) and name in SPECS:
        if size is not None:
            raise ArgumentError(f"size is of directories of images; images of {SPECS[name].title} have a size already")
        return _load(SPECS[name], source)
    if _existing(name) is None:
        raise ArgumentError(
            f"{str(name)!r} is neither one of {', '.join(SPECS)}, {DIGITS} nor a path that exists; as a path, give a "
            "directory with a directory of images for each class"
        )
    if source != "auto":
        raise ArgumentError(f"source={source!r} is of datasets with a name, but {str(name)!r} is a path; leave it out")
    return image_folder(name, size)


def digits() -> Dataset:
    """Return the sample of MNIST that is embedded in tinynet: 4,000 training and 1,000 test images, no file needed.

    Returns
    -------
    Dataset
        New at each call.

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.datasets.digits().source
    'sample (4,000 + 1,000 images embedded in tinynet)'
    """
    with as_file(files("tinynet.datasets") / "mnist_sample.npz") as path:  # which is not one if tinynet is in a zip
        arrays = read_dataset(path)
    return _dataset(arrays, _MNIST, "sample (4,000 + 1,000 images embedded in tinynet)", "sample", genuine=True)


def mnist(source: Source = "auto") -> tuple[tuple[Array, Array], tuple[Array, Array]]:
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


def load_mnist(source: Source = "auto") -> Dataset:
    """Load MNIST as `mnist` does, with a record of the source that was used.

    Parameters
    ----------
    source
        As for `mnist`.

    Returns
    -------
    Dataset
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
    return _load(_MNIST, source)


def _load(spec: DatasetSpec, source: Source) -> Dataset:
    if isinstance(source, str) and source in ("auto", "full"):
        return _configured_or_cached(spec, full=source == "full")
    names = "'auto' or 'full'"
    if spec is _MNIST:
        names = "'auto', 'full' or 'sample'"
        if isinstance(source, str) and source == "sample":
            return digits()
    path = _existing(source)
    if path is None:
        raise ArgumentError(
            f"source={source!r} is neither {names} nor a path that exists. As a path, give {spec.accepted}."
        )
    return _read(path, spec)


def _existing(source: Source) -> Path | None:
    try:
        path = Path(source).expanduser()
        return path if str(source) and path.exists() else None
    except (TypeError, ValueError, RuntimeError):  # no path at all; a null character; no such user's home
        return None
    except OSError as error:
        raise DatasetError(f"{source}: cannot be looked up ({error.strerror}). Check the path.") from error


def _configured_or_cached(spec: DatasetSpec, full: bool) -> Dataset:
    configured = os.environ.get(spec.variable)
    if configured:
        return _configured(configured, spec, full)
    cache = cache_directory() / spec.folder
    try:
        return _read(cache, spec, full=True)
    except (DatasetError, FileFormatError):
        pass  # whether the cache is empty or damaged, a download mends it
    try:
        if os.environ.get("TINYNET_OFFLINE", "0") not in ("", "0"):
            raise DatasetError(
                f"{spec.title} is not in the cache {cache}, and TINYNET_OFFLINE forbids to download it.\n{spec.advice}"
            )
        download(spec, cache)
        return _read(cache, spec, full=True)
    except (DatasetError, FileFormatError) as error:
        if full or spec is not _MNIST:
            raise
        reason = str(error).splitlines()[0].rstrip(".")
    print(
        f"tinynet: {reason}; using the embedded sample of 4,000 + 1,000 images. "
        "For the full set, set TINYNET_DATA to a directory that holds it.",
        file=sys.stderr,
    )
    return digits()


def _configured(configured: str, spec: DatasetSpec, full: bool) -> Dataset:
    try:
        path = _existing(configured)
        if path is None:
            raise DatasetError(f"It does not exist. Unset it, or set it to {spec.accepted}.")
        return _read(path, spec, full)
    except (DatasetError, FileFormatError) as error:
        raise type(error)(f"{spec.variable}={configured} cannot be used. {error}") from error


def _read(path: Path, spec: DatasetSpec, full: bool = False) -> Dataset:
    files = read_files(path, spec)
    n_train, n_test = sizes(files.arrays)
    count = f"{n_train:,} + {n_test:,} images"
    whole = (n_train, n_test) == spec.sizes
    if full and not whole:
        needed = "{:,} + {:,}".format(*spec.sizes)
        raise DatasetError(f"{path}: {count}, where source='full' needs {needed}. {spec.advice}")
    genuine = is_genuine(files, spec) if whole else None
    source = f"{'full' if whole else 'part'} ({'; '.join([f'{count} from {path}', *files.remarks])})"
    if genuine is False:
        told = _foreign(path, files, spec)
        if full:
            raise DatasetError(f"{told}, as source='full' demands. Name their path as the source to take them.")
        source = f"other images than those of {spec.title} ({count} from {path})"
        print(f"tinynet: {told}; they are taken as they are, and the record of a run says so", file=sys.stderr)
    return _dataset(files.arrays, spec, source, str(path.resolve()), genuine)


def _dataset(arrays: Arrays, spec: DatasetSpec, source: str, origin: str, genuine: bool | None) -> Dataset:
    return Dataset(
        arrays["x_train"],
        arrays["y_train"],
        arrays["x_test"],
        arrays["y_test"],
        source=source,
        origin=origin,
        name=spec.name,
        title=spec.title,
        noun=spec.noun,
        plural=spec.plural,
        classes=spec.classes,
        preparation=spec.preparation,
        genuine=genuine,
    )


def _foreign(path: Path, files: Files, spec: DatasetSpec) -> str:
    other = other_dataset(files, spec)
    what = f"these are the files of {other.title}" if other else "the images or labels are others, by their SHA-256"
    return f"{path}: the files have the names and the sizes of {spec.title}, but are not {spec.title}: {what}"
