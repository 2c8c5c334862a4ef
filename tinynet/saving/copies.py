"""Copies of models, whose layers are made again from their arguments."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy.typing as npt

from tinynet.errors import ArgumentError
from tinynet.model import Model
from tinynet.nn.clone import clone
from tinynet.nn.copies import copy_layer
from tinynet.nn.network import float_dtype

M = TypeVar("M", bound=Model)


def astype(model: M, dtype: npt.DTypeLike) -> M:
    """Copy the model with all parameters converted, for example to "float64" for a gradient check."""
    copy = clone(model)
    copy.dtype = float_dtype(model, dtype)
    copy.build_model(initialise=False)
    for name, leaf in model.leaves.items():
        copy.leaves[name].memory[...] = leaf.memory
    return _frozen_alike(copy, model)


def _frozen_alike(copy: M, model: M) -> M:
    for (_, layer), (_, own) in zip(model.walk(), copy.walk(), strict=True):
        own._trainable = layer._trainable
    return copy


def _deepcopy(model: M, memo: dict[int, Any]) -> M:
    if model._built and model.building is not None:  # it is a layer of another model
        return copy_layer(model, done=memo)
    return astype(model, model.dtype) if model._built else _frozen_alike(clone(model), model)


def _refuse_to_pickle(model: Model, protocol: object) -> Any:
    raise ArgumentError(f"{model} cannot be pickled; give model.save(path), and elsewhere tn.load(path), instead")


Model.astype = astype
Model.__deepcopy__ = _deepcopy  # type: ignore[attr-defined]
Model.__reduce_ex__ = _refuse_to_pickle  # type: ignore[assignment]
