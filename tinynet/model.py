"""Models: networks with training, prediction and files."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from tinynet.checks import defined_in
from tinynet.core.engine import Tensor
from tinynet.core.spec import Array
from tinynet.errors import ArgumentError
from tinynet.nn.input import Input
from tinynet.nn.layer import Layer
from tinynet.nn.network import Network
from tinynet.train.loop import fit


class Model(Network):
    """A network whose forward is written by hand; see `Sequential` for a plain stack of layers.

    A subclass assigns its layers as attributes and writes ``forward(x)``; or ``forward(a, b)``, with an `Input` for
    each argument among the layers, in this order. It returns a Tensor, or several in a tuple, list or dict.

    All parameters are views into one flat vector, ``theta``, which is never replaced: an update, a copy, a trial step
    of a line search is one operation on one array.

    Parameters
    ----------
    input_shape : sequence of int, optional
        The shape of one sample. Not needed if an `Input` is among the layers, which ``forward`` then calls.
    seed : int, optional
        The seed of the initial parameters; the same seed leads to the same bits.
    dtype : {"float32", "float64"}
        The dtype of the parameters and of all computations.
    rng : numpy.random.Generator, optional
        A generator for the initial parameters, instead of a seed.
    name : str, optional
        As for every layer.

    Raises
    ------
    ArgumentError
        If an argument is not one of the above.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> class Twice(tn.Model):
    ...     def __init__(self):
    ...         super().__init__(input_shape=(3,), seed=0)
    ...         self.dense = tn.Dense(3, activation="tanh")
    ...     def forward(self, x):
    ...         return self.dense(self.dense(x))
    >>> model = Twice()
    >>> model.theta.shape, model.predict(np.zeros((2, 3))).shape
    ((12,), (2, 3))
    """

    fit = fit

    evaluate: ClassVar[Callable[..., dict[str, float]]] = defined_in("tinynet.train.inference")
    predict: ClassVar[Callable[..., Array]] = defined_in("tinynet.train.inference")
    summary: ClassVar[Callable[[Model], None]] = defined_in("tinynet.inspection.summary")
    save: ClassVar[Callable[[Model, str | os.PathLike[str]], None]] = defined_in("tinynet.saving.model")
    astype: ClassVar[Callable[[Model, npt.DTypeLike], Any]] = defined_in("tinynet.saving.copies")


class Sequential(Model):
    """A stack of layers, each of which takes the output of the one before.

    Parameters
    ----------
    layers : sequence of Layer
        At least one; the first may be an `Input`. Layers that are part of another model are copied with their values,
        and a `tinynet.errors.CopiedLayersWarning` says so.
    input_shape, seed, dtype, rng, name
        As for `Model`; the input shape is not needed if the first layer is an `Input`.

    Raises
    ------
    ArgumentError
        If a layer is not a Layer, an Input is not the first layer, or two layers have the same name.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> model = tn.Sequential([tn.Input((28, 28, 1), scale=1 / 255), tn.Flatten(), tn.Dense(10)], seed=0)
    >>> model.predict(np.zeros((5, 28, 28), dtype=np.uint8)).shape
    (5, 10)
    """

    kind = "sequential"

    when_made: ClassVar[list[Callable[[Sequential], None]]] = []  # called with each new Sequential

    def __init__(
        self,
        layers: Sequence[Layer],
        input_shape: Sequence[int] | None = None,
        seed: int | None = None,
        dtype: npt.DTypeLike = "float32",
        rng: np.random.Generator | None = None,
        name: str | None = None,
    ) -> None:
        if not isinstance(layers, list | tuple):
            raise ArgumentError(f"Sequential: the layers must be given in one list, but got {layers!r}")
        self.layers = list(layers)
        for i, layer in enumerate(self.layers):
            if not isinstance(layer, Layer):
                hint = "; write its parentheses" if isinstance(layer, type) else ""
                raise ArgumentError(f"Sequential: layer {i} must be a Layer, but is {layer!r}{hint}")
            if isinstance(layer, Input) and i > 0:
                raise ArgumentError(f"Sequential: an Input must be the first layer, but is number {i}")
        if not self.layers:
            raise ArgumentError("Sequential: there must be at least one layer, but the list is empty")
        starts = isinstance(self.layers[0], Input)
        if starts and input_shape is not None:
            raise ArgumentError("Sequential: the first layer is an Input, so leave out input_shape")
        super().__init__(input_shape, seed, dtype, rng, name)
        for complete in self.when_made:
            complete(self)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layers in turn."""
        for layer in self.layers:
            x = layer(x)
        return x
