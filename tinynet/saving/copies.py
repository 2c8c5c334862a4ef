"""Copies of models: their layers are made afresh from their arguments."""

from __future__ import annotations

from typing import Any, TypeVar, cast

import numpy.typing as npt

from tinynet.errors import ArgumentError
from tinynet.model import Model, float_dtype
from tinynet.nn.layer import Layer, nested

L = TypeVar("L", bound=Layer)
M = TypeVar("M", bound=Model)


def clone(layer: L) -> L:
    """Make a layer afresh from the arguments of another, nested layers included; it is not built yet."""
    done: dict[int, Layer] = {}

    def fresh(value: Any) -> Any:
        if not isinstance(value, Layer):
            return value
        if id(value) not in done:
            args, kwargs = nested(value.arguments, fresh)
            done[id(value)] = type(value)(*args, **kwargs)
        return done[id(value)]

    return cast(L, fresh(layer))


def astype(model: M, dtype: npt.DTypeLike) -> M:
    """Copy the model with all parameters converted, such as to "float64" for a gradient check."""
    copy = clone(model)
    copy.dtype = float_dtype(model, dtype)
    copy.build_model(initialise=False).theta[...] = model.theta
    return copy


def _deepcopy(model: M, memo: object) -> M:
    return astype(model, model.dtype) if model._built else clone(model)


def _refuse_to_pickle(model: Model, protocol: object) -> Any:
    raise ArgumentError(f"{model} cannot be pickled; give model.save(path), and elsewhere tn.load(path), instead")


Model.astype = astype
Model.__deepcopy__ = _deepcopy  # type: ignore[attr-defined]
Model.__reduce_ex__ = _refuse_to_pickle  # type: ignore[assignment]
