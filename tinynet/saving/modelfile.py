"""Model files: the architecture as validated metadata of a safetensors file, beside the parameters.

The architecture is how each layer was made: its class and its arguments, nested as the layers are. Reading looks the
classes up in a given table and calls them with the arguments; nothing in a file is executed. Names of tinynet's own
classes and ops begin with "tinynet.", so that a class of the user's is never taken for one of them, or the reverse.

A checkpoint is a model file that holds the state of a run of `fit` besides, as more metadata and more tensors.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from tinynet import ops
from tinynet.core.engine import Op, Tensor
from tinynet.core.spec import Array
from tinynet.errors import ArgumentError, CheckpointError, MissingFileError, TinynetError
from tinynet.nn.layer import Layer
from tinynet.saving.files import write_atomically

_FORMAT = "tinynet-model"
_VERSION = 2  # the first had no digests and no runs
_MOST_METADATA = 8 * 2**20  # bytes, of the description of a model
_MOST_HEADER = 64 * 2**20  # bytes, of all metadata and the table of tensors
_ARRAYS = "run/"  # what the names of tensors begin with that are not parameters
_REMEDY = "copy it again from where it was saved, or save the model again"
_NOT_KEPT = ("rng",)  # where the initial values came from; those in the file replace them

L = TypeVar("L", bound=Layer)


def write(path: str | os.PathLike[str], model: Layer, parameters: Mapping[str, Tensor]) -> None:
    """Write a model; see `tinynet.model.Model.save`."""
    write_atomically(path, content(model, parameters))


def content(
    model: Layer, parameters: Mapping[str, Tensor], run: Any = None, arrays: Mapping[str, Array] | None = None
) -> bytes:
    """Give the content of a file: a model, and for a checkpoint what else a run of `fit` needs to go on.

    Parameters
    ----------
    model : Layer
        What is saved.
    parameters : mapping of str to Tensor
        Its parameters by name.
    run : dict, optional
        Numbers, texts, arrays, lists and dictionaries; floats come back to the bit, NaN and infinity included.
    arrays : mapping of str to ndarray, optional
        Large arrays that go with it, by name.

    Returns
    -------
    bytes
        A safetensors file, with a digest of each tensor, and one of these and of all else.

    Raises
    ------
    ArgumentError
        If something cannot be put into a file.
    """
    from safetensors.numpy import save

    beside = {_ARRAYS + name: array for name, array in (arrays or {}).items()}
    tensors = {
        name: np.array(a, order="C") for name, a in ({k: p.data for k, p in parameters.items()} | beside).items()
    }
    metadata = {
        "format": _FORMAT,
        "version": str(_VERSION),
        "model": describe(model, parameters),
        "digests": json.dumps({name: _digest(array.tobytes()) for name, array in tensors.items()}),
    }
    if run is not None:
        metadata["run"] = json.dumps(encode(run, "the state of the run"))
    if len(metadata["model"]) > _MOST_METADATA:
        raise ArgumentError(
            f"{model}: the arguments of its layers take {len(metadata['model']):,} bytes as text, and a model file may "
            f"have {_MOST_METADATA:,} of them; make large arrays parameters of a layer"
        )
    metadata["digest"] = _digest_of(metadata)
    whole = save(tensors, metadata)
    if _header(whole) > _MOST_HEADER:
        raise ArgumentError(
            f"{model}: the description and the history have {_header(whole):,} bytes, more than a file can hold"
        )
    return whole


def describe(model: Layer, parameters: Mapping[str, Tensor]) -> str:
    """Describe a model by how its layers were made, as JSON."""
    return json.dumps({"architecture": _encode(model, str(model), {}), "dtype": str(_dtype(parameters))})


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _digest_of(metadata: Mapping[str, str]) -> str:
    return _digest(json.dumps({k: v for k, v in metadata.items() if k != "digest"}, sort_keys=True).encode())


def _header(start: bytes) -> int:
    """Give the length of the header of a safetensors file, which its first eight bytes say."""
    return int.from_bytes(start[:8], "little")


def _dtype(parameters: Mapping[str, Tensor]) -> np.dtype[Any]:
    return next((p.dtype for p in parameters.values()), np.dtype(np.float32))


def _encode(value: Any, where: str, seen: dict[int, int]) -> Any:
    """Put an argument into a form that JSON holds; a layer that came before is a reference to it."""
    if isinstance(value, Layer):
        if id(value) in seen:
            return {"same": seen[id(value)]}
        seen[id(value)] = len(seen)
        args, kwargs = value.arguments
        made = inspect.signature(value.__init__)  # type: ignore[misc]  # of the class, it may be that of Layer.__new__
        bound = made.bind(*args, **kwargs).arguments
        variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        if any(made.parameters[name].kind in variable for name in bound):
            raise ArgumentError(f"{value}: a layer made with *args or **kwargs cannot be saved; name its arguments")
        kept = {k: _encode(v, f"{value}, argument {k}", seen) for k, v in bound.items() if k not in _NOT_KEPT}
        own = type(value).__module__.split(".")[0] == "tinynet"
        return {"layer": f"{'tinynet.' if own else ''}{type(value).__name__}", "arguments": kept}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "fiub":
        return {"array": np.asarray(value).tolist(), "dtype": str(value.dtype)}
    if isinstance(value, list | tuple):
        return [_encode(v, where, seen) for v in value]
    if isinstance(value, dict) and all(isinstance(k, str) for k in value):
        return {"items": {k: _encode(v, where, seen) for k, v in value.items()}}
    if isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, np.generic)):
        return str(np.dtype(value))
    name = value.name if isinstance(value, Op) else getattr(value, "__name__", "")
    if callable(value) and name.isidentifier():
        return {"named": f"tinynet.ops.{name}" if getattr(ops, name, None) is value else name}
    raise ArgumentError(
        f"{where}: a {name or type(value).__name__} cannot be put into a model file; a file holds numbers, texts, "
        "arrays, lists, layers, and functions by the name that they were defined with"
    )


def encode(value: Any, where: str) -> Any:
    """Put numbers, texts, arrays, lists and dictionaries into a form that JSON holds; ``where`` is for the error."""
    return _encode(value, where, {})


def read(
    path: str | os.PathLike[str], custom: Mapping[str, Any], own: Mapping[str, Any], model_type: type[L]
) -> tuple[L, dict[str, Array]]:
    """Read a model and its parameters, checked against each other; see `tinynet.model.load`."""
    if not isinstance(custom, Mapping):
        raise ArgumentError(f'custom_layers must map names to classes, such as {{"Scale": Scale}}, but got {custom!r}')
    with _opened(Path(path)) as file:
        model = _decode_model(file, {**custom, **own}, model_type)
        return model, {name: file.array(name) for name in file.parameters}


def read_run(
    path: str | os.PathLike[str],
    model: Layer,
    parameters: Mapping[str, Tensor],
    arrays: Mapping[str, Array],
    check: Callable[[Any], None],
) -> tuple[dict[str, Array], Any, dict[str, Array]]:
    """Read a checkpoint for a model that is there already.

    Parameters
    ----------
    path : path-like
        The file.
    model : Layer
        The same model as the one that was saved, made in the same way.
    parameters : mapping of str to Tensor
        Its parameters by name.
    arrays : mapping of str to ndarray
        What the arrays that go with the run must be like: names, shapes and dtypes.
    check : callable
        Takes the state of the run, and raises a CheckpointError if it is none; before any tensor is read.

    Returns
    -------
    dict of str to ndarray
        The parameters.
    dict
        The state of the run.
    dict of str to ndarray
        The arrays that go with it.

    Raises
    ------
    CheckpointError
        If the file is damaged, foreign, of a newer format, holds no run, or one that does not fit.
    MissingFileError
        If there is no such file; it is a FileNotFoundError.
    """
    with _opened(Path(path)) as file:
        if "run" not in file.metadata:
            raise CheckpointError(f"{path} holds a model, but no run of fit to resume; tn.Checkpoint saves one")
        if file.metadata.get("model") != describe(model, parameters):
            raise CheckpointError(
                f"{path} holds a run of another model than {model}: its layers, their arguments or its seed differ; "
                "make the model as it was made for that run"
            )
        try:
            run = _decode(json.loads(file.metadata["run"]), {}, [])
        except Exception as error:  # a text that makes no sense can fail in any way
            raise CheckpointError(f"{path} is damaged: its state of the run makes no sense ({error!r})") from error
        try:
            check(run)
        except CheckpointError as error:
            raise CheckpointError(f"{path}: {error}") from error
        file.check(parameters)
        beside = {_ARRAYS + name: array for name, array in arrays.items()}
        if set(file.beside) != set(beside):
            raise CheckpointError(
                f"{path} is damaged, or of another version of tinynet: of the run it has the arrays {file.beside}, not "
                f"{list(beside)}"
            )
        for name, array in beside.items():
            file.check_tensor(name, array.shape, array.dtype)
        kept = {name: file.array(_ARRAYS + name) for name in arrays}
        return {name: file.array(name) for name in parameters}, run, kept


def conforms(value: Any, form: Any) -> bool:
    """Tell whether a value has a form: a type, a tuple of forms of which one fits, a list or a dictionary of forms.

    Parameters
    ----------
    value : object
        As read from a file.
    form : type, tuple, list or dict
        ``[form]`` is a list of any length, ``{str: form}`` a dictionary with any names, ``{"name": form}`` one with
        just these names, ``{"name": form, str: other}`` one with these names and any others.

    Returns
    -------
    bool
        Whether it has.

    Examples
    --------
    >>> conforms({"epoch": 3, "loss": [0.5]}, {"epoch": int, "loss": [float]})
    True
    >>> conforms({"epoch": True}, {"epoch": int}), conforms({}, {"epoch": int}), conforms(None, (str, type(None)))
    (False, False, True)
    """
    if isinstance(form, type):
        return isinstance(value, form) and (form is bool or not isinstance(value, bool))
    if isinstance(form, tuple):
        return any(conforms(value, one) for one in form)
    if isinstance(form, list):
        return isinstance(value, list) and all(conforms(v, form[0]) for v in value)
    named = form.keys() - {str}
    if not isinstance(value, dict) or not named <= value.keys() or (str not in form and value.keys() != named):
        return False
    return all(conforms(v, form[k if k in named else str]) for k, v in value.items())


@dataclass
class _File:
    """A file that is open and whose header is what it should be."""

    path: Path
    metadata: Mapping[str, str]
    tensors: Any
    digests: Mapping[str, str] | None  # of each tensor; none in the first version of the format
    parameters: tuple[str, ...] = ()

    @property
    def beside(self) -> list[str]:
        """The tensors that are not parameters."""
        return [name for name in self.tensors.keys() if name not in self.parameters]  # noqa: SIM118 - it is no mapping

    def check(self, parameters: Mapping[str, Tensor]) -> None:
        """Check that the file holds these parameters, and for a checkpoint other arrays besides; reads none of them."""
        self.parameters = tuple(parameters)
        names = set(self.tensors.keys())
        extra = sorted(name for name in self.beside if "run" not in self.metadata or not name.startswith(_ARRAYS))
        if extra or not names >= set(parameters):
            missing = sorted(set(parameters) - names)
            raise CheckpointError(
                f"{self.path} does not fit its own architecture: it lacks {missing} and has {extra} besides"
            )
        for name, p in parameters.items():
            self.check_tensor(name, p.shape, p.dtype)

    def check_tensor(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        """Check the shape and the dtype of a tensor of the file."""
        part = self.tensors.get_slice(name)
        kind = "BOOL" if dtype.kind == "b" else f"{dtype.kind.upper()}{8 * dtype.itemsize}"
        if part.get_shape() != list(shape) or part.get_dtype() != kind:
            raise CheckpointError(
                f"{self.path} does not fit its own architecture: {name} has shape {part.get_shape()} and dtype "
                f"{part.get_dtype()}, expected {list(shape)} in {dtype}"
            )

    def array(self, name: str) -> Array:
        """Read a tensor."""
        array: Array = self.tensors.get_tensor(name)
        if self.digests is not None and self.digests.get(name) != _digest(array.tobytes()):
            raise CheckpointError(
                f"{self.path} is damaged: the values of {name} are not those that were written; {_REMEDY}"
            )
        return array


@contextmanager
def _opened(path: Path) -> Iterator[_File]:
    """Open a file, and check all that can be checked without its tensors."""
    from safetensors import SafetensorError, safe_open

    if path.is_dir():
        found = sorted(one.name for one in path.glob("*.safetensors"))
        what = f"but has {' and '.join(found)}; give the path of one" if found else "and has none"
        raise MissingFileError(f"{path} is a directory, not a model file, {what}")
    if not path.is_file():
        raise MissingFileError(f"there is no model file {path}; give the path of one that save or tn.Checkpoint wrote")
    try:
        with path.open("rb") as raw:
            header, size = _header(raw.read(8)), path.stat().st_size
        if size < 8 or header > min(size - 8, _MOST_HEADER):
            speaks = f", and speaks of a header of {header:,}" if size >= 8 else ""
            raise CheckpointError(
                f"{path} is no safetensors file, or a damaged one: it has {size:,} bytes{speaks}; {_REMEDY}"
            )
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            yield _File(path, metadata, file, _check_metadata(path, metadata))
    except SafetensorError as error:
        raise CheckpointError(f"{path} is no safetensors file, or a damaged one: {error}; {_REMEDY}") from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}") from error


def _check_metadata(path: Path, metadata: Mapping[str, str]) -> Mapping[str, str] | None:
    """Check what kind of file it is, and that its metadata are those that were written; gives the tensors' digests."""
    if metadata.get("format") != _FORMAT:
        raise CheckpointError(
            f"{path} is a safetensors file, but not a model of tinynet's: its metadata has no format {_FORMAT!r}"
        )
    version = metadata.get("version", "")
    if not (version.isascii() and version.isdecimal() and len(version) < 10) or int(version) < 1:
        raise CheckpointError(f"{path} is damaged: its format version is {version!r}, which is no whole number")
    if int(version) > _VERSION:
        raise CheckpointError(
            f"{path} has format version {version}, but this tinynet reads up to {_VERSION}; update tinynet"
        )
    if int(version) == 1 and "run" not in metadata:
        return None
    if metadata.get("digest") != _digest_of(metadata):
        raise CheckpointError(f"{path} is damaged: its metadata are not those that were written; {_REMEDY}")
    try:
        digests: dict[str, str] = json.loads(metadata["digests"])
    except (KeyError, ValueError, RecursionError):
        digests = {}
    if not conforms(digests, {str: str}):
        digests = {}
    return digests


def _decode_model(file: _File, known: Mapping[str, Any], model_type: type[L]) -> L:
    """Make the model that a file describes; its parameters get no memory before the file is seen to hold them."""
    path, text = file.path, file.metadata.get("model", "")
    if len(text) > _MOST_METADATA:
        raise CheckpointError(f"{path}: the description of the model has {len(text):,} bytes, more than is allowed")
    try:
        described = json.loads(text)
        architecture, dtype = described["architecture"], described["dtype"]
        model = _decode(architecture, known, [])
        if not isinstance(model, model_type) or dtype not in ("float32", "float64"):
            raise CheckpointError(f"{path} is damaged: it describes no model of dtype float32 or float64")
        model.dtype = np.dtype(dtype)  # type: ignore[attr-defined]
        model.build_model(initialise=False, check=file.check)  # type: ignore[attr-defined]
    except CheckpointError as error:
        where = "" if str(path) in str(error) else f"{path}: "
        asked = "" if "custom_layers" in str(error) else _asked(text, known)
        raise CheckpointError(f"{where}{error}{asked}") from error
    except TinynetError as error:
        asked = _asked(text, known)
        raise CheckpointError(f"{path}: the model that it describes cannot be built: {error}{asked}") from error
    except Exception as error:  # a description that makes no sense can fail in any way, as can a class of the user's
        if asked := _asked(text, known):
            raise CheckpointError(f"{path}: the model that it describes cannot be built: {error!r}{asked}") from error
        raise CheckpointError(f"{path} is damaged: its description of the model makes no sense ({error!r})") from error
    return model


def _asked(text: str, known: Mapping[str, Any]) -> str:
    """Ask about what the user gave for the names in a description, if anything: it may not be what was saved."""
    given = [name for name in map(str, known) if not name.startswith("tinynet.") and json.dumps(name) in text]
    under = f"{', '.join(map(repr, given))} in custom_layers"
    return f"; is {under} what was saved under that name? Give the class as it was then" if given else ""


def _decode(value: Any, known: Mapping[str, Any], seen: list[Any]) -> Any:
    if isinstance(value, list):
        return [_decode(v, known, seen) for v in value]
    if not isinstance(value, dict):
        return value
    if "same" in value:
        return seen[value["same"]]
    if "array" in value:
        dtype = np.dtype(value["dtype"])
        if dtype.kind not in "fiub":  # a text or a record may claim any length
            raise CheckpointError(f"the file is damaged: it holds an array of dtype {dtype}")
        return np.asarray(value["array"], dtype)
    if "items" in value:
        return {k: _decode(v, known, seen) for k, v in value["items"].items()}
    if "named" in value:
        return _look_up(value["named"], known)
    place = len(seen)
    seen.append(None)
    made: Callable[..., Any] = _look_up(value["layer"], known)
    if not (isinstance(made, type) and issubclass(made, Layer)):  # an op is known too, but is not for a file to call
        raise CheckpointError(f"the file names {value['layer']!r} as a layer, which is none")
    seen[place] = made(**{k: _decode(v, known, seen) for k, v in value["arguments"].items()})
    return seen[place]


def _look_up(name: Any, known: Mapping[str, Any]) -> Any:
    if name in known:
        return known[name]
    if str(name).startswith("tinynet."):
        raise CheckpointError(f"the file names {name!r}, which this version of tinynet does not have; update tinynet")
    raise CheckpointError(
        f"the file names {name!r}, which is none of tinynet's own; pass it as custom_layers={{{name!r}: ...}}"
    )
