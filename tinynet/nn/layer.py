"""Layers: named parameters and a forward made of ops. No layer has a backward."""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from tinynet.checks import check_integers
from tinynet.core.engine import Tensor, as_tensor
from tinynet.core.spec import Shape, Spec
from tinynet.errors import ArgumentError, ShapeError
from tinynet.nn.initial import Initializer, initializer


@dataclass(frozen=True)
class Building:
    """What a layer needs to know to create its parameters."""

    rng: np.random.Generator
    dtype: np.dtype[Any]
    deferred: bool  # leave the parameters without values: the model places them in one vector


def nested(value: Any, leaf: Callable[[Any], Any]) -> Any:
    """Copy lists, tuples and dicts within each other, with ``leaf(x)`` for all else in them."""
    if type(value) in (list, tuple):
        return type(value)(nested(v, leaf) for v in value)
    return {k: nested(v, leaf) for k, v in value.items()} if type(value) is dict else leaf(value)


def layers_in(value: Any) -> Iterator[Layer]:
    """Yield the layers in lists, tuples and dicts within each other."""
    if isinstance(value, Layer):
        yield value
    elif isinstance(value, list | tuple | dict):
        for part in value.values() if isinstance(value, dict) else value:
            yield from layers_in(part)


_NOT_PARTS = ("arguments", "plans")  # attributes of a layer that are none of its parts, though layers may be in them


class Layer:
    """A part of a network. A subclass has a ``build``, if it has parameters, and a ``forward``.

    ``build(input_shape, rng)`` is called once, with the shape of the input without the batch axis, and calls
    `add_parameter`. ``forward(x)`` is made of ops. Layers that are assigned as attributes, also in lists, tuples and
    dicts, are part of the layer, in the order of assignment; one that stands in two places counts once.

    Parameters
    ----------
    name : str, optional
        The name in tables, files and errors. Unnamed layers are numbered by kind: dense, dense_1, ...

    Examples
    --------
    >>> import tinynet as tn
    >>> class Scale(tn.Layer):
    ...     def build(self, input_shape, rng):
    ...         self.factor = self.add_parameter("factor", input_shape[-1:], lambda shape, rng: 2.0)
    ...     def forward(self, x):
    ...         return x * self.factor
    >>> Scale()(tn.Tensor([[1.0, 3.0]]))
    Tensor([[2., 6.]], requires_grad=True)
    """

    kind: ClassVar[str] = ""  # what unnamed layers are called; the class name in snake case if empty
    title: ClassVar[str] = ""  # the type shown in tables; the class name if empty

    name: str
    given_name: str | None
    arguments: tuple[tuple[Any, ...], dict[str, Any]]
    own_parameters: dict[str, Tensor]  # those of this layer itself, without its sublayers
    initializers: dict[str, Initializer]
    building: Building | None
    owner: weakref.ref[Layer] | None  # the model in whose vector the parameters are
    output_shape: Shape | None  # without the batch axis; known after the first call
    _built: bool

    # The state that every layer has is made here, so that a subclass need not call super().__init__.
    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Make a layer and remember its arguments, by which it is copied and saved."""
        self = super().__new__(cls)
        self.arguments = nested((args, kwargs), lambda x: x.copy() if isinstance(x, np.ndarray) else x)
        self.given_name = None
        self.name = cls.base_name()
        self.own_parameters = {}
        self.initializers = {}
        self.building = None
        self.owner = None
        self.output_shape = None
        self._built = False
        return self

    @classmethod
    def base_name(cls) -> str:
        """Return the name of layers that are not given one, before they are numbered."""
        return cls.kind or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()

    def __init__(self, name: str | None = None) -> None:
        if name is not None and (not isinstance(name, str) or not name or "." in name):
            raise ArgumentError(f"a layer's name must be a text that is not empty and has no dots, but got {name!r}")
        self.given_name = name
        self.name = name or self.name

    def build(self, input_shape: Shape, rng: np.random.Generator) -> None:
        """Create the parameters; called once, before the first forward."""

    def forward(self, x: Tensor) -> Tensor:
        """Compute the output; made of ops."""
        raise NotImplementedError(f"{type(self).__name__} has no forward(x); define it")

    def add_parameter(self, name: str, shape: Sequence[int], init: str | Initializer = "zeros") -> Tensor:
        """Create a parameter; for use in `build`.

        Parameters
        ----------
        name : str
            Unique in the layer; in a model it is called "layer.name".
        shape : sequence of int
            Its shape.
        init : str or callable
            "glorot_uniform", "zeros", or a function of the shape and a random generator that returns the values.

        Returns
        -------
        Tensor
            The parameter.

        Raises
        ------
        ArgumentError
            If the name is taken, or there is no such initializer.
        """
        if not isinstance(name, str) or name in self.own_parameters or not name or "." in name:
            raise ArgumentError(
                f"{self}: a parameter's name must be new in its layer, not empty and without dots, but got {name!r}; "
                f"there are {list(self.own_parameters)} so far"
            )
        function = initializer(str(self), init)
        building = self.building or Building(np.random.default_rng(), np.dtype(np.float32), False)
        parameter = Tensor(
            Spec(check_integers(f"{self}: the shape of {name!r}", shape), building.dtype), requires_grad=True
        )
        if not building.deferred:
            parameter.use_memory(np.empty(parameter.shape, building.dtype))
            parameter.data[...] = function(parameter.shape, building.rng)
        self.initializers[name] = function
        self.own_parameters[name] = parameter
        return parameter

    def sublayers(self) -> Iterator[Layer]:
        """Yield the layers that this one is directly made of, each once, in the order of assignment."""
        parts = [value for name, value in vars(self).items() if name not in _NOT_PARTS]
        yield from {id(layer): layer for layer in layers_in(parts)}.values()

    def walk(self, prefix: str = "") -> Iterator[tuple[str, Layer]]:
        """Yield this layer and all below it with the prefix of their parameters' names; a shared one at each place."""
        yield prefix, self
        for layer in self.sublayers():
            yield from layer.walk(f"{prefix}{layer.name}.")

    def __call__(self, x: Any) -> Tensor:
        """Apply the layer, building it first if this is the first time."""
        x = as_tensor(x)
        try:
            if not self._built:
                self._build(x)
            y = self.forward(x)
        except ShapeError as error:
            if error.located:
                raise
            raise ShapeError(
                f"layer {self} cannot take the output of {x.label or 'the input'}, of shape "
                f"{batch_shape(x.shape[1:])}: {error}",
                located=True,
            ) from error
        if not isinstance(y, Tensor):
            raise ArgumentError(f"forward of layer {self} returned a {type(y).__name__}; it must return a Tensor")
        y.label = f"layer {self}"
        self.output_shape = y.shape[1:]
        return y

    def _build(self, x: Tensor) -> None:
        if self.building is None:
            dtype = x.dtype if x.dtype.kind == "f" else np.dtype(np.float32)
            self.building = Building(np.random.default_rng(), dtype, deferred=False)
        self.own_parameters.clear()  # of a build that failed
        self.build(x.shape[1:], self.building.rng)
        for layer in self.sublayers():
            layer.building = layer.building or self.building
        self._built = True

    def __str__(self) -> str:
        return f"{self.name!r} ({self.title or type(self).__name__})"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"


def batch_shape(shape: Shape | None) -> str:
    """Write the shape of a batch of any size: (None, 28, 28, 1)."""
    return "?" if shape is None else f"({', '.join(map(str, (None, *shape)))}{',' if not shape else ''})"
