"""Residual connections."""

from __future__ import annotations

from collections.abc import Sequence

from tinynet.core.engine import Tensor
from tinynet.errors import ArgumentError, ShapeError
from tinynet.nn.layer import Layer


class Residual(Layer):
    """Layers with a connection around them: x + layers(x).

    Parameters
    ----------
    layers : sequence of Layer
        Applied in turn.
    shortcut : Layer, optional
        Applied to the input before it is added, such as a `Conv2D` of one pixel if the layers change the channels or
        have a stride.
    name : str, optional
        As for every layer.

    Raises
    ------
    ArgumentError
        If something is not a Layer.
    ShapeError
        When the layer is used, if the two summands have different shapes.

    References
    ----------
    He, Zhang, Ren and Sun, "Deep residual learning for image recognition", CVPR 2016, eq. 1 and 2.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.Residual([tn.Dense(4, "relu"), tn.Dense(3)])(np.ones((2, 3))).shape
    (2, 3)
    """

    kind = "residual"

    def __init__(self, layers: Sequence[Layer], shortcut: Layer | None = None, name: str | None = None) -> None:
        super().__init__(name)
        if not isinstance(layers, list | tuple) or not layers:
            raise ArgumentError(f"Residual: layers must be a list of at least one layer, but got {layers!r}")
        for layer in (*layers, *([] if shortcut is None else [shortcut])):
            if not isinstance(layer, Layer):
                raise ArgumentError(f"Residual: layers and shortcut must be layers, but got {layer!r}")
        self.layers = list(layers)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Add the output of the layers to the input."""
        y = x
        for layer in self.layers:
            y = layer(y)
        around = self.shortcut(x) if self.shortcut else x
        if y.shape != around.shape:
            raise ShapeError(
                f"the layers make samples of shape {y.shape[1:]}, but {'shortcut' if self.shortcut else 'input'} has "
                f"{around.shape[1:]}; the two are added, so pass a shortcut that makes their shapes equal"
            )
        return around + y
