"""The layout of a plan: every value of a graph gets its array, and every node its call."""

from __future__ import annotations

import bisect
import itertools
import math
import operator
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinynet.core.engine import Node, Tensor, ancestors, is_constant, meaning
from tinynet.core.spec import Array, Spec
from tinynet.errors import TraceError
from tinynet.fast.implementation import bound_call, evaluate, implementation
from tinynet.ops.join import _concatenate
from tinynet.ops.shape import _reshape

_ALIGNMENT = 64  # bytes: a cache line, and the widest vector

Key = Any


@dataclass(frozen=True)
class Call:
    """One call of a plan."""

    node: Node | None  # None for a copy
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    name: str
    outputs: tuple[Array, ...]
    inputs: tuple[Array, ...]
    scratch: tuple[Array, ...] = ()  # what it works in


class Pool:
    """Blocks of memory for buffers that do not live at the same time."""

    def __init__(self) -> None:
        self.free: list[tuple[int, int, Array]] = []  # sorted by size, then by when they came back
        self.returned = itertools.count()
        self.bytes = 0

    def take(self, spec: Spec) -> tuple[Array, Array]:
        """Return an array of a spec, and its block: the smallest free one that holds it, or a new one."""
        size = math.prod(spec.shape) * spec.dtype.itemsize
        needed = max(1, size)
        smallest = bisect.bisect_left(self.free, needed, key=lambda entry: entry[0])
        if smallest < len(self.free) and self.free[smallest][0] <= 4 * needed:
            *_, block = self.free.pop(smallest)
        else:
            raw = np.empty(needed + _ALIGNMENT, np.uint8)
            start = -raw.ctypes.data % _ALIGNMENT
            block = raw[start : start + needed]
            self.bytes += needed
        return block[:size].view(spec.dtype).reshape(spec.shape), block

    def give(self, block: Array) -> None:
        """Take a block back."""
        bisect.insort(self.free, (block.size, next(self.returned), block))


class Layout:
    """The one pass over the graph in which every value gets its array and every node its call."""

    def __init__(self, wanted: list[Tensor], leaves: dict[int, Array]) -> None:
        self.leaves, self.pool = leaves, Pool()
        self.arrays: dict[Key, Array] = {}
        self.calls: list[Call] = []
        self.same: dict[Key, Key] = {}
        nodes = self._distinct(ancestors(wanted))
        self.late = _late(nodes)
        self.nodes = sorted(nodes, key=lambda node: id(node) in self.late)
        self.roots: dict[Key, Key] = {}
        self.last: dict[Key, int] = {}
        self._lifetimes(wanted)
        self.by_identity = {id(node): node for node in self.nodes}
        self.placed = self._placements()
        self.blocks: dict[Key, list[Array]] = {}  # of a value that others may share, and of copies that views share
        self.constants: set[Key] = set()
        self.pure = 0  # the number of calls before the first that writes over what it was given
        for number, node in enumerate(self.nodes):
            self._add(number, node)
            if id(node) not in self.late:
                self.pure = len(self.calls)

    def key(self, x: Tensor) -> Key:
        """Identify a value; equal nodes count as one."""
        if x.node is None:
            return id(x)
        return self.same.get(id(x.node), id(x.node)), x.index

    def array(self, x: Tensor) -> Array:
        """Return the array in which a value lies."""
        if x.node is not None:
            return self.arrays[self.key(x)]
        if id(x) in self.leaves:
            return self.leaves[id(x)]
        if x.symbolic:
            raise TraceError(
                f"a tensor of shape {x.shape} in the graph is neither an input of the plan nor made by it; was it kept "
                "from another trace?"
            )
        return x.memory  # of a constant, or of what is read where it lies: parameters, states, arrays from outside

    def is_old(self, x: Tensor) -> bool:
        """Whether a value is one that the plan was given, from before what it does in place."""
        return self._root(x) in self.leaves and (x.node is None or self.key(x)[0] not in self.late)

    def _distinct(self, nodes: list[Node]) -> list[Node]:
        """Leave out nodes that repeat an earlier one: the same op on the same inputs."""
        first: dict[Key, int] = {}
        kept = []
        for node in nodes:
            identity = (node.op, _frozen(sorted(node.attrs.items())), tuple(self.key(x) for x in node.inputs))
            if identity in first:
                self.same[id(node)] = first[identity]
            else:
                first[identity] = id(node)
                kept.append(node)
        return kept

    def _lifetimes(self, wanted: list[Tensor]) -> None:
        """Find the block that each value lies in, by the value that it was first made for, and that one's last use."""
        for number, node in enumerate(self.nodes):
            for x in node.inputs:
                self.last[self._root(x)] = number
            for i in range(len(node.values)):
                own = (id(node), i)
                shares = node.op.view or i < implementation(node.op).inplace
                self.roots[own] = self._root(node.inputs[i]) if shares else own
                self.last.setdefault(self.roots[own], number)
        for y in wanted:
            self.last[self._root(y)] = len(self.nodes)

    def _root(self, x: Tensor) -> Key:
        key = self.key(x)
        return self.roots.get(key, key)

    def _placements(self) -> dict[Key, tuple[Key, int]]:
        """Find values that can be computed straight into their slice of a concatenation: its key, and the start."""
        placed: dict[Key, tuple[Key, int]] = {}
        made = {
            (id(node), i): value
            for node in self.nodes
            if not node.op.view and not implementation(node.op).inplace
            for i, value in enumerate(node.values)
        }
        for node in self.nodes:
            if node.op is not _concatenate or any(x.ndim != 1 for x in node.inputs):
                continue
            start = 0
            for x in node.inputs:
                root = self._root(x)
                whole = root in made and math.prod(made[root].shape) == x.size
                if whole and root not in placed and _only_reshaped(x):
                    placed[root] = ((id(node), 0), start)
                start += x.size
        return placed

    def _take(self, key: Key, spec: Spec) -> Array:
        if key in self.placed:
            whole, start = self.placed[key]
            if whole not in self.arrays:  # which may itself have its place in another
                node = self.by_identity[whole[0]]
                self.arrays[whole] = self._take(whole, Spec(node.values[0].shape, node.values[0].dtype))
                self.blocks.pop(whole, None)
            return self.arrays[whole][start : start + math.prod(spec.shape)].reshape(spec.shape)
        array, block = self.pool.take(spec)
        self.blocks[key] = [block]
        return array

    def _add(self, number: int, node: Node) -> None:
        """Give the outputs of a node their arrays, add the calls that compute them, and free what was used last."""
        op, own = node.op, (id(node), 0)
        inputs = tuple(self.array(x) for x in node.inputs)
        if inputs and all(self._one_number(x) for x in node.inputs):  # the cotangent 1 of a loss, or made from one
            self._fold(node, inputs)
            return
        copies: list[Array] = []
        if implementation(op).contiguous:
            inputs = tuple(a if a.flags.c_contiguous else self._copy(a, copies) for a in inputs)
        if op.view:
            (self.arrays[own],) = meaning(op, inputs, node.attrs)
        elif own in self.arrays:
            self._add_missing_parts(node, inputs)
        else:
            self._add_call(node, inputs)
        if op.view or implementation(op).inplace:  # what they make lies in the copy
            self.blocks.setdefault(self._root(node.inputs[0]), []).extend(copies)
        else:
            self._give(copies)
        self._free(number, node)

    def _fold(self, node: Node, inputs: tuple[Array, ...]) -> None:
        """Compute a node now and for good."""
        for i, array in enumerate(evaluate(node.op, inputs, node.attrs)):
            key = (id(node), i)
            self.arrays[key] = array
            self.constants.add(key)
            self.placed.pop(key, None)

    def _add_missing_parts(self, node: Node, inputs: tuple[Array, ...]) -> None:
        """Copy into a concatenation, of which some parts are in place, those that are not."""
        own, start = (id(node), 0), 0
        for x, array in zip(node.inputs, inputs, strict=True):
            if self.placed.get(self._root(x)) != (own, start):
                self.calls.append(copy_call(self.arrays[own][start : start + x.size], array))
            start += x.size

    def _add_call(self, node: Node, inputs: tuple[Array, ...]) -> None:
        """Add the call of a node's implementation, on arrays of the pool."""
        op, found = node.op, implementation(node.op)
        specs = [Spec(v.shape, v.dtype) for v in node.values]
        outputs = tuple(self._take((id(node), i), spec) for i, spec in enumerate(specs) if i >= found.inplace)
        taken = [self.pool.take(spec) for spec in (found.scratch(*inputs, **node.attrs) if found.scratch else ())]
        scratch = tuple(array for array, _ in taken)
        function, arguments = bound_call(op, outputs, scratch, inputs, node.attrs)
        made = (*inputs[: found.inplace], *outputs)
        self.calls.append(Call(node, function, arguments, op.name, made, inputs, scratch))
        self.arrays |= {(id(node), i): array for i, array in enumerate(made)}
        self._give(block for _, block in taken)

    def _free(self, number: int, node: Node) -> None:
        """Give back the blocks of what nothing uses after this node."""
        own = [(id(node), i) for i in range(len(node.values))]
        for root in (*(self._root(x) for x in node.inputs), *own):
            if self.last.get(root, -1) <= number:
                self._give(self.blocks.pop(root, ()))

    def _give(self, blocks: Iterable[Array]) -> None:
        for block in blocks:
            self.pool.give(block)

    def _one_number(self, x: Tensor) -> bool:
        """Whether a value is a constant that is one number in memory."""
        if x.node is not None:
            return self.key(x) in self.constants
        return id(x) not in self.leaves and is_constant(x) and not any(x.memory.strides)

    def _copy(self, array: Array, copies: list[Array]) -> Array:
        """Add a copy in row order, and its block to those of a node."""
        copy, block = self.pool.take(Spec(array.shape, array.dtype))
        copies.append(block)
        self.calls.append(copy_call(copy, array))
        return copy


def copy_call(to: Array, source: Array) -> Call:
    """Make a call that copies one array into another."""
    # np.copyto would call a function in Python, where Ctrl-C may come between two copies.
    return Call(None, operator.setitem, (to, ..., source), "copy", (to,), (source,))


def _late(nodes: list[Node]) -> set[int]:
    """Find nodes that write over their input, and what follows from them: they come after all that may read it."""
    late: set[int] = set()
    for node in nodes:
        if implementation(node.op).inplace or any(id(x.node) in late for x in node.inputs):
            late.add(id(node))
    return late


def _frozen(value: Any) -> Any:
    """Turn attributes into something that can be compared and hashed."""
    if isinstance(value, list | tuple):
        return tuple(_frozen(v) for v in value)
    if isinstance(value, slice):
        return "slice", value.start, value.stop, value.step
    return value if isinstance(value, Hashable) else id(value)


def _only_reshaped(x: Tensor) -> bool:
    """Whether a value is as it was computed, in row order, with nothing left out."""
    while x.node is not None and x.node.op.view:
        if x.node.op is not _reshape:
            return False
        x = x.node.inputs[0]
    return True
