"""Model files: the architecture as validated metadata of a safetensors file, beside the parameters.

The architecture is how each layer was made: its class and its arguments, nested as the layers are. Reading looks the
classes up in a given table and calls them with the arguments; nothing in a file is executed. Names of tinynet's own
classes and ops begin with "tinynet.", so that a class of the user's is never taken for one of them, or the reverse.
"""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np

from tinynet import ops
from tinynet.autograd import Array, Op, Tensor
from tinynet.errors import ArgumentError, CheckpointError, TinynetError
from tinynet.files import write_atomically
from tinynet.layers import Layer

_FORMAT = "tinynet-model"
_VERSION = 1
_MOST_METADATA = 8 * 2**20  # bytes
_NOT_KEPT = ("rng",)  # where the initial values came from; those in the file replace them

L = TypeVar("L", bound=Layer)


def clone(layer: L) -> L:
    """Make a layer afresh from the arguments of another, nested layers included; it is not built yet."""
    done: dict[int, Layer] = {}

    def fresh(value: Any) -> Any:
        if isinstance(value, Layer):
            if id(value) not in done:
                args, kwargs = value.arguments
                done[id(value)] = type(value)(*fresh(args), **fresh(kwargs))
            return done[id(value)]
        if isinstance(value, list | tuple):
            return type(value)(fresh(v) for v in value)
        if isinstance(value, dict):
            return {k: fresh(v) for k, v in value.items()}
        return value

    return cast(L, fresh(layer))


def write(path: str | os.PathLike[str], model: Layer, parameters: Mapping[str, Tensor]) -> None:
    """Write a model; see `tinynet.model.Model.save`."""
    from safetensors.numpy import save

    metadata = {
        "format": _FORMAT,
        "version": str(_VERSION),
        "model": json.dumps({"architecture": _encode(model, str(model), {}), "dtype": str(_dtype(parameters))}),
    }
    tensors = {name: np.ascontiguousarray(p.data) for name, p in parameters.items()}
    write_atomically(path, save(tensors, metadata))


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


def read(path: str | os.PathLike[str], known: Mapping[str, Any], model_type: type[L]) -> tuple[L, dict[str, Array]]:
    """Read a model and its parameters, checked against each other; see `tinynet.model.load`."""
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no model file {path}")
    try:
        with safe_open(path, framework="numpy") as file:
            model = _decode_model(path, file.metadata() or {}, known, model_type)
            tensors = _read_tensors(path, file, model)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is no safetensors file, or a damaged one: {error}") from error
    return model, tensors


def _decode_model(path: Path, metadata: Mapping[str, str], known: Mapping[str, Any], model_type: type[L]) -> L:
    if metadata.get("format") != _FORMAT:
        raise CheckpointError(
            f"{path} is a safetensors file, but not a model of tinynet's: its metadata has no format {_FORMAT!r}"
        )
    version = metadata.get("version", "")
    if not version.isdecimal() or int(version) < 1:
        raise CheckpointError(f"{path} is damaged: its format version is {version!r}, which is no whole number")
    if int(version) > _VERSION:
        raise CheckpointError(
            f"{path} has format version {version}, but this tinynet reads up to {_VERSION}; update tinynet"
        )
    text = metadata.get("model", "")
    if len(text) > _MOST_METADATA:
        raise CheckpointError(f"{path}: the description of the model has {len(text):,} bytes, more than is allowed")
    try:
        described = json.loads(text)
        architecture, dtype = described["architecture"], described["dtype"]
        model = _decode(architecture, known, [])
        if not isinstance(model, model_type) or dtype not in ("float32", "float64"):
            raise CheckpointError("the file is damaged: it describes no model of dtype float32 or float64")
        model.dtype = np.dtype(dtype)  # type: ignore[attr-defined]
        model.build_model(initialise=False)  # type: ignore[attr-defined]
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    except TinynetError as error:
        raise CheckpointError(f"{path}: the model that it describes cannot be built: {error}") from error
    except Exception as error:  # a description that makes no sense can fail in any way
        raise CheckpointError(f"{path} is damaged: its description of the model makes no sense ({error!r})") from error
    return model


def _decode(value: Any, known: Mapping[str, Any], seen: list[Any]) -> Any:
    if isinstance(value, list):
        return [_decode(v, known, seen) for v in value]
    if not isinstance(value, dict):
        return value
    if "same" in value:
        return seen[value["same"]]
    if "array" in value:
        return np.asarray(value["array"], dtype=value["dtype"])
    if "items" in value:
        return {k: _decode(v, known, seen) for k, v in value["items"].items()}
    if "named" in value:
        return _look_up(value["named"], known)
    place = len(seen)
    seen.append(None)
    made: Callable[..., Any] = _look_up(value["layer"], known)
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


def _read_tensors(path: Path, file: Any, model: Any) -> dict[str, Array]:
    """Read the parameters, once the file is seen to hold just what the architecture needs."""
    expected = {name: (list(p.shape), p.dtype) for name, p in model.parameters.items()}
    names = set(file.keys())
    if names != set(expected):
        missing, extra = sorted(set(expected) - names), sorted(names - set(expected))
        raise CheckpointError(f"{path} does not fit its own architecture: it lacks {missing} and has {extra} besides")
    for name, (shape, dtype) in expected.items():
        part = file.get_slice(name)
        if part.get_shape() != shape or part.get_dtype() != {4: "F32", 8: "F64"}[dtype.itemsize]:
            raise CheckpointError(
                f"{path} does not fit its own architecture: {name} has shape {part.get_shape()} and dtype "
                f"{part.get_dtype()}, expected {shape} in {dtype}"
            )
    return {name: file.get_tensor(name) for name in expected}
