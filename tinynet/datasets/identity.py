"""Whether files with the names of a dataset's are its own, by published digests."""

from __future__ import annotations

import struct
from hashlib import sha256

import numpy as np

from tinynet.datasets.files import Files
from tinynet.datasets.formats import Pixels
from tinynet.datasets.spec import IDX_NAMES, SPECS, DatasetSpec


def is_genuine(files: Files, spec: DatasetSpec) -> bool | None:
    """Return whether what was read is the dataset itself, in whatever order; None where no digest can tell.

    Parameters
    ----------
    files : Files
        What was read.
    spec : DatasetSpec
        What it should be.
    """
    known = dict(zip(IDX_NAMES, spec.files, strict=True))
    if all(file.packed for file in spec.files):
        told = {key: files.packed[key] == known[key].packed for key in files.packed}
        return all(told.values()) if len(told) == len(known) else None
    if all(_content_digest(files.arrays[key]) == known[key].sha256 for key in known):
        return True
    return bool(spec.any_order) and all(
        _digest_in_order(files.arrays[f"x_{part}"], files.arrays[f"y_{part}"]) == digest
        for part, digest in spec.any_order.items()
    )


def other_dataset(files: Files, spec: DatasetSpec) -> DatasetSpec | None:
    """Return the dataset to which the files belong, if that is another one that is known."""
    others = (other for other in SPECS.values() if other is not spec)
    return next((other for other in others if is_genuine(files, other)), None)


def _content_digest(array: Pixels) -> str:
    """Digest an array as the content of its IDX file, whichever form it was read from."""
    digest = sha256(bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape))
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _digest_in_order(images: Pixels, labels: Pixels) -> str:
    """Digest images with their labels in an order that does not depend on that of the file."""
    rows = np.concatenate([labels[:, None], images.reshape(len(images), -1)], axis=1)
    return sha256(np.sort(rows.view(f"S{rows.shape[1]}")[:, 0]).view(np.uint8).data).hexdigest()
