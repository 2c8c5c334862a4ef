"""A model's forward as a graph for batches of any size: it is traced at two sizes, and what differs is a multiple.

A length that is 3 k in the one trace and 5 k in the other is k times the size of the batch. Whatever else differs
between the two depends on the size in a way that a file cannot say, and is refused by name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tinynet.core.engine import Node, Tensor, ancestors, deferred_gradient
from tinynet.core.mode import tracing
from tinynet.core.spec import Array, Spec
from tinynet.core.transaction import within
from tinynet.errors import ArgumentError
from tinynet.nn.network import Network

SIZES = (3, 5)  # of the batches at which a model is traced


class Batch(NamedTuple):
    """A multiple of the number of samples in a batch."""

    multiple: int


Dims = tuple[Any, ...]  # lengths: integers and Batches


@dataclass(frozen=True)
class Leaf:
    """An array of the graph that no op makes.

    Attributes
    ----------
    values : ndarray or Batch
        What it holds; in the first trace, where it differs. A Batch is the number itself.
    shape : tuple of int and Batch
        Its lengths; where one is a Batch, all values are equal.
    name : str
        Of a parameter or a state; empty for constants.
    """

    values: Any
    shape: Dims
    name: str = ""


class Given(NamedTuple):
    """An input of the graph, by its number."""

    number: int


class Port(NamedTuple):
    """An input or output of the graph.

    Attributes
    ----------
    name : str
        What it is called.
    source : Given, Leaf or tuple
        Where its value comes from; see `Use`.
    shape : tuple of int and Batch
        Its lengths.
    dtype : dtype
        Of its values.
    """

    name: str
    source: Any
    shape: Dims
    dtype: np.dtype[Any]


class Use(NamedTuple):
    """One use of an op, for batches of any size.

    Attributes
    ----------
    node : Node
        As in the first trace.
    inputs : tuple
        For each input a Leaf, a Given, or the number of a use and that of its output.
    attrs : dict
        Its attributes, with Batches among the integers.
    shapes, given : tuple
        The lengths of the outputs and of the inputs.
    """

    node: Node
    inputs: tuple[Any, ...]
    attrs: dict[str, Any]
    shapes: tuple[Dims, ...]
    given: tuple[Dims, ...]


class Trace(NamedTuple):
    """A model's forward for batches of any size: inputs, uses of ops in their order, and outputs."""

    inputs: list[Port]
    uses: list[Use]
    outputs: list[Port]


def trace(model: Network) -> Trace:
    """Trace the forward of a model, in inference, at two sizes of a batch.

    Parameters
    ----------
    model : Network
        Built.

    Returns
    -------
    Trace
        What both have in common.

    Raises
    ------
    ArgumentError
        If they differ otherwise than by multiples of the size of the batch.
    TraceError
        If the forward reads values.
    """
    (xs, ys), (xs2, ys2) = (_forward(model, n) for n in SIZES)
    nodes, others = ancestors(ys.values()), ancestors(ys2.values())
    if [node.op for node in nodes] != [node.op for node in others]:
        raise ArgumentError(
            f"{model}: its forward uses {len(nodes)} ops for a batch of {SIZES[0]} and {len(others)} for one of "
            f"{SIZES[1]}; a file has one graph for all sizes, so the ops must not depend on the size"
        )
    names = {id(leaf): name for name, leaf in model.leaves.items()}
    first, second = ({id(node): i for i, node in enumerate(some)} for some in (nodes, others))
    given = {id(x): i for i, x in enumerate(xs.values())}

    def source(a: Tensor, b: Tensor, where: str) -> Any:
        if id(a) in given:
            return Given(given[id(a)])
        if a.node is None and b.node is None and not a.symbolic and not b.symbolic:
            return _leaf(model, a, b, names.get(id(a), ""), where)
        if a.node is None or b.node is None or (first[id(a.node)], a.index) != (second[id(b.node)], b.index):
            raise ArgumentError(f"{model}: {where} takes another value for another size of the batch")
        return first[id(a.node)], a.index

    uses = []
    for node, other in zip(nodes, others, strict=True):
        where = f"op {node.op.name!r}"
        inputs = tuple(source(a, b, where) for a, b in zip(node.inputs, other.inputs, strict=True))
        unify = _Unifier(model, where)
        attrs = {name: unify(value, other.attrs[name], name) for name, value in node.attrs.items()}
        shapes = tuple(unify(a.shape, b.shape, "shape") for a, b in zip(node.values, other.values, strict=True))
        taken = tuple(unify(a.shape, b.shape, "shape") for a, b in zip(node.inputs, other.inputs, strict=True))
        uses.append(Use(node, inputs, attrs, shapes, taken))

    def ports(found: dict[str, Tensor], again: dict[str, Tensor]) -> list[Port]:
        pairs = [(name, a, b) for (name, a), b in zip(found.items(), again.values(), strict=True)]
        where = "an output"
        unify = _Unifier(model, where)
        return [Port(name, source(a, b, where), unify(a.shape, b.shape, "shape"), a.dtype) for name, a, b in pairs]

    return Trace(ports(xs, xs2), uses, ports(ys, ys2))


def _forward(model: Network, n: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return batches of n samples, on shapes, and what the model makes of them, by name."""
    entries = model.entries()
    names = list(entries) if len(entries) > 1 else [model.input.name]
    xs = {
        name: Tensor(Spec((n, *entry.shape), np.dtype(np.int64) if entry.integers else model.dtype))
        for name, entry in zip(names, entries.values(), strict=True)
    }
    with tracing(), within(None):
        made = dict(_named(model(*xs.values()), "output"))
        if any(node.op is deferred_gradient for node in ancestors(made.values())):
            from tinynet.fast.fuse import fuse  # only where a forward asks for a gradient

            made = dict(zip(made, fuse(list(made.values()), fusions=()), strict=True))
    return xs, made


def _named(made: Any, name: str) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors that a forward has returned: those in a dict by their names, others by their numbers."""
    if isinstance(made, Tensor):
        yield name, made
        return
    parts = made.items() if isinstance(made, dict) else enumerate(made)
    for key, part in parts:
        yield from _named(part, key if isinstance(key, str) else f"{name}_{key}")


class _Unifier:
    """Finds what two values have in common, for the errors of one place in a model."""

    def __init__(self, model: Network, where: str) -> None:
        self.model, self.where = model, where

    def __call__(self, a: Any, b: Any, what: str) -> Any:
        """Return the value for batches of any size."""
        if isinstance(a, np.dtype) or callable(a):
            return a
        if isinstance(a, slice):
            return slice(*(self(getattr(a, p), getattr(b, p), what) for p in ("start", "stop", "step")))
        if isinstance(a, tuple | list) and isinstance(b, tuple | list) and len(a) == len(b):
            parts = [self(p, q, what) for p, q in zip(a, b, strict=True)]
            return type(a)(*parts) if hasattr(a, "_fields") else tuple(parts)
        if type(a) is type(b) and a == b:
            return a
        multiple = _multiple(a, b)
        if multiple is None:
            raise ArgumentError(
                f"{self.model}: {self.where} has {what} = {a!r} for a batch of {SIZES[0]} and {b!r} for one of "
                f"{SIZES[1]}; a file can only have what does not depend on the size, or multiples of it"
            )
        return Batch(multiple)


def _multiple(a: Any, b: Any) -> int | None:
    """Return how many times the size of the batch two numbers are."""
    whole = all(isinstance(v, int | float | np.number) and float(v).is_integer() for v in (a, b))
    if not whole or a % SIZES[0] or a // SIZES[0] * SIZES[1] != b:
        return None
    return int(a) // SIZES[0]


def _leaf(model: Network, a: Tensor, b: Tensor, name: str, where: str) -> Leaf:
    """Return what an array from outside of the graph is for batches of any size."""
    first, second = a.memory, b.memory
    if a is b or (first.shape == second.shape and np.array_equal(first, second, equal_nan=first.dtype.kind == "f")):
        return Leaf(first, first.shape, name)
    if first.size == second.size == 1 and first.dtype.kind in "fiu":
        multiple = _multiple(first.item(), second.item())
        if multiple is not None:
            return Leaf(Batch(multiple), first.shape)
    if _uniform(first) and _uniform(second) and first.flat[0] == second.flat[0]:
        shape = _Unifier(model, where)(first.shape, second.shape, "a constant of shape")
        return Leaf(np.asarray(first.flat[0]), shape)
    raise ArgumentError(
        f"{model}: {where} takes an array of shape {first.shape} for a batch of {SIZES[0]} and another one of shape "
        f"{second.shape} for one of {SIZES[1]}; a file has one array for all sizes. Was it drawn at random, or made "
        "from the size of the batch?"
    )


def _uniform(array: Array) -> bool:
    return array.size > 0 and bool((array == array.flat[0]).all())
