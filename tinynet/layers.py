"""Layers: named parameters and a forward made of ops. No layer has a backward."""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from tinynet import ops
from tinynet.autograd import Shape, Spec, Tensor, as_tensor
from tinynet.errors import ArgumentError, ShapeError
from tinynet.init import Initializer, initializer
from tinynet.ops.conv import pair

Activation = str | Callable[[Tensor], Tensor] | None
_activations: dict[str, Callable[[Any], Tensor]] = {
    "relu": ops.relu,
    "sigmoid": ops.sigmoid,
    "tanh": ops.tanh,
    "softmax": ops.softmax,
}


@dataclass(frozen=True)
class Building:
    """What a layer needs to know to create its parameters."""

    rng: np.random.Generator
    dtype: np.dtype[Any]
    deferred: bool  # leave the parameters without values: the model gives them their places in one vector


def nested(value: Any, leaf: Callable[[Any], Any]) -> Any:
    """Copy lists, tuples and dicts within each other, with ``leaf(x)`` for all else in them."""
    if type(value) in (list, tuple):
        return type(value)(nested(v, leaf) for v in value)
    return {k: nested(v, leaf) for k, v in value.items()} if type(value) is dict else leaf(value)


class Layer:
    """A part of a network. A subclass has a ``build``, if it has parameters, and a ``forward``.

    ``build(input_shape, rng)`` is called once, with the shape of the input without the batch axis, and calls
    `add_parameter`. ``forward(x)`` is made of ops. Layers that are assigned as attributes (or in a list or tuple) are
    part of the layer, in the order of assignment; one that stands in two places counts once.

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
        """Give the name of layers that are not given one, before they are numbered."""
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
            "glorot_uniform", "zeros", or a function of the shape and a random generator that gives the values.

        Returns
        -------
        Tensor
            The parameter.

        Raises
        ------
        ArgumentError
            If the name is taken, or there is no such initializer.
        """
        if name in self.own_parameters or not name or "." in name:
            raise ArgumentError(
                f"{self}: a parameter's name must be new in its layer, not empty and without dots, but got {name!r}; "
                f"there are {list(self.own_parameters)} so far"
            )
        function = initializer(str(self), init)
        building = self.building or Building(np.random.default_rng(), np.dtype(np.float32), False)
        parameter = Tensor(Spec(tuple(int(n) for n in shape), building.dtype), requires_grad=True)
        if not building.deferred:
            parameter.bind(np.empty(parameter.shape, building.dtype))
            parameter.data[...] = function(parameter.shape, building.rng)
        self.initializers[name] = function
        self.own_parameters[name] = parameter
        return parameter

    def sublayers(self) -> Iterator[Layer]:
        """Give the layers that this one is directly made of, each once, in the order of assignment."""
        seen: set[int] = set()
        for value in vars(self).values():
            for layer in value if isinstance(value, list | tuple) else (value,):
                if isinstance(layer, Layer) and id(layer) not in seen:
                    seen.add(id(layer))
                    yield layer

    def walk(self, prefix: str = "") -> Iterator[tuple[str, Layer]]:
        """Give this layer and all below it with the prefix of their parameters' names; a shared one at each place."""
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
            raise ArgumentError(f"forward of layer {self} gave a {type(y).__name__}; it must give a Tensor")
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


def _count(owner: str, argument: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ArgumentError(f"{owner}: {argument} must be an integer of 1 or more, but got {value!r}")
    return int(value)


def _activation(owner: str, activation: Activation) -> Callable[[Tensor], Tensor] | None:
    if activation is None or (callable(activation) and not isinstance(activation, str)):
        return activation
    if activation not in _activations:
        names = ", ".join(f'"{name}"' for name in _activations)
        raise ArgumentError(f"{owner}: activation must be None, {names} or a function of ops, but got {activation!r}")
    return _activations[activation]


class Input(Layer):
    """What the network sees: ``(x - shift) * scale``, as part of the model.

    Parameters
    ----------
    shape : sequence of int
        The shape of one sample, such as (28, 28, 1). Where it ends in one channel, samples without that axis are taken.
    shift, scale : array_like
        Numbers, or arrays that broadcast over ``shape``.
    name : str, optional
        As for every layer.

    Raises
    ------
    ArgumentError, ShapeError
        If a length is not 1 or more, or shift or scale is not finite or does not broadcast over the shape.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.Input((2,), scale=1 / 255)(np.array([[0, 255]], dtype=np.uint8))
    Tensor([[0., 1.]], dtype=float32)
    """

    kind = "input"
    title = "InputLayer"

    def __init__(
        self,
        shape: Sequence[int],
        shift: npt.ArrayLike = 0.0,
        scale: npt.ArrayLike = 1.0,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        if isinstance(shape, int | np.integer | str):
            raise ArgumentError(f"Input: shape must be a sequence of integers, such as ({shape!r},), but got {shape!r}")
        self.shape = tuple(_count("Input", "each length of the shape", n) for n in shape)
        self.shift, self.scale = (self._constant(n, value) for n, value in (("shift", shift), ("scale", scale)))

    def _constant(self, argument: str, value: npt.ArrayLike) -> npt.NDArray[np.float64]:
        array = np.array(value, dtype=np.float64)
        array.flags.writeable = False  # a plan has made it part of a kernel call
        if not np.isfinite(array).all():
            raise ArgumentError(f"Input: {argument} must be finite, but has NaN or infinite values")
        try:
            fits = np.broadcast_shapes(array.shape, self.shape) == self.shape
        except ValueError:
            fits = False
        if not fits:
            raise ShapeError(f"Input: {argument} of shape {array.shape} does not broadcast over {self.shape}")
        return array

    def check(self, shape: Shape) -> None:
        """Raise a ShapeError if a batch of this shape is none of this input's."""
        fits = shape[1:] == self.shape or (self.shape[-1:] == (1,) and shape[1:] == self.shape[:-1])
        if not fits or not shape:
            short = f" or {('n', *self.shape[:-1])}" if self.shape[-1:] == (1,) else ""
            raise ShapeError(
                f"layer {self} takes samples of shape {self.shape}, so x must have shape {('n', *self.shape)}{short}, "
                f"but has {shape}".replace("'n'", "n"),
                located=True,
            )

    def forward(self, x: Tensor) -> Tensor:
        """Convert to the model's dtype, then shift and scale."""
        self.check(x.shape)
        assert self.building is not None
        x = ops.cast(ops.reshape(x, (x.shape[0], *self.shape)), self.building.dtype)
        for constant, op, neutral in ((self.shift, ops.subtract, 0.0), (self.scale, ops.multiply, 1.0)):
            if constant.ndim or constant != neutral:
                x = op(x, constant.astype(x.dtype))
        return x


class Dense(Layer):
    """A matrix product with a bias: y = activation(x W + b).

    Parameters
    ----------
    units : int
        The number of outputs.
    activation : {"relu", "sigmoid", "tanh", "softmax"}, callable or None
        Applied last.
    use_bias : bool
        Whether there is a b.
    kernel_init : {"glorot_uniform", "zeros"} or callable
        The initial W; b starts at zero.
    name : str, optional
        As for every layer.

    Raises
    ------
    ArgumentError
        If an argument is none of the above.

    Notes
    -----
    Parameters are "weight" (IN, OUT) and "bias" (OUT,). The input is (n, IN), or (n, ..., IN), where the product goes
    over the last axis.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.Dense(3, activation="relu")(np.ones((2, 4))).shape
    (2, 3)
    """

    kind = "dense"

    def __init__(
        self,
        units: int,
        activation: Activation = None,
        use_bias: bool = True,
        kernel_init: str | Initializer = "glorot_uniform",
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.units = _count("Dense", "units", units)
        self.activation = _activation("Dense", activation)
        self.use_bias = bool(use_bias)
        self.kernel_init = initializer("Dense", kernel_init)

    def build(self, input_shape: Shape, rng: np.random.Generator) -> None:
        """Create the weight and the bias."""
        if not input_shape:
            raise ShapeError("Dense takes samples with at least one axis, (n, features)")
        self.weight = self.add_parameter("weight", (input_shape[-1], self.units), self.kernel_init)
        if self.use_bias:
            self.bias = self.add_parameter("bias", (self.units,))

    def forward(self, x: Tensor) -> Tensor:
        """Compute activation(x W + b)."""
        rows = x if x.ndim == 2 else x.reshape(-1, x.shape[-1])
        y = rows @ self.weight
        y = y + self.bias if self.use_bias else y
        y = y if x.ndim == 2 else y.reshape(*x.shape[:-1], self.units)
        return self.activation(y) if self.activation else y


class Conv2D(Layer):
    """Convolution of images (n, H, W, C) with a bias: y = activation(x * w + b).

    Parameters
    ----------
    filters : int
        The number of output channels.
    kernel_size : int or (int, int)
        The height and width of the filters.
    stride : int or (int, int)
        The step between windows.
    padding : {"valid", "same"}
        No padding; or zeros around the image, so that the output has ceil(H / stride) rows. The odd zero goes after.
    activation, use_bias, kernel_init, name
        As for `Dense`.

    Raises
    ------
    ArgumentError
        If an argument is none of the above.

    Notes
    -----
    Parameters are "weight" (KH, KW, C, F) and "bias" (F,).

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.Conv2D(8, 3, padding="same")(np.ones((1, 5, 5, 2))).shape
    (1, 5, 5, 8)
    """

    kind = "conv2d"

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: str = "valid",
        activation: Activation = None,
        use_bias: bool = True,
        kernel_init: str | Initializer = "glorot_uniform",
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.filters = _count("Conv2D", "filters", filters)
        self.kernel_size = pair("Conv2D", "kernel_size", kernel_size)
        self.stride = pair("Conv2D", "stride", stride)
        if padding not in ("valid", "same"):
            raise ArgumentError(f'Conv2D: padding must be "valid" or "same", but got {padding!r}')
        self.padding = padding
        self.activation = _activation("Conv2D", activation)
        self.use_bias = bool(use_bias)
        self.kernel_init = initializer("Conv2D", kernel_init)

    def build(self, input_shape: Shape, rng: np.random.Generator) -> None:
        """Create the weight and the bias."""
        _check_images("Conv2D", input_shape)
        self.weight = self.add_parameter("weight", (*self.kernel_size, input_shape[2], self.filters), self.kernel_init)
        if self.use_bias:
            self.bias = self.add_parameter("bias", (self.filters,))

    def forward(self, x: Tensor) -> Tensor:
        """Compute activation(x * w + b)."""
        y = ops.conv2d(x, self.weight, self.stride, self.padding)
        y = y + self.bias if self.use_bias else y
        return self.activation(y) if self.activation else y


class MaxPool(Layer):
    """The maximum of each window of images (n, H, W, C).

    Parameters
    ----------
    pool_size : int or (int, int)
        The height and width of the windows.
    stride : int or (int, int), optional
        The step between windows; the window itself by default. Windows may overlap.
    name : str, optional
        As for every layer.

    Raises
    ------
    ArgumentError
        If a size is not 1 or more.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.MaxPool(2)(np.ones((1, 6, 6, 3))).shape
    (1, 3, 3, 3)
    """

    kind = "max_pooling2d"

    def __init__(
        self,
        pool_size: int | tuple[int, int] = 2,
        stride: int | tuple[int, int] | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.pool_size = pair("MaxPool", "pool_size", pool_size)
        self.stride = self.pool_size if stride is None else pair("MaxPool", "stride", stride)

    def build(self, input_shape: Shape, rng: np.random.Generator) -> None:
        """Check that the input is images."""
        _check_images("MaxPool", input_shape)

    def forward(self, x: Tensor) -> Tensor:
        """Take the maxima."""
        return ops.max_pool(x, self.pool_size, self.stride)


def _check_images(owner: str, input_shape: Shape) -> None:
    if len(input_shape) != 3:
        raise ShapeError(f"{owner} takes images with the axes (n, H, W, C), not {len(input_shape) + 1} axes")


class Flatten(Layer):
    """All values of a sample in one row.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.Flatten()(np.ones((2, 3, 4))).shape
    (2, 12)
    """

    kind = "flatten"

    def forward(self, x: Tensor) -> Tensor:
        """Reshape to (n, values)."""
        return x.reshape(x.shape[0], -1)


class ReLU(Layer):
    """max(x, 0), as a layer of its own.

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.ReLU()([[-1.0, 2.0]])
    Tensor([[0., 2.]])
    """

    kind = "re_lu"

    def forward(self, x: Tensor) -> Tensor:
        """Apply the op."""
        return ops.relu(x)


class Sigmoid(Layer):
    """1 / (1 + exp(-x)), as a layer of its own.

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.Sigmoid()([[0.0]])
    Tensor([[0.5]])
    """

    kind = "sigmoid"

    def forward(self, x: Tensor) -> Tensor:
        """Apply the op."""
        return ops.sigmoid(x)


class Softmax(Layer):
    """Probabilities from logits, over the last axis, as a layer of its own.

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.Softmax()([[0.0, 0.0]])
    Tensor([[0.5, 0.5]])
    """

    kind = "softmax"

    def forward(self, x: Tensor) -> Tensor:
        """Apply the op."""
        return ops.softmax(x)
