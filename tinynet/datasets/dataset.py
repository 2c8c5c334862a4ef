"""A dataset that was read: its arrays, what they are, and where they came from."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tinynet.datasets.preparation import Preparation
from tinynet.datasets.spec import MNIST

Source: TypeAlias = str | os.PathLike[str]
Array: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Dataset:
    """A dataset for classification, and where it came from; it unpacks into pairs of samples and labels.

    Attributes
    ----------
    x_train, x_test : ndarray, shape (n, ...)
        The samples: images are uint8, (n, H, W) or, in colour, (n, H, W, 3).
    y_train, y_test : ndarray of uint8, shape (n,)
        The numbers of their classes, from 0.
    source : str
        What was read, in words; for the record of a run.
    origin : str
        What `load` takes as source, besides the name, to read the same again: "sample", or an absolute path.
    name, title : str
        What `load` takes, and what the dataset is called in words.
    noun, plural : str
        What a class is, in words, such as "digit" and "digits".
    classes : tuple of str
        The names of the classes, by their numbers.
    preparation : Preparation
        How an image of the user's becomes such a sample.
    genuine : bool or None
        Whether the files are the dataset's own by their digests; None where that cannot be told.
    skipped : tuple of str
        Files that were found, but not taken, each with the reason.

    Examples
    --------
    >>> import tinynet as tn
    >>> (x_train, y_train), (x_test, y_test) = tn.datasets.digits()
    >>> x_train.shape, tn.datasets.digits().classes[:3]
    ((4000, 28, 28), ('0', '1', '2'))
    """

    x_train: Array = field(repr=False)
    y_train: Array = field(repr=False)
    x_test: Array = field(repr=False)
    y_test: Array = field(repr=False)
    source: str
    origin: str = field(repr=False)
    name: str = field(default=MNIST.name, repr=False)
    title: str = field(default=MNIST.title, repr=False)
    noun: str = field(default=MNIST.noun, repr=False)
    plural: str = field(default=MNIST.plural, repr=False)
    classes: tuple[str, ...] = field(default=MNIST.classes, repr=False)
    preparation: Preparation = field(default=MNIST.preparation, repr=False)
    genuine: bool | None = field(default=None, repr=False)
    skipped: tuple[str, ...] = field(default=(), repr=False)

    def __iter__(self) -> Iterator[tuple[Array, Array]]:
        yield self.x_train, self.y_train
        yield self.x_test, self.y_test

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of a sample as models take it: of grey images (H, W, 1)."""
        shape: tuple[int, ...] = self.x_train.shape[1:]
        return (*shape, 1) if len(shape) == 2 else shape

    def digest(self) -> str:
        """Return the SHA-256 of all samples and labels, by which a run tells that it has the same data again."""
        digest = sha256()
        for array in (self.x_train, self.y_train, self.x_test, self.y_test):
            digest.update(f"{array.shape} {array.dtype} ".encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()
