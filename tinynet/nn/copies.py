"""Copies of layers with their values."""

from __future__ import annotations

import copy
from typing import Any, TypeVar, cast

import numpy as np

from tinynet.core.engine import Tensor
from tinynet.nn.input import Input
from tinynet.nn.layer import Building, Layer, nested
from tinynet.nn.network import Network

L = TypeVar("L", bound=Layer)

_OF_THE_MODEL = {"owner", "plans", "made", "_theta", "_parameters", "_states", "_spans", "_watched"}


def copy_layer(layer: L, dtype: np.dtype[Any] | None = None, done: dict[int, Any] | None = None) -> L:
    """Copy a layer with its parameters, states and settings; the copy is part of no model.

    Parameters
    ----------
    layer : Layer
        Built or not.
    dtype : dtype, optional
        Parameters and states that have the dtype of the layer's model are converted to this one; by default they are
        not.
    done : dict, optional
        Copies made so far, by the identity of the originals, so that shared objects stay shared.

    Returns
    -------
    Layer
        The copy.
    """
    made: dict[int, Any] = {} if done is None else done
    before = layer.building.dtype if layer.building else np.dtype(np.float32)

    def part(value: Any) -> Any:
        if isinstance(value, Layer):
            return copy_layer(value, dtype, made)
        if isinstance(value, Tensor) and value.node is None and not value.symbolic:
            made.setdefault(id(value), _copy_leaf(value, before, dtype))
        elif isinstance(value, np.random.Generator) or (isinstance(value, np.ndarray) and value.flags.writeable):
            made.setdefault(id(value), copy.deepcopy(value))
        return made.get(id(value), value)

    if id(layer) not in made:
        args, kwargs = layer.arguments
        made[id(layer)] = new = type(layer).__new__(type(layer), *args, **kwargs)
        vars(new).update({k: nested(v, part) for k, v in vars(layer).items() if k not in (*_OF_THE_MODEL, "building")})
        own_input = isinstance(new, Network) and any(isinstance(inner, Input) for _, inner in new.walk())
        if not own_input:  # a model with an input builds itself
            new.building = Building(np.random.default_rng(), before if dtype is None else dtype, deferred=False)
    return cast(L, made[id(layer)])


def _copy_leaf(leaf: Tensor, before: np.dtype[Any], dtype: np.dtype[Any] | None) -> Tensor:
    """Copy a parameter, a state, or another leaf of a layer."""
    to = dtype if dtype is not None and leaf.dtype == before else leaf.dtype
    new = type(leaf)(leaf.memory.astype(to))
    new.requires_grad = leaf.requires_grad
    return new


def _deepcopy(layer: L, memo: dict[int, Any]) -> L:
    return copy_layer(layer, done=memo)


Layer.__deepcopy__ = _deepcopy  # type: ignore[attr-defined]
