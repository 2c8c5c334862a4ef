"""Finding and reading the files of a dataset on disk, whichever of the three common forms they have."""

import os
from pathlib import Path

from tinynet.datasets.formats import MAX_BYTES, Kind, Pixels, damaged, parse_idx, parse_npz
from tinynet.datasets.matlab import parse_mat
from tinynet.errors import DatasetError

Arrays = dict[str, Pixels]  # x_train (n, 28, 28), y_train (n,), x_test, y_test

KINDS: dict[str, Kind] = {"x_train": "images", "y_train": "labels", "x_test": "images", "y_test": "labels"}
IDX_NAMES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}
FULL_SIZES = (60_000, 10_000)
ACCEPTED = (
    "a directory with the four IDX files (train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, "
    "t10k-labels-idx1-ubyte; .gz or not), mnist.npz or mnist_all.mat, or the path of such an .npz or .mat file"
)


def read_dataset(path: Path) -> Arrays:
    """Read and check a dataset.

    Parameters
    ----------
    path
        A directory that holds, in this order of preference, the four IDX files, ``mnist.npz`` or
        ``mnist_all.mat``; or the path of an .npz or .mat file.

    Returns
    -------
    dict
        ``x_train`` (n, 28, 28), ``y_train`` (n,), ``x_test`` (m, 28, 28), ``y_test`` (m,), all uint8, C-contiguous and
        writable.

    Raises
    ------
    DatasetError
        If there is no such file, or it cannot be read.
    FileFormatError
        If a file is damaged, or holds something else.
    """
    if _is(path, "directory"):
        return _read_directory(path)
    if not _is(path, "file"):
        raise DatasetError(f"{path}: there is no such file or directory. Expected {ACCEPTED}.")
    if path.suffix.lower() == ".npz":
        arrays = parse_npz(read_file(path), KINDS, str(path))
    elif path.suffix.lower() == ".mat":
        arrays = parse_mat(read_file(path), str(path))
    else:
        raise DatasetError(f"{path}: not an .npz or .mat file. Expected {ACCEPTED}.")
    _check(arrays, {key: f"{path}, array {key}" for key in KINDS})
    return arrays


def sizes(arrays: Arrays) -> tuple[int, int]:
    """Count the training and the test images."""
    return len(arrays["x_train"]), len(arrays["x_test"])


def _read_directory(directory: Path) -> Arrays:
    paths = {key: path for key, stem in IDX_NAMES.items() if (path := _find_idx(directory, stem))}
    if len(paths) == len(IDX_NAMES):
        arrays = {key: parse_idx(read_file(path), KINDS[key], str(path)) for key, path in paths.items()}
        _check(arrays, {key: str(path) for key, path in paths.items()})
        return arrays
    for name in ("mnist.npz", "mnist_all.mat"):
        if _is(directory / name, "file"):
            return read_dataset(directory / name)
    if paths:
        missing = " and ".join(stem for key, stem in IDX_NAMES.items() if key not in paths)
        raise DatasetError(f"{directory}: {missing} is missing (.gz or not) beside the other IDX files. Add it.")
    raise DatasetError(f"{directory}: no MNIST files here. Expected {ACCEPTED}.")


def _find_idx(directory: Path, stem: str) -> Path | None:
    # Some archives spell the names with a dot for the second hyphen. Uncompressed files come first: they load faster.
    dotted = stem.replace("-idx", ".idx")
    candidates = [directory / f"{name}{suffix}" for suffix in ("", ".gz") for name in (stem, dotted)]
    return next((path for path in candidates if _is(path, "file")), None)


def _is(path: Path, kind: str) -> bool:
    try:
        return path.is_dir() if kind == "directory" else path.is_file()
    except OSError as error:
        raise DatasetError(f"{path}: cannot be looked up ({error.strerror}). Check its permissions.") from error


def read_file(path: Path) -> bytes:
    """Read a whole file, unless it is too large to be MNIST."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > MAX_BYTES:
                raise damaged(str(path), f"{size:,} bytes", f"at most {MAX_BYTES:,}, which all of MNIST fits in")
            return file.read(size)
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror}). Check its permissions.") from error


def _check(arrays: Arrays, names: dict[str, str]) -> None:
    """Check what no array can say for itself: that the four fit together as images of digits with their labels."""
    for part in ("train", "test"):
        x, y = arrays[f"x_{part}"], arrays[f"y_{part}"]
        x_name, y_name = names[f"x_{part}"], names[f"y_{part}"]
        if x.shape[1:] != (28, 28):
            raise damaged(
                x_name, f"images of {x.shape[1]} x {x.shape[2]} pixels", "28 x 28", "MNIST's digits are needed."
            )
        if len(x) != len(y):
            mixed = {len(x), len(y)} == set(FULL_SIZES)
            advice = (
                "Training and test files seem to be swapped: rename them." if mixed else "Take both from one source."
            )
            raise damaged(y_name, f"{len(y):,} labels", f"{len(x):,}, one for each image in {x_name}", advice)
        if y.max() > 9:
            at = int(y.argmax())
            raise damaged(y_name, f"the label {y[at]} at index {at}", "0 to 9")
    if sizes(arrays) == FULL_SIZES[::-1]:
        advice = "Training and test sets seem to be swapped: rename them."
        raise damaged(names["x_train"], "10,000 images for training and 60,000 for testing", "the reverse", advice)
