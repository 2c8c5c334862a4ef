"""Layers as JSON: the class and the arguments of each layer, nested as the layers are.

The reader looks up the classes in a given table, and calls them with the arguments; nothing in a text is executed.
Names of tinynet's own classes and ops begin with "tinynet.", so that a class of the user's is never confused with one
of them.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from tinynet import ops
from tinynet.core.engine import Op, Tensor
from tinynet.core.spec import Array
from tinynet.errors import ArgumentError, CheckpointError
from tinynet.nn.clone import arguments_of
from tinynet.nn.layer import Layer

_NOT_KEPT = ("rng",)  # arguments for the initial values, which those in the file replace
_KINDS = "fiub"  # the dtypes of arrays; texts and records could claim any length


class DescriptionError(CheckpointError):
    """A description is damaged; the caller adds the path of the file."""


class UnknownNameError(DescriptionError):
    """A description names a class or a function that is not known."""


# --- writing


def describe(model: Layer, parameters: Mapping[str, Tensor | Array]) -> str:
    """Describe a model as JSON, by the classes and arguments of its layers."""
    dtypes = [parameter.dtype for parameter in parameters.values()] or [getattr(model, "dtype", np.dtype(np.float32))]
    described = {"architecture": _encode(model, str(model), {}), "dtype": str(dtypes[0])}
    frozen = [prefix for prefix, layer in model.walk() if not layer.trainable]
    return json.dumps(described | ({"frozen": frozen} if frozen else {}))


def encode(value: Any, where: str) -> str:
    """Write numbers, texts, arrays, lists and dictionaries as JSON; ``where`` is for the error."""
    return json.dumps(_encode(value, where, {}))


def _encode(value: Any, where: str, seen: dict[int, int]) -> Any:
    """Convert a value to a form that JSON can hold; a layer that occurred before becomes a reference."""
    if isinstance(value, Layer):
        return _encode_layer(value, seen)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in _KINDS:
        shape = {} if value.size else {"shape": list(value.shape)}  # the lists do not show the shape then
        return {"array": np.asarray(value).tolist(), "dtype": str(value.dtype), **shape}
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


def _encode_layer(layer: Layer, seen: dict[int, int]) -> Any:
    if id(layer) in seen:
        return {"same": seen[id(layer)]}
    seen[id(layer)] = len(seen)
    args, kwargs = arguments_of(layer)
    made = inspect.signature(layer.__init__)  # type: ignore[misc]  # of the class, it may be that of Layer.__new__
    bound = made.bind(*args, **kwargs).arguments
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    if any(made.parameters[name].kind in variable for name in bound):
        raise ArgumentError(f"{layer}: a layer made with *args or **kwargs cannot be saved; name its arguments")
    kept = {k: _encode(v, f"{layer}, argument {k}", seen) for k, v in bound.items() if k not in _NOT_KEPT}
    name = type(layer).__name__
    own = type(layer).__module__.split(".")[0] == "tinynet"
    return {"layer": f"tinynet.{name}" if own else name, "arguments": kept}


# --- reading


def decode(text: str) -> Any:
    """Read numbers, texts, arrays, lists and dictionaries that `encode` wrote."""
    return _Reader({}).value(json.loads(text))


def decode_model(text: str, known: Mapping[str, Any]) -> tuple[Any, Any, list[str]]:
    """Make a model of its description, with the classes and functions that are known by name.

    Parameters
    ----------
    text : str
        A text that `describe` wrote, or that claims to be one.
    known : mapping of str to object
        All classes and functions that it may name.

    Returns
    -------
    object
        The model, not yet built; or something else.
    object
        The name of its dtype; or something else.
    list of str
        The prefixes of the frozen layers, as `Layer.walk` yields them.

    Raises
    ------
    UnknownNameError
        If it names another class or function.
    DescriptionError
        If it is damaged.
    Exception
        Any other error, if the text is invalid, or a class does not take its arguments.
    """
    described = json.loads(text)
    architecture = described["architecture"]
    dtype = described["dtype"]
    return _Reader(known).value(architecture), dtype, list(described.get("frozen", []))


class _Reader:
    """Converts the results of `_encode` back to values."""

    def __init__(self, known: Mapping[str, Any]) -> None:
        self.known = known
        self.layers: list[Any] = []  # in the order in which they begin; None while a layer is being read

    def value(self, coded: Any) -> Any:
        """Convert to a value."""
        if isinstance(coded, list):
            return [self.value(v) for v in coded]
        if not isinstance(coded, dict):
            return coded
        if "same" in coded:
            return self.layers[coded["same"]]
        if "array" in coded:
            return self._array(coded)
        if "items" in coded:
            return {k: self.value(v) for k, v in coded["items"].items()}
        if "named" in coded:
            return self._look_up(coded["named"])
        return self._layer(coded)

    def _array(self, coded: dict[str, Any]) -> Array:
        dtype = np.dtype(coded["dtype"])
        if dtype.kind not in _KINDS:
            raise DescriptionError(f"the file is damaged: it holds an array of dtype {dtype}")
        array = np.asarray(coded["array"], dtype)
        return array.reshape(coded["shape"]) if "shape" in coded else array

    def _layer(self, coded: dict[str, Any]) -> Layer:
        place = len(self.layers)
        self.layers.append(None)
        kind = self._look_up(coded["layer"])
        if not (isinstance(kind, type) and issubclass(kind, Layer)):  # ops are known, too, but not to be called
            raise DescriptionError(f"the file names {coded['layer']!r} as a layer, which it is not")
        arguments = {k: self.value(v) for k, v in coded["arguments"].items()}
        self.layers[place] = kind(**arguments)
        layer: Layer = self.layers[place]
        return layer

    def _look_up(self, name: Any) -> Any:
        if name in self.known:
            return self.known[name]
        if str(name).startswith("tinynet."):
            raise UnknownNameError(
                f"the file names {name!r}, which this version of tinynet does not have; update tinynet"
            )
        raise UnknownNameError(
            f"the file names {name!r}, which is not one of tinynet's own; pass it as custom_layers={{{name!r}: ...}}"
        )
