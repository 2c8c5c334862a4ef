"""Downloading MNIST into a cache: several mirrors, checksums, and little waiting where there is no network."""

import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tinynet.datasets.files import ACCEPTED, read_file
from tinynet.datasets.formats import GZIP, GZIP_MAGIC, inflate
from tinynet.datasets.transfer import Show, explain, get, progress
from tinynet.errors import DatasetError, FileFormatError

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://sagemaker-example-files-prod-us-east-1.s3.amazonaws.com/datasets/image/MNIST/",
    "https://raw.githubusercontent.com/fgnt/mnist/master/",
)
TIMEOUT = 4.0
ADVICE = (
    f"Without a network, set TINYNET_DATA to {ACCEPTED}; or take the sample that is embedded in tinynet: "
    "source='sample' in Python, --data sample on the command line."
)


class RemoteFile(NamedTuple):
    """A file to download, and the size and SHA-256 of its content before compression.

    The compressed files differ between mirrors, as some compressed them anew: only the content can be checked.
    """

    name: str
    size: int
    sha256: str


FILES = tuple(
    RemoteFile(f"{stem}.gz", size, sha256)
    for stem, size, sha256 in (
        ("train-images-idx3-ubyte", 47_040_016, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
        ("train-labels-idx1-ubyte", 60_008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
        ("t10k-images-idx3-ubyte", 7_840_016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
        ("t10k-labels-idx1-ubyte", 10_008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
    )
)


def cache_directory() -> Path:
    """Name the directory in which downloads are kept: ``~/.cache/tinynet`` on Linux."""
    import pooch

    return Path(pooch.os_cache("tinynet"))


def download_mnist(
    cache: Path, mirrors: Sequence[str] | None = None, timeout: float = TIMEOUT, files: Sequence[RemoteFile] = FILES
) -> None:
    """Download those of the four IDX files that the cache does not hold intact.

    A file takes its final name only when it is complete and its checksum is right, so that an interrupted download
    leaves nothing that looks whole; the next call goes on with the files that are missing.

    Parameters
    ----------
    cache
        The directory to download into; it is made if need be.
    mirrors
        URLs to put before the file names, in order of preference; `MIRRORS` if None. After any failure the next
        is tried.
    timeout
        Seconds without any data after which a mirror is given up. When one has been silent, the others share this
        time between them, so that without a network all is over after twice the time-out.
    files
        The files, with the checksums of their contents.

    Raises
    ------
    DatasetError
        If the cache cannot be written to, or no mirror gives a file; with what was tried on each.
    """
    _make_writable(cache)
    ranking = list(MIRRORS if mirrors is None else mirrors)
    with progress() as show:
        for file in files:
            path = cache / file.name
            if _is_cached(path, file):
                continue
            content, mirror = _fetch(file, ranking, timeout, show)
            _store(content, path)
            ranking.sort(key=lambda other: other != mirror)  # the one that works comes first for the next file


def _fetch(file: RemoteFile, mirrors: Sequence[str], timeout: float, show: Show) -> tuple[bytes, str]:
    failures: list[str] = []
    patience = timeout
    limit = file.size + file.size // 100 + 1024  # compression lengthens what it cannot shorten, but by little
    for mirror in mirrors:
        try:
            content = get(mirror + file.name, limit, patience, timeout, show)
            if not _is_right(content, file):
                found = f"{len(content):,} bytes that begin with {content[:16]!r}"
                raise FileFormatError(f"wrong content ({found}), by its SHA-256")
        except Exception as error:  # whatever went wrong with this mirror, the next may do better
            reason, silent = explain(error)
            failures.append(f"  {mirror}: {reason}")
            if silent:
                patience = timeout / max(1, len(mirrors) - 1)
        else:
            return content, mirror
    summary = f"MNIST could not be downloaded ({len(mirrors)} mirrors tried for {file.name})"
    raise DatasetError("\n".join((f"{summary}.", *failures, ADVICE)))


def _is_right(data: bytes, file: RemoteFile) -> bool:
    try:
        # Some servers unpack what they send, so that a name in .gz says nothing.
        content = inflate(data, GZIP, file.size, file.name) if data[:2] == GZIP_MAGIC else data
    except FileFormatError:
        return False
    return hashlib.sha256(content).hexdigest() == file.sha256


def _is_cached(path: Path, file: RemoteFile) -> bool:
    try:
        return _is_right(read_file(path), file)
    except (DatasetError, FileFormatError):
        return False


def _make_writable(cache: Path) -> None:
    # Before the download, not after it: nobody should wait for 11 MB that cannot be stored.
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=cache):
            pass
    except OSError as error:
        raise _unwritable(cache, error) from error


def _store(data: bytes, path: Path) -> None:
    part: Path | None = None
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        part = Path(name)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())  # or a power failure could leave an empty file under the final name
        part.replace(path)
    except OSError as error:
        raise _unwritable(path.parent, error) from error
    finally:
        if part is not None:
            part.unlink(missing_ok=True)


def _unwritable(cache: Path, error: OSError) -> DatasetError:
    return DatasetError(
        f"MNIST could not be downloaded: nothing can be written to the cache directory {cache} ({error.strerror}).\n"
        f"Make that possible, or set XDG_CACHE_HOME to another directory. {ADVICE}"
    )
