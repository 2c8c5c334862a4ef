"""Tensors, ops and reverse-mode differentiation: the engine, which knows no concrete op.

A Tensor is a handle on a value: a leaf, or output ``index`` of the Node that made it. A Node records one use of an Op:
its inputs, its attributes and its output values. Together they form a graph without cycles, which `grad` walks back
from the outputs, in the reverse of the order in which the nodes were made. The gradient rule of an op is written in
ops, so a gradient is itself a graph and can be differentiated again.

While a model is traced, values are `Spec`s (a shape and a dtype) and nothing is computed; all else is the same.
"""

from __future__ import annotations

import inspect
import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from contextvars import copy_context
from dataclasses import dataclass
from functools import lru_cache, partial
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from tinynet.checks import check_numbers
from tinynet.core.mode import _recording, _reference, _tracing, _transaction, no_grad
from tinynet.core.spec import Array, Shape, Spec, Value
from tinynet.errors import ArgumentError, DTypeError, GradientError, ShapeError, TinynetError, TraceError, user_line

if TYPE_CHECKING:
    from tinynet.core.methods import Methods
else:
    Methods = object  # the package of ops puts the methods onto Tensor

Rule = Callable[..., "Tensor"]


_node_numbers = itertools.count()


@dataclass(frozen=True, eq=False)
class Op:
    """One operation on arrays, declared once: all that tinynet knows of it.

    Parameters
    ----------
    name : str
        What the op is called, in errors, plans and the reference.
    infer : callable
        ``infer(*inputs, **attrs)`` returns the `Spec` of the output, or a tuple of them, from the shapes and dtypes
        of the inputs, and raises a ShapeError or DTypeError where they do not fit.
    compute : callable
        What the op means, in plain NumPy: ``compute(*inputs, **attrs)`` returns the output, or a tuple of them, of the
        shapes and dtypes that ``infer`` states. How it is made fast is registered beside it (`tinynet.fast.bindings`).
    vjp : tuple of callables, or a callable
        The gradient rule for each input, written in ops: ``rule(g, out, *inputs, **attrs)`` returns the cotangent of
        the input from the cotangent ``g`` of the output ``out``. An op with several outputs gets tuples for both,
        with None where nothing flows back. None in place of a rule: the op has no derivative there. A single callable
        takes the number of the input first and serves any number of inputs.
    constant : set of int
        The outputs that have no derivative. Outputs of an integer or bool dtype never have one.
    view : bool
        The output shares the memory of its only input.
    formula, source : str
        What is computed, and where it is from; for the reference.

    Examples
    --------
    >>> import numpy as np
    >>> import tinynet as tn
    >>> square = tn.Op("square", infer=lambda x: x, compute=lambda x: x * x, vjp=(lambda g, y, x: 2 * g * x,))
    >>> t = tn.Tensor(np.array(3.0), requires_grad=True)
    >>> y = square(t)
    >>> float(y.data), float(tn.grad(y, [t])[0].data)
    (9.0, 6.0)
    """

    name: str
    infer: Callable[..., Any]
    compute: Callable[..., Any]
    vjp: tuple[Rule | None, ...] | Callable[..., Tensor] = ()
    constant: frozenset[int] = frozenset()
    view: bool = False
    formula: str = ""
    source: str = ""

    def __call__(self, *inputs: Any, **attrs: Any) -> Any:
        """Apply the op to tensors (or what `as_tensor` takes); returns a Tensor, or a tuple of them."""
        return apply(self, tuple([x if isinstance(x, Tensor) else Tensor(x) for x in inputs]), attrs)

    def __repr__(self) -> str:
        return f"<Op {self.name}>"

    def rule(self, i: int) -> Rule | None:
        """Return the gradient rule for input ``i``."""
        if isinstance(self.vjp, tuple):
            return self.vjp[i] if i < len(self.vjp) else None
        return partial(self.vjp, i)


# Replaces the gradient rule of an op that reads a small part of its first input, which is its only floating one. Many
# uses of one tensor, such as all its slices, then share one array of its size; by the gradient rules, each would need
# one. The function takes the arguments of a rule. It returns an object with a `shape` and a `dtype`. Such objects are
# added with `+`, and `whole()` returns the sum as a Tensor. `ops.parts` has the functions of slices and indices.
gradients_in_parts: dict[Op, Callable[..., Any]] = {}

# For ops of many inputs, whose rules would each look at all inputs. The function takes the inputs and the attributes of
# one use of the op, and returns a function from the number of an input to its rule.
rules_of_one_use: dict[Op, Callable[..., Callable[[int], Rule]]] = {}

_FORM = (
    "it takes the inputs, leaves them as they are, and returns the outputs, so compute=lambda out, x: np.exp(x, "
    "out=out) becomes compute=lambda x: np.exp(x)"
)

Evaluator = Callable[[Op, tuple[Array, ...], dict[str, Any]], tuple[Array, ...]]


@np.errstate(all="ignore")
def meaning(op: Op, arrays: tuple[Array, ...], attrs: dict[str, Any]) -> tuple[Array, ...]:
    """Compute an op on arrays by its meaning, the NumPy of its ``compute``.

    Raises
    ------
    ArgumentError
        If what ``compute`` returns is not what ``infer`` says.
    """
    specs = specs_of(op.infer(*arrays, **attrs))
    given = arrays if op.view else tuple(_read_only(a) for a in arrays)
    try:
        made = op.compute(*given, **attrs)
    except TypeError:
        _check_form(op, arrays, attrs)
        raise
    except TinynetError:
        raise
    except ValueError as error:  # such as that of an array that must not be changed
        raise ArgumentError(f"compute of op {op.name!r} failed: {error}; {_FORM}") from error
    outputs = tuple([np.asarray(y) for y in (made if isinstance(made, tuple) else (made,))])
    if not op.view:  # an output that shares memory with an input would change with it
        outputs = tuple(y.copy() if any(np.may_share_memory(y, a) for a in arrays) else y for y in outputs)
    found = tuple([Spec(y.shape, y.dtype) for y in outputs])
    if found != specs:
        came = f"None; {_FORM}" if made is None else _words(found)
        raise ArgumentError(
            f"compute of op {op.name!r} must return what infer says, {_words(specs)}, but returned {came}"
        )
    return outputs


def _read_only(array: Array) -> Array:
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view


def _check_form(op: Op, arrays: tuple[Array, ...], attrs: dict[str, Any]) -> None:
    """Check that ``compute`` takes the inputs alone: until version 0.1 it took arrays to write the outputs into."""
    try:
        inspect.signature(op.compute).bind(*arrays, **attrs)
    except TypeError as error:
        raise ArgumentError(
            f"compute of op {op.name!r} does not take its {len(arrays)} inputs and attributes: {error}; {_FORM}"
        ) from error


def _words(specs: tuple[Spec, ...]) -> str:
    return " and ".join(f"shape {spec.shape} of {spec.dtype}" for spec in specs)


class Backend(NamedTuple):
    """How ops are computed."""

    evaluate: Evaluator
    session: Callable[[], AbstractContextManager[None]]  # held while many ops are computed
    watch: Callable[[Callable[[Any], None]], AbstractContextManager[None]]  # reports the building of kernels


_BY_MEANING = Backend(meaning, nullcontext, lambda tell: nullcontext())
_chosen: list[Backend] = [_BY_MEANING]


def use_backend(backend: Backend) -> None:
    """Compute ops by a backend from now on, except within `tinynet.reference`."""
    _chosen[:] = [backend]


def current_backend() -> Backend:
    """Return the backend that computes ops at the moment."""
    return _BY_MEANING if _reference.get() else _chosen[0]


def can_compile() -> bool:
    """Return whether steps can be compiled at the moment: with the engine room, outside of `tinynet.reference`."""
    return current_backend() is not _BY_MEANING


class Node:
    """One use of an op: what it was given, and the values it made."""

    __slots__ = ("attrs", "inputs", "number", "op", "recorded", "values", "versions")

    def __init__(
        self, op: Op, inputs: tuple[Tensor, ...], attrs: dict[str, Any], values: tuple[Value, ...], recorded: bool
    ) -> None:
        self.op, self.inputs, self.attrs, self.values = op, inputs, attrs, values
        self.versions = tuple([x.version for x in inputs]) if recorded else ()
        self.number = next(_node_numbers)
        self.recorded = recorded  # if not, no gradient flows through the node, though tracing keeps it in the graph

    def outputs(self) -> tuple[Tensor, ...]:
        """Return the output tensors, as new handles."""
        recorded = self.recorded and True in [x._requires_grad for x in self.inputs]
        constant = self.op.constant
        return tuple(
            [
                _handle(value, recorded and i not in constant and value.dtype.kind == "f", self, i)
                for i, value in enumerate(self.values)
            ]
        )


class Tensor(Methods):
    """An array with the history of how it was made.

    Parameters
    ----------
    data : array_like
        The values. An ndarray is not copied, and its dtype is kept.
    requires_grad : bool
        Whether gradients with respect to this tensor can be asked for; floating dtypes only.

    Attributes
    ----------
    grad : Tensor or None
        What `backward` has added up so far.

    Examples
    --------
    >>> import numpy as np
    >>> import tinynet as tn
    >>> t = tn.Tensor(np.array([1.0, 2.0]), requires_grad=True)
    >>> (t * t).sum().backward()
    >>> t.grad
    Tensor([2., 4.])
    """

    __slots__ = ("__weakref__", "_requires_grad", "_value", "grad", "index", "label", "node", "version")

    # The operators below are ops. `tinynet.ops`, which imports this module, sets `_ops` to itself when it is imported.
    _ops: ClassVar[ModuleType]

    def __init__(self, data: npt.ArrayLike | Spec | Tensor, requires_grad: bool = False) -> None:
        if isinstance(data, Tensor):
            source = data.detach()  # while tracing, the node that cuts the history off
            self._set(source._value, False, source.node, source.index)
        else:
            self._set(data if isinstance(data, Spec) else check_numbers("a Tensor", data), False, None, 0)
        self.requires_grad = requires_grad

    def _set(self, value: Value, requires_grad: bool, node: Node | None, index: int) -> None:
        self._value = value
        self._requires_grad = requires_grad
        self.node = node
        self.index = index
        self.grad: Tensor | None = None
        self.label: str = ""  # what made this tensor, for error messages: a layer's name
        self.version = 0  # counts changes of the values in place

    @property
    def data(self) -> Array:
        """The values, as the array itself: writing into it changes the tensor.

        Raises
        ------
        TraceError
            While a model is traced there are no values.
        """
        if not self.known:
            raise TraceError(
                f"{user_line()} reads the values of a tensor of shape {self.shape} while the model is being traced on "
                "shapes alone, where values are not known or not final; express it in tinynet ops (tn.ops.where in "
                "place of an if, tn.ops.stack in place of a list), or run it with compiled=False"
            )
        if self.node is None and (transaction := _transaction.get()):
            value: Array = transaction.current(self).memory
            return value
        return self.memory

    @property
    def known(self) -> bool:
        """Whether the values can be read now; while tracing, those of constants alone."""
        return not isinstance(self._value, Spec) and (not _tracing.get() or is_constant(self))

    @property
    def memory(self) -> Array:
        """The array that holds the values; of a leaf, those from before the training step under way."""
        assert not isinstance(self._value, Spec)
        return self._value

    @property
    def requires_grad(self) -> bool:
        """Whether gradients with respect to this tensor can be asked for.

        Raises
        ------
        DTypeError
            When set on a tensor that is not floating.
        """
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, required: bool) -> None:
        if required and self.dtype.kind != "f":
            raise DTypeError(
                f"only floating tensors have gradients, but requires_grad=True came with dtype {self.dtype}; "
                "convert the array first, as in array.astype(np.float32)"
            )
        self._requires_grad = bool(required)

    def use_memory(self, array: Array) -> None:
        """Let a leaf hold its values in another array, such as a slice of the flat vector of a model."""
        if array.shape != self.shape or array.dtype != self.dtype or self.node is not None:
            raise ShapeError(
                f"a leaf of shape {self.shape} and dtype {self.dtype} cannot hold its values in an array of shape "
                f"{array.shape} and dtype {array.dtype}"
            )
        self._value = array
        self.version += 1

    @property
    def spec(self) -> Spec:
        """The shape and dtype."""
        return Spec(self._value.shape, self._value.dtype)

    @property
    def symbolic(self) -> bool:
        """Whether there is only a shape and a dtype, as while tracing."""
        return isinstance(self._value, Spec)

    @property
    def shape(self) -> Shape:
        """The length of each axis."""
        return self._value.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the values."""
        return self._value.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self._value.shape)

    @property
    def size(self) -> int:
        """The number of values."""
        return math.prod(self._value.shape)

    def item(self) -> float:
        """Return the value of a tensor of one element, as a Python number."""
        if self.size != 1:
            raise ShapeError(f"item() takes the value of a tensor of one element, but this one has shape {self.shape}")
        return self.data.item()

    def detach(self) -> Tensor:
        """Return a tensor of the same values (shared memory) without their history."""
        if _tracing.get():  # where the values are yet to come
            with no_grad():
                return self[...]
        return _handle(self._value, False, None, 0)

    # Operators and methods: each is an op. `core/operators.py` and `core/methods.py` have more, on the shelf.
    def __add__(self, other: Any) -> Tensor:
        return self._ops.add(self, other)

    def __sub__(self, other: Any) -> Tensor:
        return self._ops.subtract(self, other)

    def __mul__(self, other: Any) -> Tensor:
        return self._ops.multiply(self, other)

    def __truediv__(self, other: Any) -> Tensor:
        return self._ops.divide(self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return self._ops.divide(other, self)

    def __matmul__(self, other: Any) -> Tensor:
        return self._ops.matmul(self, other)

    def __neg__(self) -> Tensor:
        return self._ops.negative(self)

    def __getitem__(self, key: Any) -> Tensor:
        return self._ops.getitem(self, key)

    def reshape(self, *shape: Any) -> Tensor:
        """Return the same values in another shape; see `tinynet.ops.reshape`."""
        return self._ops.reshape(self, shape[0] if len(shape) == 1 else shape)

    def astype(self, dtype: npt.DTypeLike) -> Tensor:
        """Convert to another dtype; see `tinynet.ops.cast`."""
        return self._ops.cast(self, dtype)


def _handle(value: Value, requires_grad: bool, node: Node | None, index: int) -> Tensor:
    tensor = object.__new__(Tensor)
    tensor._set(value, requires_grad, node, index)
    return tensor


def as_tensor(x: Any) -> Tensor:
    """Return ``x`` itself if it is a Tensor, otherwise a Tensor of its values."""
    return x if isinstance(x, Tensor) else Tensor(x)


def apply(op: Op, inputs: tuple[Tensor, ...], attrs: dict[str, Any]) -> Any:
    """Use an op: compute its outputs, or while tracing only their Specs, and record the Node.

    Where nothing is recorded the node remains, cut off from the history of its inputs: an op such as cross_entropy may
    look at what made its argument, with and without gradients alike.
    """
    traced, transaction = _tracing.get(), _transaction.get()
    if transaction is not None:
        inputs = tuple([transaction.current(x) if x.node is None else x for x in inputs])
    given = tuple([x._value for x in inputs])
    if traced or Spec in map(type, given):
        values: tuple[Value, ...] = specs_of(op.infer(*given, **attrs))
    else:
        values = current_backend().evaluate(op, given, attrs)  # type: ignore[arg-type]
    recorded = _recording.get()
    if not traced and not (recorded and True in [x._requires_grad for x in inputs]):
        inputs = tuple([_handle(x._value, False, None, 0) if x.node or x._requires_grad else x for x in inputs])
    outputs = Node(op, inputs, attrs, values, recorded).outputs()
    return outputs[0] if len(outputs) == 1 else outputs


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Sequence[Tensor],
    cotangents: Sequence[Tensor] | None = None,
    create_graph: bool = False,
) -> list[Tensor]:
    """Differentiate outputs with respect to inputs, in reverse mode.

    Parameters
    ----------
    outputs : Tensor or sequence of Tensor
        What to differentiate; their weighted sum where there are several.
    inputs : sequence of Tensor
        With respect to what: leaves or tensors in between.
    cotangents : sequence of Tensor, optional
        The weight of each output, of its shape; may be left out for outputs of one element, where it is 1.
    create_graph : bool
        Record the computation of the gradients, so that they can be differentiated again; also within `no_grad`.

    Returns
    -------
    list of Tensor
        For each input a tensor of its shape and dtype; zeros where the outputs do not depend on it.

    Raises
    ------
    GradientError
        If an output or an input has no gradient, or a tensor was changed in place since it was used.

    Examples
    --------
    >>> import tinynet as tn
    >>> t = tn.Tensor(2.0, requires_grad=True)
    >>> first, = tn.grad(t**3, [t], create_graph=True)
    >>> second, = tn.grad(first, [t])
    >>> float(first), float(second)
    (12.0, 12.0)
    """
    outputs, inputs = _tensors(outputs), _tensors(inputs)
    if transaction := _transaction.get():
        inputs = [transaction.current(x) if x.node is None else x for x in inputs]
    for x in inputs:
        if not x.requires_grad:
            raise GradientError(
                f"a gradient was asked for with respect to a tensor of shape {x.shape} and dtype {x.dtype} that does "
                "not require one; make it with tn.Tensor(array, requires_grad=True), outside of tn.no_grad(); to "
                "keep the parameters of a layer as they are, set layer.trainable = False"
            )
    given = _cotangents_of(outputs, cotangents)
    if _tracing.get() and not create_graph:
        with no_grad():
            made: Any = deferred_gradient(*outputs, *inputs, *given, outputs=len(outputs), inputs=len(inputs))
        return list(made) if isinstance(made, tuple) else [made]
    return differentiate(outputs, inputs, given, create_graph)


def _no_values(*tensors: Any, outputs: int, inputs: int) -> Any:
    raise TraceError("a gradient that was recorded while tracing is computed by the ops that take its place")


# While tracing, a gradient is recorded as one node. The ops of its rules take its place when the function has returned:
# by then its forward may have been rewritten into fused ops, which have rules of their own.
deferred_gradient: Op = Op(
    "gradient",
    infer=lambda *tensors, outputs, inputs: tensors[outputs : outputs + inputs],
    compute=_no_values,
    formula="the gradient of some outputs with respect to some inputs",
)


def expand(*tensors: Tensor, outputs: int, inputs: int) -> tuple[Tensor, ...]:
    """Return the gradients that a deferred one stands for, from its inputs."""
    found, asked, cotangents = tensors[:outputs], tensors[outputs : outputs + inputs], tensors[outputs + inputs :]
    return tuple(differentiate(list(found), list(asked), list(cotangents)))


def differentiate(
    outputs: list[Tensor], inputs: list[Tensor], cotangents: list[Tensor], create_graph: bool = False
) -> list[Tensor]:
    """Walk back from outputs to inputs, from the cotangents of the outputs; see `grad`."""
    return copy_context().run(_walk_back, outputs, inputs, cotangents, create_graph)


def _walk_back(
    outputs: list[Tensor], inputs: list[Tensor], cotangents: list[Tensor], create_graph: bool
) -> list[Tensor]:
    """Walk back from outputs to inputs, in a context that ends with it: it sets whether the gradients have history."""
    _recording.put(create_graph)
    nodes = ancestors(outputs, recorded=True)

    # By which of its inputs each node depends on the inputs asked for; the rest of the graph is never visited.
    asked = {_key(x) for x in inputs}
    sought: dict[int, list[int]] = {}
    for node in nodes:
        if found := [
            i for i, x in enumerate(node.inputs) if x._requires_grad and (id(x.node) in sought or _key(x) in asked)
        ]:
            sought[id(node)] = found

    flowing: dict[Any, Any] = {}
    in_parts: dict[Any, Any] = {}  # sums of cotangents in parts; see `gradients_in_parts`

    def accumulate(x: Tensor, g: Any) -> None:
        key, sums = _key(x), flowing if isinstance(g, Tensor) else in_parts
        sums[key] = sums[key] + g if key in sums else g

    def whole(x: Tensor) -> Tensor | None:
        key = _key(x)
        if key in in_parts:
            accumulate(x, in_parts.pop(key).whole())
        return flowing.get(key) if key in asked else flowing.pop(key, None)

    for y, g in zip(outputs, cotangents, strict=True):
        accumulate(y, g)
    for node in reversed(nodes):
        if id(node) not in sought:
            continue
        outs = node.outputs()
        cotangent = tuple([whole(y) for y in outs])
        _check_unchanged(node)
        prepare = rules_of_one_use.get(node.op)
        rules = prepare(*node.inputs, **node.attrs) if prepare else node.op.rule
        for i in reversed(sought[id(node)]):  # weights before data, whose cotangent is then held for less long
            accumulate(node.inputs[i], _pull(node, i, rules, cotangent, outs))
    return [filled(x.spec, 0) if (made := whole(x)) is None else made for x in inputs]


def _check_unchanged(node: Node) -> None:
    """Check that the tensors that a node used have the values that they had then."""
    if not isinstance(node.values[0], Spec) and node.versions != tuple([x.version for x in node.inputs]):
        raise GradientError(
            f"a tensor that op {node.op.name!r} used was changed in place since (by an optimizer step, for instance), "
            "so the gradient would be wrong; compute the outputs again after each change"
        )


def _pull(
    node: Node,
    i: int,
    rules: Callable[[int], Rule | None],
    cotangent: tuple[Tensor | None, ...],
    outs: tuple[Tensor, ...],
) -> Any:
    """Return the cotangent of input ``i`` of a node from those of its outputs, by the op's rule or in parts."""
    op, x = node.op, node.inputs[i]
    rule = gradients_in_parts.get(op) or rules(i)
    if rule is None:
        raise GradientError(f"op {op.name!r} has no derivative with respect to its argument {i}")
    single = len(outs) == 1
    g = rule(cotangent[0] if single else cotangent, outs[0] if single else outs, *node.inputs, **node.attrs)
    if (g.shape, g.dtype) != (x.shape, x.dtype):
        raise GradientError(
            f"the gradient rule of op {op.name!r} for its argument {i} returned shape {g.shape} and dtype {g.dtype}; "
            f"expected those of the argument, {x.shape} and {x.dtype}"
        )
    return g


def _tensors(given: Any) -> list[Tensor]:
    """Return the tensor or the tensors that `grad` takes, as a list."""
    several = list(given) if isinstance(given, Iterable) and not isinstance(given, Tensor) else [given]
    for x in several:
        if not isinstance(x, Tensor):
            raise GradientError(
                f"a gradient is taken of Tensors with respect to Tensors, but a {type(x).__name__} came"
            )
    return several


def _cotangents_of(outputs: list[Tensor], cotangents: Sequence[Tensor] | None) -> list[Tensor]:
    """Return the cotangent of each output: those passed, or 1 for outputs of one number."""
    for y in outputs:
        if not y.requires_grad:
            raise GradientError(
                f"an output of shape {y.shape} and dtype {y.dtype} depends on no tensor that requires a gradient; was "
                "it made under tn.no_grad(), or from tensors without requires_grad=True?"
            )
    if cotangents is None:
        for y in outputs:
            if y.size != 1:
                raise GradientError(
                    f"the output has shape {y.shape}: a gradient is taken of one number; use .sum() or .mean(), or "
                    "pass the cotangent"
                )
        return [filled(y.spec, 1) for y in outputs]
    found = [as_tensor(g) for g in (cotangents if isinstance(cotangents, Iterable) else [cotangents])]
    if [g._value.shape for g in found] != [y._value.shape for y in outputs]:
        raise ShapeError(
            f"cotangents of shapes {[g.shape for g in found]} came for outputs of shapes "
            f"{[y.shape for y in outputs]}; each must have the shape of its output"
        )
    for g in found:
        if g.dtype.kind != "f":
            raise DTypeError(f"a cotangent must have a floating dtype, but one has {g.dtype}")
    return [g if g.dtype == y.dtype else g.astype(y.dtype) for g, y in zip(found, outputs, strict=True)]


def constant(array: Array) -> Tensor:
    """Make a constant of an array that nobody else writes to: its values may be made part of a plan."""
    array.flags.writeable = False
    return _handle(array, False, None, 0)


def filled(spec: Spec, value: int) -> Tensor:
    """Return a constant tensor of one value; one number in memory, whatever its shape."""
    return _handle(_repeated(value, spec.shape, spec.dtype), False, None, 0)


@lru_cache(maxsize=1024)
def _repeated(value: int, shape: Shape, dtype: np.dtype[Any]) -> Array:
    number = np.array(value, dtype)
    number.flags.writeable = False
    return np.broadcast_to(number, shape)


def is_constant(x: Tensor) -> bool:
    """Return whether a tensor is a leaf whose values never change: its memory is not writeable.

    Other leaves are parameters, states, symbolic inputs, or arrays from outside, which are read where they are.
    """
    if x.node is not None or x.symbolic or x.requires_grad:
        return False
    array: Any = x.memory
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array.base is None and not array.flags.writeable


def specs_of(inferred: Any) -> tuple[Spec, ...]:
    """Return what ``infer`` returned as a tuple of Specs; it may be one Spec, a tuple of them, or arrays with them."""
    several = inferred if type(inferred) is tuple else (inferred,)
    exact = [type(s) is Spec and type(s[0]) is tuple and isinstance(s[1], np.dtype) for s in several]
    return several if all(exact) else tuple([Spec(tuple(s.shape), np.dtype(s.dtype)) for s in several])


def _key(x: Tensor) -> Any:
    """Identify a tensor: handles on the same output of a node are one tensor."""
    return id(x) if x.node is None else (id(x.node), x.index)


def ancestors(outputs: Iterable[Tensor], recorded: bool = False) -> list[Node]:
    """Return all nodes that lead to some outputs, or those alone that carry gradients, in the order of their making."""
    found: dict[int, Node] = {}
    stack = list(outputs)
    while stack:
        x = stack.pop()
        if x.node is not None and id(x.node) not in found and (x._requires_grad or not recorded):
            found[id(x.node)] = x.node
            stack.extend(x.node.inputs)
    return sorted(found.values(), key=lambda node: node.number)
