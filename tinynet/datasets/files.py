"""Finding and reading the files of a dataset on disk, whichever of the common forms they have."""

import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from tinynet.datasets.formats import GZIP_MAGIC, MAX_BYTES, Kind, Pixels, damaged, parse_idx, parse_npz
from tinynet.datasets.matlab import parse_mat
from tinynet.datasets.spec import IDX_NAMES, MNIST, DatasetSpec
from tinynet.errors import DatasetError

Arrays = dict[str, Pixels]  # x_train (n, 28, 28), y_train (n,), x_test, y_test

KINDS: dict[str, Kind] = {"x_train": "images", "y_train": "labels", "x_test": "images", "y_test": "labels"}
_MAX_FILE = 8 * MAX_BYTES + 2**20  # an npz file may hold floats, of 8 bytes


class Files(NamedTuple):
    """What was read.

    Attributes
    ----------
    arrays : dict
        ``x_train`` (n, 28, 28), ``y_train`` (n,), ``x_test`` (m, 28, 28), ``y_test`` (m,), all uint8, C-contiguous and
        writable.
    packed : dict of str to str
        The SHA-256 of those that were read from a compressed IDX file, as it is on disk.
    remarks : list of str
        What was made of the files that the user may not expect, in words.
    """

    arrays: Arrays
    packed: dict[str, str]
    remarks: list[str]


def read_dataset(path: Path, spec: DatasetSpec = MNIST) -> Arrays:
    """Read and check the arrays of a dataset; see `read_files`."""
    return read_files(path, spec).arrays


def read_files(path: Path, spec: DatasetSpec) -> Files:
    """Read and check a dataset.

    Parameters
    ----------
    path : pathlib.Path
        A directory that holds, in this order of preference, the four IDX files, the four npz files of the dataset, or
        one of its archives, such as ``mnist.npz``; or the path of an .npz or .mat file.
    spec : DatasetSpec
        What is expected.

    Returns
    -------
    Files
        The arrays, and what else is known of them.

    Raises
    ------
    DatasetError
        If there is no such file, or it cannot be read.
    FileFormatError
        If a file is damaged, or holds something else.
    """
    if _is(path, "directory"):
        return _read_directory(path, spec)
    if not _is(path, "file"):
        raise DatasetError(f"{path}: there is no such file or directory. Expected {spec.accepted}.")
    remarks: list[str] = []
    matlab = any(name.endswith(".mat") for name in spec.archives)
    if path.suffix.lower() == ".npz":
        arrays, remarks = parse_npz(read_file(path), KINDS, str(path))
    elif path.suffix.lower() == ".mat" and matlab:
        arrays = parse_mat(read_file(path), str(path))
    else:
        what = "an .npz or .mat file" if matlab else "an .npz file"
        raise DatasetError(f"{path}: not {what}. Expected {spec.accepted}.")
    return _checked(Files(arrays, {}, remarks), {key: f"{path}, array {key}" for key in KINDS}, spec)


def sizes(arrays: Arrays) -> tuple[int, int]:
    """Count the training and the test images."""
    return len(arrays["x_train"]), len(arrays["x_test"])


def _read_directory(directory: Path, spec: DatasetSpec) -> Files:
    remarks: list[str] = []
    paths = {key: path for key, stem in IDX_NAMES.items() if (path := _find_idx(directory, stem, remarks))}
    if len(paths) == len(IDX_NAMES):
        contents = {key: read_file(path) for key, path in paths.items()}
        arrays = {key: parse_idx(contents[key], KINDS[key], str(path)) for key, path in paths.items()}
        packed = {key: sha256(data).hexdigest() for key, data in contents.items() if data[:2] == GZIP_MAGIC}
        return _checked(Files(arrays, packed, remarks), {key: str(path) for key, path in paths.items()}, spec)
    if spec.pairs and all(_is(directory / name, "file") for name in spec.pairs.values()):
        return _read_pairs(directory, spec)
    for name in spec.archives:
        if _is(directory / name, "file"):
            return read_files(directory / name, spec)
    if paths:
        missing = " and ".join(stem for key, stem in IDX_NAMES.items() if key not in paths)
        raise DatasetError(f"{directory}: {missing} is missing (.gz or not) beside the other IDX files. Add it.")
    raise DatasetError(f"{directory}: no {spec.title} files here. Expected {spec.accepted}.")


def _read_pairs(directory: Path, spec: DatasetSpec) -> Files:
    arrays: Arrays = {}
    remarks: list[str] = []
    for key, name in spec.pairs.items():
        path = directory / name
        found, more = parse_npz(read_file(path), {"arr_0": KINDS[key]}, str(path))
        arrays[key] = found["arr_0"]
        remarks += more
    return _checked(Files(arrays, {}, remarks), {key: str(directory / name) for key, name in spec.pairs.items()}, spec)


def _find_idx(directory: Path, stem: str, remarks: list[str]) -> Path | None:
    """Find an IDX file, compressed or not; of two the newer one, which is said, or else the uncompressed one."""
    dotted = stem.replace("-idx", ".idx")  # some archives spell the names with a dot for the second hyphen
    candidates = [directory / f"{name}{suffix}" for suffix in ("", ".gz", ".GZ") for name in (stem, dotted)]
    found = [path for path in candidates if _is(path, "file")]
    if not found:
        return None
    newest = max(found, key=lambda path: path.stat().st_mtime_ns)
    if newest.stat().st_mtime_ns == found[0].stat().st_mtime_ns:
        return found[0]
    remarks.append(f"{newest.name} is newer than {found[0].name}, and was taken")
    return newest


def _is(path: Path, kind: str) -> bool:
    try:
        return path.is_dir() if kind == "directory" else path.is_file()
    except OSError as error:
        raise DatasetError(f"{path}: cannot be looked up ({error.strerror}). Check its permissions.") from error


def read_file(path: Path) -> bytes:
    """Read a whole file, unless it is too large to be a dataset like MNIST."""
    limit = _MAX_FILE if path.suffix.lower() == ".npz" else MAX_BYTES
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > limit:
                raise damaged(str(path), f"{size:,} bytes", f"at most {limit:,}, which all of MNIST fits in")
            return file.read(size)
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror}). Check its permissions.") from error


def _checked(files: Files, names: Mapping[str, str], spec: DatasetSpec) -> Files:
    """Check the arrays together, and spread images of zeros and ones over 0 to 255, as floats from 0 to 1 are."""
    _check(files.arrays, names, spec)
    for key, kind in KINDS.items():
        if kind == "images" and files.arrays[key].max() == 1:
            files.arrays[key] *= 255
            files.remarks.append(f"{key}: uint8, from 0 to 1, taken as 0 to 255")
    return files


def _check(arrays: Arrays, names: Mapping[str, str], spec: DatasetSpec) -> None:
    """Check what no array can say for itself: that the four fit together as images with their labels."""
    for part in ("train", "test"):
        x, y = arrays[f"x_{part}"], arrays[f"y_{part}"]
        x_name, y_name = names[f"x_{part}"], names[f"y_{part}"]
        if x.shape[1:] != spec.shape:
            found = f"images of {x.shape[1]} x {x.shape[2]} pixels"
            advice = f"Images like those of {spec.title} are needed."
            raise damaged(x_name, found, "{} x {}".format(*spec.shape), advice)
        if len(x) != len(y):
            mixed = {len(x), len(y)} == set(spec.sizes)
            advice = (
                "Training and test files seem to be swapped: rename them." if mixed else "Take both from one source."
            )
            raise damaged(y_name, f"{len(y):,} labels", f"{len(x):,}, one for each image in {x_name}", advice)
        _check_labels(y, y_name, spec)
    if sizes(arrays) == spec.sizes[::-1]:
        advice = "Training and test sets seem to be swapped: rename them."
        raise damaged(names["x_train"], "10,000 images for training and 60,000 for testing", "the reverse", advice)


def _check_labels(y: Pixels, name: str, spec: DatasetSpec) -> None:
    most = len(spec.classes) - 1
    if y.max() <= most:
        return
    at = int(y.argmax())
    found, advice = f"the label {y[at]} at index {at}", "Replace it by a good copy."
    if y.min() == 1 and y.max() == most + 1:
        found, advice = f"labels from 1 to {most + 1}", "Subtract 1 from them."
    elif y.max() > most + 1:
        advice = (
            f"{spec.title} has {most + 1} classes; for data of your own take a directory of images for each class, or "
            "pass arrays to fit."
        )
    raise damaged(name, found, f"0 to {most}", advice)
