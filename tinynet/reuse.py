"""What is taken from a trained model for another one: its layers, as copies."""

from __future__ import annotations

import warnings
from typing import Any

from tinynet.errors import CopiedLayersWarning
from tinynet.model import Sequential
from tinynet.nn.copies import copy_layer
from tinynet.nn.layer import Layer, nested


def _take_copies(model: Sequential) -> None:
    """Replace the layers of a new stack that are part of another model by copies, and say so."""
    foreign = {id(layer): layer for layer in model.layers if _other_owner(layer, model) is not None}
    if not foreign:
        return
    made: dict[int, Any] = {}
    for layer in foreign.values():
        copy_layer(layer, model.dtype, made)

    def instead(value: Any) -> Any:
        return made.get(id(value), value) if isinstance(value, Layer) else value

    owners = " and ".join(dict.fromkeys(str(_other_owner(layer, model)) for layer in foreign.values()))
    model.layers = [instead(layer) for layer in model.layers]
    model.arguments = nested(model.arguments, instead)  # by which the model is saved
    warnings.warn(
        f"{model} has copies of {len(foreign)} layer{'s' * (len(foreign) > 1)} of model {owners}, with the values of "
        "now; neither model changes the other. Give copy.deepcopy(layers) to say that this is meant",
        CopiedLayersWarning,
        stacklevel=3,
    )


def _other_owner(layer: Layer, model: Sequential) -> Layer | None:
    """Return the model that a layer is part of, unless that comes into the new model as a whole."""
    owner = layer.owner() if layer.owner else None
    return None if owner is None or any(owner is other for other in (model, *model.layers)) else owner


Sequential.when_made.append(_take_copies)
