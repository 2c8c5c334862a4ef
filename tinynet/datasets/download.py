"""Downloading a dataset into a cache: several mirrors, checksums, and little waiting where there is no network."""

import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tinynet.datasets.files import read_file
from tinynet.datasets.formats import GZIP, GZIP_MAGIC, inflate
from tinynet.datasets.spec import DatasetSpec, RemoteFile
from tinynet.datasets.transfer import Show, explain, get, progress
from tinynet.errors import DatasetError, FileFormatError
from tinynet.saving.places import make_writable

TIMEOUT = 4.0


def cache_directory() -> Path:
    """Name the directory in which downloads are kept: ``~/.cache/tinynet`` on Linux."""
    import pooch

    return Path(pooch.os_cache("tinynet"))


def download(
    spec: DatasetSpec,
    cache: Path,
    mirrors: Sequence[str] | None = None,
    timeout: float = TIMEOUT,
    files: Sequence[RemoteFile] | None = None,
) -> None:
    """Download those of the four IDX files of a dataset that the cache does not hold intact.

    A file takes its final name only when it is complete and its checksum is right, so that an interrupted download
    leaves nothing that looks whole; the next call goes on with the files that are missing.

    Parameters
    ----------
    spec
        The dataset.
    cache
        The directory to download into; it is made if need be.
    mirrors
        URLs to put before the file names, in order of preference; those of the dataset if None. After any failure the
        next is tried.
    timeout
        Seconds without any data after which a mirror is given up. When one has been silent, the others share this
        time between them, so that without a network all is over after twice the time-out.
    files
        The files, with their checksums; those of the dataset if None.

    Raises
    ------
    DatasetError
        If the cache cannot be written to, or no mirror has a file; with what was tried on each.
    """
    _make_writable(cache, spec)
    ranking = list(spec.mirrors if mirrors is None else mirrors)
    with progress(spec.title) as show:
        for file in spec.files if files is None else files:
            path = cache / file.name
            if _is_cached(path, file):
                continue
            content, mirror = _fetch(spec, file, ranking, timeout, show)
            _store(content, path, spec)
            ranking.sort(key=lambda other: other != mirror)  # the one that works comes first for the next file


def _fetch(
    spec: DatasetSpec, file: RemoteFile, mirrors: Sequence[str], timeout: float, show: Show
) -> tuple[bytes, str]:
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
    summary = f"{spec.title} could not be downloaded ({len(mirrors)} mirrors tried for {file.name})"
    raise DatasetError("\n".join((f"{summary}.", *failures, spec.advice)))


def _is_right(data: bytes, file: RemoteFile) -> bool:
    if file.packed:
        return hashlib.sha256(data).hexdigest() == file.packed
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


def _make_writable(cache: Path, spec: DatasetSpec) -> None:
    # Before the download, not after it: nobody should wait for 11 MB that cannot be stored.
    try:
        make_writable(cache)
    except OSError as error:
        raise _unwritable(cache, spec, error) from error


def _store(data: bytes, path: Path, spec: DatasetSpec) -> None:
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
        raise _unwritable(path.parent, spec, error) from error
    finally:
        if part is not None:
            part.unlink(missing_ok=True)


def _unwritable(cache: Path, spec: DatasetSpec, error: OSError) -> DatasetError:
    return DatasetError(
        f"{spec.title} could not be downloaded: nothing can be written to the cache directory {cache} "
        f"({error.strerror}).\n"
        f"Make that possible, or set XDG_CACHE_HOME to another directory. {spec.advice}"
    )
