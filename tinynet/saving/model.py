"""Models in files: `Model.save` and `load`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from tinynet import nn, ops
from tinynet.errors import ArgumentError, CheckpointError, TinynetError
from tinynet.model import Model, Sequential
from tinynet.nn.layer import Layer
from tinynet.nn.replaced import refuse_replaced
from tinynet.saving.description import DescriptionError, UnknownNameError, decode_model
from tinynet.saving.files import write_atomically
from tinynet.saving.modelfile import MOST_METADATA, ModelFile, encoded, opened
from tinynet.saving.places import as_path


def save(model: Model, path: str | os.PathLike[str]) -> None:
    """Save the architecture and the parameters in a safetensors file, whole or not at all.

    Parameters
    ----------
    path : path-like
        The file; an existing one is replaced.

    Raises
    ------
    WriteError
        If the file cannot be written. The old file is then untouched.
    ArgumentError
        If an argument of a layer cannot be put into a file, or a layer was replaced since the model was built.
    """
    refuse_replaced(model)
    write_atomically(as_path("a model file", path), encoded(model, model.leaves))


def load(path: str | os.PathLike[str], custom_layers: Mapping[str, Any] | None = None) -> Model:
    """Load a model that `Model.save` wrote. Nothing in the file is executed.

    Parameters
    ----------
    path : path-like
        The file.
    custom_layers : mapping of str to class, optional
        The layers, models and functions in the file that are not tinynet's own, by name.

    Returns
    -------
    Model
        With its parameters.

    Raises
    ------
    CheckpointError
        If the file is damaged, foreign, of a newer format, or names a layer that is not known.
    FileNotFoundError
        If there is no such file.

    Examples
    --------
    >>> import tempfile, pathlib, tinynet as tn
    >>> model = tn.Sequential([tn.Input((4,)), tn.Dense(2)], seed=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "model.safetensors"
    ...     model.save(path)
    ...     same = tn.load(path)
    >>> bool((same.theta == model.theta).all())
    True
    """
    custom = {} if custom_layers is None else custom_layers
    if not isinstance(custom, Mapping):
        raise ArgumentError(f'custom_layers must map names to classes, such as {{"Scale": Scale}}, but got {custom!r}')
    with opened(as_path("a model file", path)) as file:
        model = _described_model(file, custom)
        for name, leaf in model.leaves.items():
            leaf.memory[...] = file.parameter(name)
    return model


_IMPORTED = "tinynet.ImportedModel"


def _own(text: str) -> dict[str, Any]:
    """Return tinynet's classes and ops by their names in files; those imported late, only if a file names them."""
    classes = [thing for thing in vars(nn).values() if isinstance(thing, type) and issubclass(thing, Layer)]
    own: dict[str, Any] = {f"tinynet.{thing.__name__}": thing for thing in (*classes, Sequential)}
    if json.dumps(_IMPORTED) in text:
        from tinynet.onnx.network.model import ImportedModel

        own[_IMPORTED] = ImportedModel
    return own | {f"tinynet.ops.{name}": getattr(ops, name) for name in ops.__all__}


def _described_model(file: ModelFile, custom: Mapping[str, Any]) -> Model:
    """Make the model that a file describes; errors say what is wrong with the file."""
    path = file.path
    text = file.metadata.get("model", "")
    if len(text) > MOST_METADATA:
        raise CheckpointError(
            f"{path} is damaged: the description of the model has {len(text):,} bytes, more than is allowed"
        )
    doubt = _doubt(text, custom)
    try:
        return _build(file, text, {**custom, **_own(text)})
    except UnknownNameError as error:
        raise CheckpointError(f"{path}: {error}") from error
    except DescriptionError as error:
        raise CheckpointError(f"{path}: {error}{doubt}") from error
    except CheckpointError as error:  # the error already names the file
        raise CheckpointError(f"{error}{doubt}") from error
    except TinynetError as error:
        raise CheckpointError(f"{path}: the model that it describes cannot be built: {error}{doubt}") from error
    except Exception as error:  # an invalid description can fail in any way, and so can a class of the user's
        if doubt:
            raise CheckpointError(f"{path}: the model that it describes cannot be built: {error!r}{doubt}") from error
        raise CheckpointError(f"{path} is damaged: its description of the model makes no sense ({error!r})") from error


def _build(file: ModelFile, text: str, known: Mapping[str, Any]) -> Model:
    model, dtype, frozen = decode_model(text, known)
    if not isinstance(model, Model) or dtype not in ("float32", "float64"):
        raise DescriptionError("the file is damaged: it describes no model of dtype float32 or float64")
    model.dtype = np.dtype(dtype)
    model.build_model(initialise=False, check=file.check)
    for prefix, layer in model.walk():
        if prefix in frozen:
            layer.trainable = False
    return model


def _doubt(text: str, custom: Mapping[str, Any]) -> str:
    """Return a question about the classes that a user passed for names in a description: they may be others."""
    given = [name for name in map(str, custom) if not name.startswith("tinynet.") and json.dumps(name) in text]
    if not given:
        return ""
    names = ", ".join(map(repr, given))
    return f"; is {names} in custom_layers what was saved under that name? Give the class as it was then"


Model.save = save
