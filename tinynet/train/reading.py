"""Reading samples at some indices from data that are not in memory, with checks of the arrays that are returned."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.core.spec import Array
from tinynet.errors import ArgumentError, DataError, TinynetError

_LEAST_RUN = 4  # the least mean length of runs of neighbours that are read by slices


class Source:
    """An object that samples are read from, and the form of the samples.

    Parameters
    ----------
    given : object
        It has a length n, and is indexed by an array of k integers, in rising order and without repeats. It returns k
        samples, always of one shape and dtype.

    Attributes
    ----------
    n : int
        How many samples there are.
    dtype, sample_shape
        The form of a sample.
    name : str
        What errors call it: x or y.
    """

    def __init__(self, given: Any) -> None:
        sized = is_file(given) or hasattr(given, "__len__")
        if not (sized and hasattr(given, "__getitem__")) or isinstance(given, str | dict):
            raise ArgumentError(
                f"Stream: the source must have a length and be indexed by an array of integers, but got {given!r}"
            )
        self.given = given
        self.name = "the data"
        self.n = self._length()
        if not self.n:
            raise DataError("Stream: the source has no samples; its length is 0")
        self.dtype, self.sample_shape = self._form()

    def _length(self) -> int:
        """Return the present number of samples; arrays of zarr have a shape, but no length."""
        return int(self.given.shape[0]) if is_file(self.given) else len(self.given)

    def _form(self) -> tuple[np.dtype[Any], tuple[int, ...]]:
        """Return the dtype and the shape of a sample, from attributes of the source or from its first sample."""
        shape, dtype = getattr(self.given, "shape", None), getattr(self.given, "dtype", None)
        if isinstance(shape, tuple) and isinstance(dtype, np.dtype):
            return dtype, shape[1:]
        first = self._ask(np.zeros(1, np.intp))
        if first.shape[:1] != (1,):
            raise DataError(
                f"Stream: the source returned shape {first.shape} for an array of one index; expected (1, ...), an "
                "array with one sample for each index"
            )
        return first.dtype, first.shape[1:]

    def read(self, indices: Array, out: Array | None = None) -> Array:
        """Read the samples at some indices, which may stand in any order and more than once.

        Parameters
        ----------
        indices : ndarray of int
            (k,).
        out : ndarray, optional
            (k, ...), C-contiguous: the array to read into; a new one by default.
        """
        if out is None:
            out = np.empty((len(indices), *self.sample_shape), self.dtype.newbyteorder("="))
        if isinstance(self.given, np.memmap) and out.dtype == self.dtype:
            self._check_length()
            np.take(np.asarray(self.given), indices, axis=0, out=out, mode="clip")  # without an array in between
            self._check_finite(out, indices)
            return out
        rising, places = np.unique(indices, return_inverse=True)
        found = self._ask(rising)
        self._check_length()
        self._check_form(found, len(rising))
        self._check_finite(found, rising)
        if out.dtype == found.dtype:
            np.take(found, places, axis=0, out=out, mode="clip")
        else:
            out[...] = found[places]
        return out

    def _ask(self, rising: Array) -> Array:
        """Ask the source for samples: for runs of neighbours by slices, if it is a file of arrays."""
        runs = np.split(rising, np.flatnonzero(np.diff(rising) != 1) + 1)
        try:
            if is_file(self.given) and _LEAST_RUN * len(runs) <= len(rising):
                return np.concatenate([np.asarray(self.given[int(run[0]) : int(run[-1]) + 1]) for run in runs])
            return np.asarray(self.given[rising])
        except TinynetError:
            raise
        except Exception as error:  # code of the user's, which may fail in any way
            place = f"samples {rising[0]} to {rising[-1]}" if len(rising) else "no samples"
            raise DataError(f"{self.name} cannot be read at {place}: {type(error).__name__}: {error}") from error

    def _check_length(self) -> None:
        if (now := self._length()) != self.n:
            raise DataError(f"{self.name} had {self.n} samples, and now has {now}; its length must stay")

    def _check_form(self, found: Array, count: int) -> None:
        expected = (count, *self.sample_shape)
        if found.shape != expected or found.dtype != self.dtype:
            raise DataError(
                f"{self.name} returned {found.dtype} of shape {found.shape} for {count} indices; expected {self.dtype} "
                f"of shape {expected}, as at first"
            )

    def _check_finite(self, found: Array, indices: Array) -> None:
        if self.dtype.kind != "f" or np.isfinite(np.add.reduce(found, axis=None)):  # then so are all values
            return
        finite = np.isfinite(found).reshape(len(found), -1).all(axis=1)
        if not finite.all():
            at = indices[int(np.argmin(finite))]
            raise DataError(f"{self.name} has NaN or infinite values in sample {at}; clean the data first")


def is_file(source: Any) -> bool:
    """Return whether something is an array on disk: a memory map, or a dataset of h5py or zarr, which have chunks."""
    return isinstance(source, np.memmap) or (hasattr(source, "chunks") and hasattr(source, "dtype"))
