"""Layers: named parameters and a forward made of ops. No layer has a backward."""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
import numpy.typing as npt

from tinynet.checks import check_integers
from tinynet.core.engine import Tensor, as_tensor
from tinynet.core.mode import _transaction, note_change
from tinynet.core.spec import Shape, Spec
from tinynet.core.transaction import State
from tinynet.errors import ArgumentError, ShapeError
from tinynet.nn.initial import Initializer, initializer

T = TypeVar("T", bound=Tensor)

# While set, called with each layer and its output after every forward; see `tinynet.nn.inner`.
watching: ContextVar[Callable[[Layer, Tensor], None] | None] = ContextVar("tinynet_watching", default=None)


@dataclass(frozen=True)
class Building:
    """What a layer needs to know to create its parameters."""

    rng: np.random.Generator
    dtype: np.dtype[Any]
    deferred: bool  # leave the parameters without values: the model places them in one vector


def nested(value: Any, leaf: Callable[[Any], Any]) -> Any:
    """Copy lists, tuples and dicts, however they are nested, with ``leaf(x)`` in place of every other value x."""
    if type(value) in (list, tuple):
        return type(value)(nested(v, leaf) for v in value)
    return {k: nested(v, leaf) for k, v in value.items()} if type(value) is dict else leaf(value)


def layers_in(value: Any) -> Iterator[Layer]:
    """Yield the layers in lists, tuples and dicts, however they are nested."""
    if isinstance(value, Layer):
        yield value
    elif isinstance(value, list | tuple | dict):
        for part in value.values() if isinstance(value, dict) else value:
            yield from layers_in(part)


# Attributes in which `sublayers` does not look for layers.
_NOT_PARTS = {"arguments", "plans", "made", "own_parameters", "own_states", "initializers", "_watched"}

# Attributes of layers and models on which no plan depends. If any other one is set, plans are checked again.
OWN = {"arguments", "given_name", "name", "own_parameters", "own_states", "initializers", "undecayed", "building"}
OWN |= {"owner", "output_shape", "plans", "made", "fitted_loss", "rng", "_built", "_implied_input", "_theta"}
OWN |= {"_parameters", "_states", "_spans", "_watched"}


class Layer:
    """A part of a network. A subclass has a ``forward``, and a ``build`` if it has parameters.

    ``build(input_shape, rng)`` is called once, with the shape of the input without the batch axis, and calls
    `add_parameter`. ``forward(x)`` is made of ops. Layers that are assigned as attributes, also in lists, tuples and
    dicts, are part of the layer, in the order of assignment. A layer that is assigned twice counts once.

    A layer of several tensors has a ``forward(a, b)`` and is called as ``layer(a, b)``; its ``build`` gets a tuple of
    their shapes. Arguments by name are passed only to ``forward``, and are not converted.

    Parameters
    ----------
    name : str, optional
        The name in tables, files and errors. Unnamed layers are numbered by type: dense, dense_1, ...

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

    kind: ClassVar[str] = ""  # the name of unnamed layers; the class name in snake case if empty
    title: ClassVar[str] = ""  # the type shown in tables; the class name if empty

    check_call: ClassVar[Callable[..., None]] = lambda *call: None  # `tinynet.nn.calls` puts a check here

    given_name: str | None = None
    building: Building | None = None
    owner: weakref.ref[Layer] | None = None  # the model whose vector holds the parameters
    output_shape: Any = None  # without the batch axis, nested as the outputs are; known after the first call
    _built: bool = False
    _trainable: bool = True

    name: str
    arguments: tuple[tuple[Any, ...], dict[str, Any]]
    own_parameters: dict[str, Tensor]  # those of this layer itself, without its sublayers
    own_states: dict[str, State]
    undecayed: set[str]  # the names of parameters that weight decay may leave out
    initializers: dict[str, Initializer]

    # The attributes of each layer are made here, so that a subclass need not call super().__init__.
    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Make a layer and remember its arguments, from which it is copied and saved."""
        self = super().__new__(cls)
        self.arguments = nested((args, kwargs), lambda x: x.copy() if isinstance(x, np.ndarray) else x)
        self.name = cls.base_name()
        self.own_parameters = {}
        self.own_states = {}
        self.undecayed = set()
        self.initializers = {}
        return self

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        if name not in OWN:
            note_change()  # plans may depend on it

    @classmethod
    def base_name(cls) -> str:
        """Return the name of unnamed layers, before they are numbered."""
        return cls.kind or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()

    def __init__(self, name: str | None = None) -> None:
        if name is not None and (not isinstance(name, str) or not name or "." in name):
            raise ArgumentError(f"a layer's name must be a text that is not empty and has no dots, but got {name!r}")
        self.given_name = name
        self.name = name or self.name

    def build(self, input_shape: Any, rng: np.random.Generator) -> None:
        """Create the parameters; called once, before the first forward."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output; made of ops."""
        raise NotImplementedError(f"{type(self).__name__} has no forward(x); define it")

    @property
    def trainable(self) -> bool:
        """Whether training changes the parameters; setting it also sets it for all layers within.

        Frozen parameters keep every bit, also with momentum and weight decay. A frozen `BatchNorm` normalises by its
        running means, as in inference.
        """
        return self._trainable

    @trainable.setter
    def trainable(self, trainable: bool) -> None:
        for _, layer in self.walk():
            layer._trainable = bool(trainable)

    def add_parameter(
        self, name: str, shape: Sequence[int], init: str | Initializer = "zeros", decay: bool = True
    ) -> Tensor:
        """Create a parameter; for use in `build`.

        Parameters
        ----------
        name : str
            Unique in the layer; in a model it is called "layer.name".
        shape : sequence of int
            Its shape.
        init : str or callable
            A name, such as "glorot_uniform", "he_normal" or "zeros" (see `Dense`), or a function of the shape and a
            random generator that returns the values.
        decay : bool
            Whether optimizers with ``decay="weights"`` decay it. Pass False for a bias.

        Returns
        -------
        Tensor
            The parameter.

        Raises
        ------
        ArgumentError
            If the name is taken, or there is no such initializer.
        """
        parameter = self.own_parameters[name] = self._new_leaf(Tensor, name, shape, init)
        parameter.requires_grad = True
        if not decay:
            self.undecayed.add(name)
        return parameter

    def add_state(
        self,
        name: str,
        shape: Sequence[int],
        init: str | Initializer = "zeros",
        dtype: npt.DTypeLike | None = None,
    ) -> State:
        """Create a state, which the layer keeps and nobody trains, such as a running mean; for use in `build`.

        Parameters
        ----------
        name, shape, init
            As for `add_parameter`.
        dtype : dtype_like, optional
            By default that of the parameters; integers and bools are allowed, too.

        Returns
        -------
        State
            A tensor with a method ``assign``, which sets a new value in a step of training. It is saved, copied and
            kept in checkpoints, as parameters are.

        Raises
        ------
        ArgumentError
            If the name is taken, or there is no such initializer.
        """
        state = self.own_states[name] = self._new_leaf(State, name, shape, init, dtype)
        return state

    def _new_leaf(
        self,
        leaf_type: type[T],
        name: str,
        shape: Sequence[int],
        init: str | Initializer,
        dtype: npt.DTypeLike | None = None,
    ) -> T:
        """Make a parameter or a state; it gets its initial values here, or when the model has placed it in memory."""
        taken = [*self.own_parameters, *self.own_states]
        if not isinstance(name, str) or name in taken or not name or "." in name:
            raise ArgumentError(
                f"{self}: a parameter's name must be new in its layer, not empty and without dots, but got {name!r}; "
                f"there are {taken} so far"
            )
        building = self.building or Building(np.random.default_rng(), np.dtype(np.float32), False)
        sizes = check_integers(f"{self}: the shape of {name!r}", shape)
        leaf = leaf_type(Spec(sizes, building.dtype if dtype is None else np.dtype(dtype)))
        function = self.initializers[name] = initializer(str(self), init)
        if not building.deferred:
            leaf.use_memory(np.empty(leaf.shape, leaf.dtype))
            leaf.memory[...] = function(leaf.shape, building.rng)
        return leaf

    def sublayers(self) -> Iterator[Layer]:
        """Yield the layers that are assigned to this one, each once, in the order of assignment."""
        parts = [value for name, value in vars(self).items() if name not in _NOT_PARTS]
        yield from {id(layer): layer for layer in layers_in(parts)}.values()

    def walk(self, prefix: str = "") -> Iterator[tuple[str, Layer]]:
        """Yield this layer and all within, each with the prefix of its parameters' names; a shared one each time."""
        yield prefix, self
        for layer in self.sublayers():
            yield from layer.walk(f"{prefix}{layer.name}.")

    def __call__(self, x: Any, *others: Any, **named: Any) -> Any:
        """Apply the layer to one tensor or several, building it first if this is the first time."""
        inputs = (as_tensor(x), *map(as_tensor, others))
        transaction = _transaction.get()
        if transaction is not None:
            transaction.enter(self)
        try:
            if not self._built:
                self.check_call(inputs, named)
                self._build(inputs)
            y = self.forward(*inputs, **named)
        except ShapeError as error:
            if error.located:
                raise
            came = [f"the output of {x.label or 'the input'}, of shape {batch_shape(x.shape[1:])}" for x in inputs]
            raise ShapeError(f"layer {self} cannot take {' and '.join(came)}: {error}", located=True) from error
        except TypeError:
            self.check_call(inputs, named)
            raise
        finally:
            if transaction is not None:
                transaction.path.pop()
        vars(self)["output_shape"] = nested(y, self._label_output)  # past __setattr__, since no plan depends on it
        if (watch := watching.get()) is not None:
            watch(self, y)
        return y

    def _label_output(self, y: Any) -> Shape:
        """Check an output of forward, and label it for errors; returns its shape without the batch axis."""
        if not isinstance(y, Tensor):
            raise ArgumentError(
                f"forward of layer {self} returned a {type(y).__name__}; it must return a Tensor, or several in a "
                "tuple, list or dict"
            )
        y.label = f"layer {self}"
        return y.shape[1:]

    def _build(self, inputs: Sequence[Tensor]) -> None:
        if self.building is None:
            floating = [x.dtype for x in inputs if x.dtype.kind == "f"]
            self.building = Building(np.random.default_rng(), (*floating, np.dtype(np.float32))[0], deferred=False)
        self.own_parameters.clear()  # a build that failed may have left some
        self.own_states.clear()
        shapes = tuple(x.shape[1:] for x in inputs)
        self.build(shapes if len(shapes) > 1 else shapes[0], self.building.rng)
        for layer in self.sublayers():
            layer.building = layer.building or self.building
        if not self.trainable:  # also the layers that build has made
            self.trainable = False
        self._built = True

    def __str__(self) -> str:
        return f"{self.name!r} ({self.title or type(self).__name__})"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"


def batch_shape(shape: Shape | None) -> str:
    """Write the shape of a batch of any size: (None, 28, 28, 1)."""
    return "?" if shape is None else f"({', '.join(map(str, (None, *shape)))}{',' if not shape else ''})"
