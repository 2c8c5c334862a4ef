"""Models: layers over one flat vector of parameters, with training, prediction and files."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from tinynet import nn, ops
from tinynet.core.engine import Tensor, as_tensor
from tinynet.core.mode import no_grad
from tinynet.core.spec import Array, Spec
from tinynet.errors import ArgumentError, NotBuiltError, ShapeError, TraceError
from tinynet.nn.input import Input
from tinynet.nn.layer import Building, Layer
from tinynet.nn.seeds import generator
from tinynet.saving import modelfile
from tinynet.train import evaluate, fit, predict


class Model(Layer):
    """A network whose forward is written by hand; see `Sequential` for a plain stack of layers.

    A subclass assigns its layers as attributes and writes ``forward(x)``. All parameters are views into one flat
    vector, ``theta``, which is never replaced: an update, a copy, a trial step of a line search is one operation on
    one array.

    Parameters
    ----------
    input_shape : sequence of int, optional
        The shape of one sample. Not needed where an `Input` is among the layers, which ``forward`` then calls.
    seed : int, optional
        Where the initial parameters come from; the same seed gives the same bits.
    dtype : {"float32", "float64"}
        Of the parameters and of all that is computed.
    rng : numpy.random.Generator, optional
        Instead of a seed.
    name : str, optional
        As for every layer.

    Raises
    ------
    ArgumentError
        If an argument is none of the above.

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

    dtype: np.dtype[Any]
    rng: np.random.Generator  # of the initial parameters, and of layers that keep what ``build`` passes them
    _implied_input: Input | None
    _theta: Array | None
    _gradient: Array | None
    _parameters: dict[str, Tensor]
    _gradients: list[tuple[Tensor, Tensor]]  # each parameter with its slice of the gradient
    plans: dict[Any, Any]  # the latest plans of predict and evaluate
    # Defined, and put here, by `tinynet.inspection.summary` and `tinynet.saving.copies`.
    summary: ClassVar[Callable[[Model], None]]
    astype: ClassVar[Callable[[Model, npt.DTypeLike], Any]]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Make a model; an input that only its shape implies comes before all other layers."""
        self = super().__new__(cls, *args, **kwargs)
        self._implied_input = None
        self._theta = self._gradient = None
        self._parameters = {}
        self._gradients = []
        self.plans = {}
        return self

    def __init__(
        self,
        input_shape: Sequence[int] | None = None,
        seed: int | None = None,
        dtype: npt.DTypeLike = "float32",
        rng: np.random.Generator | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.dtype = float_dtype(self, dtype)
        if rng is not None and seed is not None:
            raise ArgumentError(f"{self}: give a seed or an rng, not both")
        self.rng = generator(str(self), seed, stream=0) if rng is None else rng
        if input_shape is not None:
            self._implied_input = Input(input_shape)

    # --- building

    @property
    def input(self) -> Input:
        """The layer through which data enter."""
        found = next((layer for _, layer in self.walk() if isinstance(layer, Input)), None)
        if found is None:
            raise NotBuiltError(
                f"model {self} does not know the shape of its input yet; begin it with tn.Input(shape), or pass "
                "input_shape=..., such as (28, 28, 1) for MNIST images"
            )
        return found

    def build_model(self, initialise: bool = True, check: Callable[[dict[str, Tensor]], None] | None = None) -> Self:
        """Trace the forward on shapes to create all parameters, and lay them out in one vector; done on first use.

        ``check`` is called in between: with the parameters by name, which have shapes, but no values yet.
        """
        if self._theta is not None:
            return self
        if self.building is not None:
            raise NotBuiltError(
                f"model {self} is a layer of another model; its parameters are part of that one's theta"
            )
        entry = self.input
        _name_layers(self, set())
        sample = Spec((2, *entry.shape), self.dtype)
        try:
            self._trace(Tensor(sample), Building(self.rng, self.dtype, deferred=True))
        except TraceError:  # a forward that reads values gets some
            self._trace(Tensor(np.zeros(*sample)), Building(self.rng, self.dtype, deferred=False))
        if entry.output_shape is None:
            raise ArgumentError(f"model {self} has {entry} among its layers, but its forward(x) never calls it")
        self._lay_out(initialise, check)
        return self

    def _trace(self, x: Tensor, context: Building) -> None:
        """Run the forward once, so that every layer builds itself for the shape it gets; or leave all as it was."""
        before = [(layer, dict(vars(layer))) for _, layer in self.walk()]
        try:
            for layer, _ in before:
                self._take(layer, context)
            with no_grad():
                self(x)
            for _, layer in self.walk():  # those too that were made in the building
                self._take(layer, context)
            _name_layers(self, set())
        except BaseException:
            for layer, state in before:  # so that a layer is free for another model
                vars(layer).update({name: state[name] for name in ("owner", "building", "_built")})
                if isinstance(layer, Model):
                    layer._theta = state["_theta"]
            raise
        finally:
            self.building = None

    def _take(self, layer: Layer, context: Building) -> None:
        """Make a layer part of this model; a model within gives up the vector that it may have had."""
        owner = layer.owner and layer.owner()
        if owner is not None and not any(owner is other for _, other in self.walk()):
            raise ArgumentError(
                f"layer {layer} is part of model {owner} already; parameters live in the vector of one model: make "
                "that model itself a layer, or make a new layer"
            )
        layer.owner, layer.building = weakref.ref(self), context
        if isinstance(layer, Model):
            layer._theta = None

    def _lay_out(self, initialise: bool, check: Callable[[dict[str, Tensor]], None] | None) -> None:
        """Give every parameter its slice of the flat vector, in the order of the layers; a shared one has one."""
        found: dict[int, tuple[str, Tensor, Callable[..., Any]]] = {}
        for prefix, layer in self.walk():
            for name, parameter in layer.own_parameters.items():
                found.setdefault(id(parameter), (prefix + name, parameter, layer.initializers[name]))
        parameters = {name: p for name, p, _ in found.values()}
        if check is not None:
            check(parameters)
        self._gradients = []
        theta = np.zeros(sum(p.size for _, p, _ in found.values()), self.dtype)
        gradient = np.zeros_like(theta)
        start = 0
        for _, parameter, init in found.values():
            place = slice(start, start + parameter.size)
            view = theta[place].reshape(parameter.shape)
            if not parameter.symbolic:
                view[...] = parameter.data  # of a layer that was in use before it came into this model
            elif initialise:
                view[...] = init(parameter.shape, self.rng)
            parameter.use_memory(view)
            parameter.grad = Tensor(gradient[place].reshape(parameter.shape))
            self._gradients.append((parameter, parameter.grad))
            start = place.stop
        self._parameters, self._theta, self._gradient = parameters, theta, gradient

    def __call__(self, x: Any) -> Tensor:
        """Compute the outputs for a batch; an array or a Tensor."""
        if self.building is None:
            self.build_model()
        if self._implied_input is not None:
            x = self._implied_input(x)
        return super().__call__(x)

    @property
    def parameters(self) -> dict[str, Tensor]:
        """Every parameter by name, such as "dense.weight"."""
        return dict(self.build_model()._parameters)

    @property
    def theta(self) -> Array:
        """All parameters in one vector; writing into it changes the model."""
        theta = self.build_model()._theta
        assert theta is not None
        return theta

    @property
    def gradient(self) -> Array:
        """The gradients that `Tensor.backward` has added up, in one vector.

        The ``grad`` of each parameter is a view into it. One that was replaced is copied in; None counts as zero.
        """
        self.build_model()
        assert self._gradient is not None
        for parameter, own in self._gradients:
            given = parameter.grad
            if given is not own:
                own.data[...] = 0 if given is None else self._checked(as_tensor(given), own).data
                parameter.grad = own
        return self._gradient

    def _checked(self, given: Tensor, own: Tensor) -> Tensor:
        if given.shape != own.shape:
            raise ShapeError(f"{self}: the grad of a parameter of shape {own.shape} was set to one of {given.shape}")
        return given

    def zero_grad(self) -> None:
        """Set all gradients to zero."""
        self.gradient[...] = 0

    def configuration(self) -> Hashable:
        """Return what a plan depends on besides the parameters: the class and the attributes of every layer."""
        from tinynet.fast.configuration import configuration

        return configuration(self)

    # --- what a model does

    fit = fit
    evaluate = evaluate
    predict = predict

    def save(self, path: str | os.PathLike[str]) -> None:
        """Save the architecture and the parameters in a safetensors file, whole or not at all.

        Parameters
        ----------
        path : path-like
            Where to; an existing file is replaced.

        Raises
        ------
        WriteError
            If the file cannot be written; what was there before is then untouched.
        ArgumentError
            If an argument of a layer cannot be put into a file.
        """
        modelfile.write(path, self, self.parameters)


class Sequential(Model):
    """A stack of layers, each fed with the output of the one before.

    Parameters
    ----------
    layers : sequence of Layer
        At least one; the first may be an `Input`.
    input_shape, seed, dtype, rng, name
        As for `Model`; the input shape is not needed where the first layer is an `Input`.

    Raises
    ------
    ArgumentError
        If a layer is no Layer, an Input stands elsewhere than first, or two layers are given the same name.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> model = tn.Sequential([tn.Input((28, 28, 1), scale=1 / 255), tn.Flatten(), tn.Dense(10)], seed=0)
    >>> model.predict(np.zeros((5, 28, 28), dtype=np.uint8)).shape
    (5, 10)
    """

    kind = "sequential"

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

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layers in turn."""
        for layer in self.layers:
            x = layer(x)
        return x


def float_dtype(model: Layer, dtype: npt.DTypeLike) -> np.dtype[Any]:
    """Check the dtype of a model."""
    try:
        found = np.dtype(dtype)
    except TypeError:
        found = np.dtype(object)
    if found not in (np.float32, np.float64):
        raise ArgumentError(f'{model}: dtype must be "float32" or "float64", but got {dtype!r}')
    return found


def _name_layers(parent: Layer, named: set[int]) -> None:
    """Give every layer a name that is unique beside its siblings: dense, dense_1, ...; a shared one keeps its first."""
    siblings = list(parent.sublayers())
    given = [layer.given_name for layer in siblings if layer.given_name]
    for name in given:
        if given.count(name) > 1:
            raise ArgumentError(f"two layers of {parent} have the name {name!r}; each needs a name of its own")
    taken = [*given, *(layer.name for layer in siblings if id(layer) in named)]
    for layer in siblings:
        if not layer.given_name and id(layer) not in named:
            base, number = type(layer).base_name(), 0
            name = base
            while name in taken:
                number += 1
                name = f"{base}_{number}"
            layer.name = name
            taken.append(name)
        if id(layer) not in named:
            named.add(id(layer))
            _name_layers(layer, named)


def load(path: str | os.PathLike[str], custom_layers: Mapping[str, Any] | None = None) -> Model:
    """Load a model that `Model.save` wrote. Nothing in the file is executed.

    Parameters
    ----------
    path : path-like
        The file.
    custom_layers : mapping of str to class, optional
        The layers, models and functions that the file names and that are not tinynet's own.

    Returns
    -------
    Model
        With its parameters.

    Raises
    ------
    CheckpointError
        If the file is damaged, foreign, of a newer format, or names a layer that is not known.
    FileNotFoundError
        If there is no such file.

    Examples
    --------
    >>> import tempfile, pathlib, tinynet as tn
    >>> model = tn.Sequential([tn.Input((4,)), tn.Dense(2)], seed=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "model.safetensors"
    ...     model.save(path)
    ...     same = tn.load(path)
    >>> bool((same.theta == model.theta).all())
    True
    """
    classes = [thing for thing in vars(nn).values() if isinstance(thing, type) and issubclass(thing, Layer)]
    own: dict[str, Any] = {f"tinynet.{thing.__name__}": thing for thing in (*classes, Sequential)}
    own |= {f"tinynet.ops.{name}": getattr(ops, name) for name in ops.__all__}
    model, tensors = modelfile.read(path, custom_layers or {}, own, Model)
    for name, parameter in model.parameters.items():
        parameter.data[...] = tensors[name]
    return model
