"""The format of model files: safetensors, with the description of the model and digests as metadata.

A checkpoint is a model file that also holds the state of a run of `fit`, as further metadata and tensors.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinynet.core.engine import Tensor, as_tensor
from tinynet.core.spec import Array
from tinynet.errors import ArgumentError, CheckpointError, MissingFileError
from tinynet.nn.layer import Layer
from tinynet.saving.description import describe, encode
from tinynet.saving.form import conforms

MOST_METADATA = 8 * 2**20  # bytes of the description of a model
RUN_VERSION = 3  # from this version on, the state of a run is a dictionary of its parts

_FORMAT = "tinynet-model"
_MODEL_VERSION = 2  # from this version on, there are digests; a file without a run still has it
_MOST_HEADER = 64 * 2**20  # bytes of all metadata and the table of tensors
_RUN = "run/"  # the prefix of the names of tensors that are not parameters
_REMEDY = "copy it again from where it was saved, or save the model again"

Arrays = Mapping[str, Tensor | Array]


# --- writing


def encoded(model: Layer, parameters: Arrays, run: Any = None, vectors: Mapping[str, Array] | None = None) -> bytes:
    """Return the content of a file: a model, and for a checkpoint the state of the run.

    Parameters
    ----------
    model : Layer
        The model to save.
    parameters : mapping of str to Tensor or ndarray
        Its parameters by name.
    run : dict, optional
        Numbers, texts, arrays, lists and dictionaries; floats keep every bit, also NaN and infinity.
    vectors : mapping of str to ndarray, optional
        Large arrays of the run, by name.

    Returns
    -------
    bytes
        A safetensors file, with a digest of each tensor, and one of all other content and of these digests.

    Raises
    ------
    ArgumentError
        If the model or the run cannot be put into a file.
    """
    from safetensors.numpy import save

    tensors = {name: np.array(as_tensor(values).data, order="C") for name, values in parameters.items()}
    for name, vector in (vectors or {}).items():
        tensors[_RUN + name] = np.array(vector, order="C")
    metadata = {
        "format": _FORMAT,
        "version": str(_MODEL_VERSION if run is None else RUN_VERSION),
        "model": describe(model, parameters),
        "digests": json.dumps({name: _digest(array.tobytes()) for name, array in tensors.items()}),
    }
    if run is not None:
        metadata["run"] = encode(run, "the state of the run")
    if len(metadata["model"]) > MOST_METADATA:
        raise ArgumentError(
            f"{model}: the arguments of its layers take {len(metadata['model']):,} bytes as text, and a model file may "
            f"have {MOST_METADATA:,} of them; make large arrays parameters of a layer"
        )
    metadata["digest"] = _digest_of(metadata)
    whole = save(tensors, metadata)
    if _header(whole) > _MOST_HEADER:
        raise ArgumentError(
            f"{model}: the description and the history have {_header(whole):,} bytes, more than a file can hold"
        )
    return whole


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _digest_of(metadata: Mapping[str, str]) -> str:
    return _digest(json.dumps({k: v for k, v in metadata.items() if k != "digest"}, sort_keys=True).encode())


def _header(start: bytes) -> int:
    """Return the length of the header of a safetensors file, from its first eight bytes."""
    return int.from_bytes(start[:8], "little")


# --- reading


@dataclass
class ModelFile:
    """An open file with a valid header.

    Parameters
    ----------
    path : Path
        The path of the file.
    version : int
        The version of its format.
    metadata : mapping of str to str
        Its texts.
    tensors : object
        The file as safetensors has opened it.
    digests : mapping of str to str, or None
        The digest of each tensor; the first version of the format had none.
    """

    path: Path
    version: int
    metadata: Mapping[str, str]
    tensors: Any
    digests: Mapping[str, str] | None

    def check(self, parameters: Arrays, vectors: Arrays | None = None) -> None:
        """Check that the file holds these parameters, and for a run these vectors, without reading them.

        Parameters
        ----------
        parameters : mapping of str to Tensor or ndarray
            Examples of the parameters: their names, shapes and dtypes.
        vectors : mapping of str to Tensor or ndarray, optional
            Examples of the vectors of the run; without, any vectors are allowed.

        Raises
        ------
        CheckpointError
            If it does not hold them.
        """
        names = set(self.tensors.keys())
        others = sorted(names.difference(parameters))
        extra = [name for name in others if "run" not in self.metadata or not name.startswith(_RUN)]
        missing = sorted(set(parameters) - names)
        if extra or missing:
            raise CheckpointError(
                f"{self.path} does not fit its own architecture: it lacks {missing} and has {extra} besides"
            )
        for name, parameter in parameters.items():
            self._check_tensor(name, parameter.shape, parameter.dtype)
        if vectors is None:
            return
        wanted = [_RUN + name for name in vectors]
        if others != sorted(wanted):
            raise CheckpointError(
                f"{self.path} is damaged, or of another version of tinynet: of the run it has the arrays {others}, not "
                f"{wanted}"
            )
        for name, vector in vectors.items():
            self._check_tensor(_RUN + name, vector.shape, vector.dtype)

    def _check_tensor(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        part = self.tensors.get_slice(name)
        kind = "BOOL" if dtype.kind == "b" else f"{dtype.kind.upper()}{8 * dtype.itemsize}"
        if part.get_shape() != list(shape) or part.get_dtype() != kind:
            raise CheckpointError(
                f"{self.path} does not fit its own architecture: {name} has shape {part.get_shape()} and dtype "
                f"{part.get_dtype()}, expected {list(shape)} in {dtype}"
            )

    def parameter(self, name: str) -> Array:
        """Read a parameter."""
        array: Array = self.tensors.get_tensor(name)
        if self.digests is not None and self.digests.get(name) != _digest(array.tobytes()):
            raise CheckpointError(
                f"{self.path} is damaged: the values of {name} are not those that were written; {_REMEDY}"
            )
        return array

    def vector(self, name: str) -> Array:
        """Read a vector of the run."""
        return self.parameter(_RUN + name)


@contextmanager
def opened(path: Path) -> Iterator[ModelFile]:
    """Open a file, and check everything except its tensors."""
    from safetensors import SafetensorError, safe_open

    _check_there(path)
    try:
        _check_header(path)
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            version = _check_version(path, metadata)
            yield ModelFile(path, version, metadata, file, _check_digests(path, version, metadata))
    except SafetensorError as error:
        raise CheckpointError(f"{path} is not a safetensors file, or a damaged one: {error}; {_REMEDY}") from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}") from error


def _check_there(path: Path) -> None:
    if path.is_dir():
        found = sorted(one.name for one in path.glob("*.safetensors"))
        what = f"but has {' and '.join(found)}; give the path of one" if found else "and has none"
        raise MissingFileError(f"{path} is a directory, not a model file, {what}")
    if not path.is_file():
        raise MissingFileError(f"there is no model file {path}; give the path of one that save or tn.Checkpoint wrote")


def _check_header(path: Path) -> None:
    """Check that a file is long enough for its stated header, before memory is taken for the header."""
    size = path.stat().st_size
    with path.open("rb") as raw:
        header = _header(raw.read(8))
    if size < 8 or header > min(size - 8, _MOST_HEADER):
        speaks = f", and speaks of a header of {header:,}" if size >= 8 else ""
        raise CheckpointError(
            f"{path} is not a safetensors file, or a damaged one: it has {size:,} bytes{speaks}; {_REMEDY}"
        )


def _check_version(path: Path, metadata: Mapping[str, str]) -> int:
    """Check that a file is a model file of a known version; returns the version."""
    if metadata.get("format") != _FORMAT:
        raise CheckpointError(
            f"{path} is a safetensors file, but not a model of tinynet's: its metadata has no format {_FORMAT!r}"
        )
    text = metadata.get("version", "")
    if not (text.isascii() and text.isdecimal() and len(text) < 10) or int(text) < 1:
        raise CheckpointError(f"{path} is damaged: its format version is {text!r}, which is not a whole number")
    if int(text) > RUN_VERSION:
        raise CheckpointError(
            f"{path} has format version {text}, but this tinynet reads up to {RUN_VERSION}; update tinynet"
        )
    return int(text)


def _check_digests(path: Path, version: int, metadata: Mapping[str, str]) -> Mapping[str, str] | None:
    """Check the digest of the metadata; returns the digests of the tensors."""
    if version == 1 and "run" not in metadata:
        return None
    if metadata.get("digest") != _digest_of(metadata):
        raise CheckpointError(f"{path} is damaged: its metadata are not those that were written; {_REMEDY}")
    try:
        digests: dict[str, str] = json.loads(metadata["digests"])
    except (KeyError, ValueError, RecursionError):
        digests = {}
    return digests if conforms(digests, {str: str}) else {}
