"""Refuse layers that replace others after a model was built: they would be neither trained nor saved."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from tinynet.errors import ArgumentError
from tinynet.nn.layer import OWN, Layer, layers_in
from tinynet.nn.network import Network

_stacks: WeakKeyDictionary[Network, list[Any]] = WeakKeyDictionary()  # the layers of each model that has a list of them
_ADVICE = (
    "would be neither trained nor saved; make a new model, such as tn.Sequential([*model.layers[:-1], tn.Dense(5)]), "
    "which takes copies of the layers with their values"
)


def _keep(model: Network) -> None:
    layers = vars(model).get("layers")
    if isinstance(layers, list):
        _stacks[model] = list(layers)


def refuse_replaced(model: Network) -> None:
    """Raise an ArgumentError if the list of a model's layers has changed since the model was built."""
    stack = _stacks.get(model)
    if stack is not None and (len(stack) != len(now := vars(model)["layers"]) or any(map(operator.is_not, stack, now))):
        raise ArgumentError(f"model {model}: its layers have changed since it was built, and new ones {_ADVICE}")


def _refuse_in_attributes(kind: type[Layer]) -> None:
    """Make layers refuse other layers as attributes when their model has been built."""
    set_attribute: Callable[[Any, str, Any], None] = kind.__setattr__

    def __setattr__(self: Layer, name: str, value: Any) -> None:  # noqa: N807
        if isinstance(value, Layer | list | tuple | dict) and name not in OWN:
            owner = self.owner() if self.owner else None
            laid_out = isinstance(owner, Network) and owner._theta is not None
            if laid_out and value is not vars(self).get(name) and any(True for _ in layers_in(value)):
                raise ArgumentError(f"model {owner} is built, and {name} of layer {self} {_ADVICE}")
        set_attribute(self, name, value)

    kind.__setattr__ = __setattr__  # type: ignore[method-assign]


Network.when_laid_out.append(_keep)
_refuse_in_attributes(Layer)
