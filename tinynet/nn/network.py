"""Networks: layers over one flat vector of parameters."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from itertools import chain, count, groupby
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from tinynet.checks import defined_in
from tinynet.core.engine import Tensor
from tinynet.core.mode import tracing
from tinynet.core.spec import Array, Spec
from tinynet.core.transaction import State, within
from tinynet.errors import ArgumentError, NotBuiltError, TraceError
from tinynet.nn.input import Input
from tinynet.nn.layer import Building, Layer
from tinynet.nn.seeds import generator

_TAKEN = ("owner", "building", "_built", "_theta")  # attributes that a model sets on its layers; see `_take`


class Span(NamedTuple):
    """A range of the vector of a network that is trained as one: parameters that lie side by side."""

    start: int
    stop: int
    decays: bool  # whether weight decay applies to it
    theta: Tensor  # a leaf whose memory is this range
    parameters: list[Tensor]
    places: list[tuple[Tensor, int]]  # each parameter, and where it starts in the span


class Network(Layer):
    """The base of models: layers whose parameters are views into one vector; see `tinynet.Model`."""

    when_laid_out: ClassVar[list[Callable[[Network], None]]] = []  # called when theta is new
    gradient: Array  # of `Tensor.backward`; `tinynet.nn.gradient` puts it here
    zero_grad: ClassVar[Callable[[Network], None]] = defined_in("tinynet.nn.gradient")
    get_weights: ClassVar[Callable[[Network], dict[str, Array]]] = defined_in("tinynet.nn.weights")
    set_weights: ClassVar[Callable[..., Any]] = defined_in("tinynet.nn.weights")

    dtype: np.dtype[Any]
    rng: np.random.Generator  # of the initial parameters; passed to ``build``, too
    fitted_loss: Any = "cross_entropy"  # of the last fit; the default of `evaluate`
    made: Any = None  # an output from when the model was built: it has a shape, a dtype, and the op that made it
    _theta: Array | None = None
    _implied_input: Input | None
    _parameters: dict[str, Tensor]
    plans: dict[Any, Any]  # the compiled forms of predict and evaluate
    _states: dict[str, State]
    _spans: dict[Any, list[Span]]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Make a model; the argument `input_shape` adds an Input to it later."""
        self = super().__new__(cls, *args, **kwargs)
        self._implied_input = None
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
        """The `Input` of the model."""
        found = next((layer for _, layer in self.walk() if isinstance(layer, Input)), None)
        if found is None:
            raise NotBuiltError(
                f"model {self} does not know the shape of its input yet; begin it with tn.Input(shape), or pass "
                "input_shape=..., such as (28, 28, 1) for MNIST images"
            )
        return found

    def entries(self) -> dict[str, Input]:
        """Return the `Input` of each argument of ``forward``, by the name of the argument."""
        return {"x": self.input}

    def build_model(self, initialise: bool = True, check: Callable[[dict[str, Tensor]], None] | None = None) -> Self:
        """Trace the forward on shapes, which creates all parameters, and lay them out in one vector; done on first use.

        ``check`` is called in between, with the parameters by name. They have shapes, but no values yet.
        """
        if self._theta is not None:
            return self
        if self.building is not None:
            raise NotBuiltError(
                f"model {self} is a layer of another model; its parameters are part of that one's theta"
            )
        entries = list(self.entries().values())
        _name_layers(self, set())
        samples = [Spec((2, *x.shape), np.dtype(np.int64) if x.integers else self.dtype) for x in entries]
        try:
            with tracing():
                self._trace(list(map(Tensor, samples)), Building(self.rng, self.dtype, deferred=True))
        except TraceError:  # the forward reads values, so it gets zeros
            zeros = [Tensor(np.zeros(*sample)) for sample in samples]
            self._trace(zeros, Building(self.rng, self.dtype, deferred=False))
        if unused := [x for x in entries if x.output_shape is None]:
            raise ArgumentError(f"model {self} has {unused[0]} among its layers, but its forward(x) never calls it")
        self._lay_out(initialise, check)
        return self

    def _trace(self, inputs: list[Tensor], context: Building) -> None:
        """Run the forward once, so that every layer builds itself for its input; after an error, restore all layers."""
        before = [
            (layer, {name: getattr(layer, name) for name in _TAKEN if hasattr(layer, name)}) for _, layer in self.walk()
        ]
        try:
            for layer, _ in before:
                self._take(layer, context)
            with within(None):  # inference, also in the middle of a training step
                self.made = self(*inputs)
            for _, layer in self.walk():  # now also the layers that a build has made
                self._take(layer, context)
            _name_layers(self, set())
        except BaseException:
            for layer, state in before:  # so that the layers can be used in another model
                vars(layer).update(state)
            raise
        finally:
            self.building = None

    def _take(self, layer: Layer, context: Building) -> None:
        """Make a layer part of this model; a model among the layers loses its own vector."""
        owner = layer.owner and layer.owner()
        if owner is not None and not any(owner is other for _, other in self.walk()):
            raise ArgumentError(
                f"layer {layer} is part of model {owner} already; parameters live in the vector of one model: make "
                "that model itself a layer, take a copy by copy.deepcopy(layer), or make a new layer"
            )
        layer.owner, layer.building = weakref.ref(self), context
        if isinstance(layer, Network):
            layer._theta = None

    def _lay_out(self, initialise: bool, check: Callable[[dict[str, Tensor]], None] | None) -> None:
        """Place every parameter in the flat vector, in the order of the layers; a shared one is placed once."""
        found: dict[int, tuple[str, Tensor, Callable[..., Any]]] = {}
        for prefix, layer in self.walk():
            for name, leaf in (layer.own_parameters | layer.own_states).items():
                found.setdefault(id(leaf), (prefix + name, leaf, layer.initializers[name]))
        if check is not None:
            check({name: leaf for name, leaf, _ in found.values()})
        self._states = {name: leaf for name, leaf, _ in found.values() if isinstance(leaf, State)}
        self._parameters = {name: leaf for name, leaf, _ in found.values() if not isinstance(leaf, State)}
        self._spans = {}
        theta = np.zeros(sum(p.size for p in self._parameters.values()), self.dtype)
        start = 0
        for _, leaf, init in found.values():
            memory = np.zeros(leaf.shape, leaf.dtype)
            if not isinstance(leaf, State):
                memory = theta[start : start + leaf.size].reshape(leaf.shape)
                start += leaf.size
            if not leaf.symbolic:  # of a layer that was used before it became part of this model
                memory[...] = leaf.memory
            elif initialise:
                memory[...] = init(leaf.shape, self.rng)
            leaf.use_memory(memory)
        self._theta = theta
        for complete in self.when_laid_out:
            complete(self)

    def __call__(self, x: Any, *others: Any, **named: Any) -> Any:
        """Compute the outputs for a batch, which is an array or a Tensor."""
        if self.building is None:
            self.build_model()
        if self._implied_input is not None:
            x = self._implied_input(x)
        return super().__call__(x, *others, **named)

    @property
    def parameters(self) -> dict[str, Tensor]:
        """Every parameter by name, such as "dense.weight"."""
        return dict(self.build_model()._parameters)

    @property
    def leaves(self) -> dict[str, Tensor]:
        """The parameters and the states by name: all the numbers of the model."""
        return {**self.parameters, **self._states}

    @property
    def states(self) -> dict[str, State]:
        """The states, which the layers keep and nobody trains, by name, such as "batch_norm.mean"."""
        return dict(self.build_model()._states)

    def spans(self, by_decay: bool = False) -> list[Span]:
        """Return the spans of theta that are trained: one for all of it, unless layers are frozen.

        Parameters
        ----------
        by_decay : bool
            Whether parameters with and without weight decay are put into different spans.
        """
        self.build_model()
        layers = [layer for _, layer in self.walk()]
        frozen = {id(p) for layer in layers if not layer.trainable for p in layer.own_parameters.values()}
        apart = {id(layer.own_parameters[name]) for layer in layers for name in layer.undecayed} if by_decay else set()
        flags = tuple([(id(p) not in frozen, id(p) not in apart) for p in self._parameters.values()])
        if flags not in self._spans:
            self._spans[flags] = self._cut(flags)
        return self._spans[flags]

    def _cut(self, flags: tuple[tuple[bool, bool], ...]) -> list[Span]:
        """Cut theta where neighbouring parameters differ in their flags: whether they are trained, and decayed."""
        spans, start = [], 0
        for (trained, decays), group in groupby(zip(flags, self._parameters.values(), strict=True), lambda one: one[0]):
            parameters = [p for _, p in group]
            starts = np.cumsum([0, *(p.size for p in parameters)]).tolist()
            stop = start + starts[-1]
            if trained:
                leaf = Tensor(self.theta[start:stop])
                places = list(zip(parameters, starts, strict=False))
                spans.append(Span(start, stop, decays, leaf, parameters, places))
            start = stop
        return spans

    @property
    def theta(self) -> Array:
        """All parameters in one vector; writing into it changes the model."""
        theta = self.build_model()._theta
        assert theta is not None
        return theta


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
    """Name the layers within a layer, uniquely: dense, dense_1, ...; a shared layer keeps its first name."""
    siblings = list(parent.sublayers())
    given = [layer.given_name for layer in siblings if layer.given_name]
    for name in given:
        if given.count(name) > 1:
            raise ArgumentError(f"two layers of {parent} have the name {name!r}; each needs a name of its own")
    taken = {*given, *(layer.name for layer in siblings if id(layer) in named)}
    for layer in siblings:
        if id(layer) in named:
            continue
        named.add(id(layer))
        if not layer.given_name:
            base = type(layer).base_name()
            numbered = (f"{base}_{number}" for number in count(1))
            layer.name = next(name for name in chain([base], numbered) if name not in taken)
            taken.add(layer.name)
        _name_layers(layer, named)
