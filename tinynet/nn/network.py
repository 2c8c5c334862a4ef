"""Networks: layers over one flat vector of parameters."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from tinynet.core.engine import Tensor, as_tensor
from tinynet.core.mode import no_grad
from tinynet.core.spec import Array, Spec
from tinynet.errors import ArgumentError, NotBuiltError, ShapeError, TraceError
from tinynet.nn.input import Input
from tinynet.nn.layer import Building, Layer
from tinynet.nn.seeds import generator


class Network(Layer):
    """What a model is made of: layers, whose parameters are views into one vector; see `tinynet.Model`."""

    dtype: np.dtype[Any]
    rng: np.random.Generator  # of the initial parameters, and of layers that keep what ``build`` passes them
    _implied_input: Input | None
    _theta: Array | None
    _gradient: Array | None
    _parameters: dict[str, Tensor]
    _gradients: list[tuple[Tensor, Tensor]]  # each parameter with its slice of the gradient
    plans: dict[Any, Any]  # the latest plans of predict and evaluate

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
                if isinstance(layer, Network):
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
        if isinstance(layer, Network):
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

    # --- checkpoints

    def state(self) -> dict[str, Any]:
        """Return what the rest of a run depends on: the parameters, and where the model's generator stands."""
        parameters = {name: parameter.data for name, parameter in self.parameters.items()}
        return {"parameters": parameters, "generator": self.rng.bit_generator.state}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back."""
        for name, parameter in self.parameters.items():
            parameter.data[...] = state["parameters"][name]
        changed(self.parameters.values())
        self.rng.bit_generator.state = state["generator"]


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


def changed(parameters: Iterable[Tensor]) -> None:
    """Mark parameters as changed in place, so that no gradient is taken through their old values."""
    for parameter in parameters:
        parameter.version += 1
