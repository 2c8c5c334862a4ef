"""Outputs of layers within a model, as part of the graph of its output."""

from __future__ import annotations

from collections.abc import Iterator

from tinynet.core.engine import Tensor
from tinynet.core.managed import managed
from tinynet.errors import ArgumentError
from tinynet.nn.layer import Layer, watching
from tinynet.nn.network import Network


def layer_names(model: Network) -> dict[str, Layer]:
    """Return the layers of a model by name; layers within others have names such as "residual.conv2d"."""
    if model.building is None:
        model.build_model()
    return {prefix[:-1]: layer for prefix, layer in model.walk() if prefix}


def name_of(model: Network, layer: str | Layer) -> str:
    """Check that a model has a layer; returns its name."""
    names = layer_names(model)
    found = next((name for name, one in names.items() if name == layer or one is layer), None)
    if found is None:
        raise ArgumentError(f"{model} has no layer {layer!r}; there are {', '.join(names)}")
    return found


@managed
def inner_values(model: Network, *layers: str | Layer) -> Iterator[dict[str, Tensor]]:
    """Keep the outputs of layers within a model when it is called.

    Parameters
    ----------
    model : Model
        The model.
    *layers : str or Layer
        The layers, or their names as in `Model.parameters`, such as "conv2d" or "residual.conv2d"; all by default.

    Yields
    ------
    dict of str to Tensor
        The output of each layer, by name, after the model has been called. The outputs are part of the graph of the
        model's output, so gradients can be taken with respect to them. If a layer is used twice, it is the last output.

    Raises
    ------
    ArgumentError
        If the model has no such layer.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> model = tn.Sequential([tn.Input((3,)), tn.Dense(4, "tanh"), tn.Dense(2)], seed=0)
    >>> with tn.inner_values(model, "dense") as inner:
    ...     scores = model(np.ones((5, 3)))
    >>> inner["dense"].shape
    (5, 4)
    >>> (slope,) = tn.grad(scores[:, 1].sum(), [inner["dense"]])
    >>> np.allclose(slope.data, model.layers[2].weight.data[:, 1])
    True
    """
    names = [name_of(model, layer) for layer in layers] or list(layer_names(model))
    wanted = {id(layer): name for name, layer in layer_names(model).items() if name in names}
    found: dict[str, Tensor] = {}
    before = watching.get()

    def watch(layer: Layer, y: Tensor) -> None:
        if id(layer) in wanted:
            found[wanted[id(layer)]] = y
        if before is not None:
            before(layer, y)

    token = watching.set(watch)
    try:
        yield found
    finally:
        watching.reset(token)
