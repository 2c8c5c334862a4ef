"""Parts of a trained model: copies of its layers for another model, and values within it."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from tinynet.core.engine import Tensor
from tinynet.core.mode import tracing
from tinynet.core.spec import Spec
from tinynet.core.transaction import within
from tinynet.errors import ArgumentError, CopiedLayersWarning, TraceError
from tinynet.model import Model, Sequential
from tinynet.nn.copies import copy_layer
from tinynet.nn.inner import inner_values, name_of
from tinynet.nn.input import Input
from tinynet.nn.layer import Layer, nested


def _take_copies(model: Sequential) -> None:
    """Replace the layers of a new stack that are part of another model by copies, with a warning."""
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
    model.arguments = nested(model.arguments, instead)  # from which the model is saved
    warnings.warn(
        f"{model} has copies of {len(foreign)} layer{'s' * (len(foreign) > 1)} of model {owners}, with their present "
        "values; neither model changes the other. Give copy.deepcopy(layers) to say that this is meant",
        CopiedLayersWarning,
        stacklevel=3,
    )


def _other_owner(layer: Layer, model: Sequential) -> Layer | None:
    """Return the model that a layer is part of, unless that is part of the new model as a whole."""
    owner = layer.owner() if layer.owner else None
    return None if owner is None or any(owner is other for other in (model, *model.layers)) else owner


Sequential.when_made.append(_take_copies)


class Submodel(Model):
    """A model up to one of its layers; made by `submodel`."""

    kind = "submodel"

    def __init__(self, model: Model, layer: str | Layer, name: str | None = None) -> None:
        if not isinstance(model, Model):
            raise ArgumentError(f"submodel: it is made of a model, but got {model!r}")
        super().__init__(dtype=model.dtype, name=name)
        self.model, self.until = model, name_of(model, layer)

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """Run the model, and return the output of the layer."""
        with inner_values(self.model, self.until) as inner:
            self.model(*inputs, **named)
        if self.until not in inner:
            raise ArgumentError(f"{self}: the forward of {self.model} does not use its layer {self.until!r}")
        return inner[self.until]

    def build_model(self, *arguments: Any, **options: Any) -> Submodel:
        """Build the whole model, with which this one shares its vector and states."""
        self.model.build_model(*arguments, **options)
        for name in ("_theta", "_parameters", "_states", "_spans"):
            setattr(self, name, getattr(self.model, name))
        if self.made is None:
            entries = self.entries().values()
            samples = [Spec((2, *x.shape), np.dtype(np.int64) if x.integers else self.dtype) for x in entries]
            with within(None):
                try:
                    with tracing():
                        self.made = Layer.__call__(self, *map(Tensor, samples))
                except TraceError:  # the forward reads values, so it gets zeros
                    self.made = Layer.__call__(self, *(Tensor(np.zeros(*sample)) for sample in samples))
        return self

    def entries(self) -> dict[str, Input]:
        """Return the inputs of the whole model."""
        return self.model.entries()

    def _refuse(self, *arguments: Any, **options: Any) -> Any:
        """Raise an error: this model is not trained or saved by itself."""
        raise ArgumentError(f"{self} is part of {self.model}: train and save that model")

    fit = save = _refuse


def submodel(model: Model, layer: str | Layer) -> Submodel:
    """Return a model that computes the output of a layer within another model.

    Parameters
    ----------
    model : Model
        The whole model. The new one shares its parameters and states.
    layer : str or Layer
        The layer, or its name as in `Model.parameters`, such as "dense" or "residual.conv2d".

    Returns
    -------
    Model
        It can be called and compiled, and has `predict` and `evaluate`. It cannot be trained or saved by itself.

    Raises
    ------
    ArgumentError
        If the model has no such layer.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> model = tn.Sequential([tn.Input((3,)), tn.Dense(4, "tanh"), tn.Dense(2)], seed=0)
    >>> features = tn.submodel(model, "dense")
    >>> features.predict(np.ones((5, 3))).shape
    (5, 4)
    """
    return Submodel(model, layer)
