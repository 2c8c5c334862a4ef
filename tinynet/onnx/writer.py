"""Nodes of an ONNX graph, one after another, and values whose axes may lie in another order than tinynet's.

tinynet's images are N H W C, those of ONNX N C H W. A convolution makes its result in ONNX's order, and it stays so for
as long as the ops that follow do not mind: a `Value` is the name of what is there, with the order of its axes. Only an
op that needs the other order has a Transpose before it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from tinynet.core.spec import Array
from tinynet.onnx.trace import Batch, Dims, Leaf

Order = tuple[int, ...]


@dataclass(frozen=True)
class Value:
    """A value of the graph.

    Attributes
    ----------
    name : str
        Of what is in the file.
    shape : tuple of int and Batch
        The lengths, in tinynet's order.
    dtype : dtype
        Of its values.
    order : tuple of int
        Axis i of what is in the file is axis ``order[i]`` of the value.
    """

    name: str
    shape: Dims
    dtype: np.dtype[Any]
    order: Order

    @property
    def plain(self) -> bool:
        """Whether the axes are in tinynet's order."""
        return self.order == natural(self.shape)


def natural(shape: Dims) -> Order:
    """Return the order in which axes lie by default."""
    return tuple(range(len(shape)))


class Writer:
    """The graph so far.

    Parameters
    ----------
    inputs : sequence of str
        What the samples are called.
    names : set of str
        Those that are taken: the parameters'.
    used_once : set of str
        The parameters that one op uses, once; values are added as they are made.
    """

    def __init__(self, inputs: Sequence[str], names: set[str], used_once: set[str]) -> None:
        self.inputs = inputs
        self.used_once = used_once
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, Array] = {}
        self.made_by: dict[str, onnx.NodeProto] = {}
        self._taken = names | {*inputs}
        self._counts: Counter[str] = Counter()
        self.constants: set[str] = set()
        self._by_content: dict[Any, str] = {}
        self._sizes: dict[int, str] = {}
        self._ordered: dict[tuple[str, Order], str] = {}

    def fresh(self, base: str) -> str:
        """Return a name that is not taken."""
        while True:
            name = f"{base}_{self._counts[base]}" if self._counts[base] else base
            self._counts[base] += 1
            if name not in self._taken:
                self._taken.add(name)
                return name

    def several(self, kind: str, inputs: Sequence[str], outputs: int, **attributes: Any) -> list[str]:
        """Add a node; returns the names of its outputs."""
        name = self.fresh(kind.lower())
        made = [name] if outputs == 1 else [self.fresh(f"{name}_{i}") for i in range(outputs)]
        node = helper.make_node(kind, list(inputs), made, name=name, **attributes)
        self.nodes.append(node)
        self.made_by.update(dict.fromkeys(made, node))
        return made

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node of one output; returns its name."""
        return self.several(kind, inputs, 1, **attributes)[0]

    # --- arrays

    def constant(self, values: Any, dtype: Any = None) -> str:
        """Return the name of an array that the file holds; equal ones are there once."""
        array = np.asarray(values, dtype)
        key = array.shape, array.dtype.str, array.tobytes()
        if key not in self._by_content:
            name = self._by_content[key] = self.fresh("constant")
            self.initializers[name] = array
            self.constants.add(name)
        return self._by_content[key]

    def leaf(self, leaf: Leaf, dtype: np.dtype[Any]) -> Value:
        """Return a parameter, a state or a constant."""
        if isinstance(leaf.values, Batch):
            name = self.node("Cast", self.vector([leaf.values]), to=helper.np_dtype_to_tensor_dtype(dtype))
            return self.value(self.reshape(name, leaf.shape), leaf.shape, dtype)
        if leaf.values.shape != leaf.shape:
            name = self.node("Expand", self.constant(leaf.values, dtype), self.vector(leaf.shape))
            return self.value(name, leaf.shape, dtype)
        if leaf.name:
            self.initializers[leaf.name] = np.asarray(leaf.values)
        return self.value(leaf.name or self.constant(leaf.values, dtype), leaf.shape, dtype)

    # --- numbers that depend on the size of the batch

    def size(self, multiple: int) -> str:
        """Return the name of a multiple of the size of the batch, as a vector of one number."""
        if multiple not in self._sizes:
            one = self._sizes.get(1) or self.node("Shape", self.inputs[0], start=0, end=1)
            self._sizes[1] = one
            self._sizes[multiple] = one if multiple == 1 else self.node("Mul", one, self.constant([multiple], np.int64))
        return self._sizes[multiple]

    def vector(self, numbers: Sequence[int | Batch]) -> str:
        """Return the name of a vector of integers."""
        if not any(isinstance(n, Batch) for n in numbers):
            return self.constant(list(numbers), np.int64)
        parts = [self.size(n.multiple) if isinstance(n, Batch) else self.constant([n], np.int64) for n in numbers]
        return parts[0] if len(parts) == 1 else self.node("Concat", *parts, axis=0)

    def reshape(self, name: str, shape: Dims) -> str:
        """Reshape; one length that depends on the size of the batch is worked out from the others."""
        known = [n for n in shape if not isinstance(n, Batch)]
        if len(known) == len(shape) - 1 and 0 not in known:
            return self.node(
                "Reshape", name, self.constant([-1 if isinstance(n, Batch) else n for n in shape], np.int64)
            )
        return self.node("Reshape", name, self.vector(shape), allowzero=int(0 in known))

    # --- values

    def value(self, name: str, shape: Dims, dtype: np.dtype[Any], order: Order | None = None) -> Value:
        """Return a value, in tinynet's order unless another one is given."""
        return Value(name, shape, dtype, natural(shape) if order is None else order)

    def ordered(self, value: Value, order: Order | None = None) -> str:
        """Return the name of a value with its axes in an order, tinynet's own by default."""
        order = natural(value.shape) if order is None else order
        if value.order == order:
            return value.name
        key = value.name, tuple(value.order.index(a) for a in order)
        if key not in self._ordered:
            self._ordered[key] = self.node("Transpose", value.name, perm=key[1])
        return self._ordered[key]

    def stored(self, value: Value, order: Order) -> str:
        """Return the name of a value as `ordered` does; a parameter that is used once lies so in the file."""
        if value.name not in self.used_once or value.name not in self.initializers or value.order == order:
            return self.ordered(value, order)
        self.initializers[value.name] = self.initializers[value.name].transpose([value.order.index(a) for a in order])
        return value.name

    def converted(self, value: Value, dtype: Any) -> Value:
        """Return a value in another dtype."""
        wanted = np.dtype(dtype)
        if value.dtype == wanted:
            return value
        name = self.node("Cast", value.name, to=helper.np_dtype_to_tensor_dtype(wanted))
        return Value(name, value.shape, wanted, value.order)

    def tensors(self) -> list[onnx.TensorProto]:
        """Return the arrays of the file that are parameters, numbers or integers."""
        return [_tensor(a, name) for name, a in self.initializers.items() if not self._is_array(name)]

    def constant_nodes(self) -> list[onnx.NodeProto]:
        """Return nodes for the other arrays, so that nobody who reads the file takes them for parameters."""
        arrays = [(name, a) for name, a in self.initializers.items() if self._is_array(name)]
        return [helper.make_node("Constant", [], [name], name=name, value=_tensor(a, name)) for name, a in arrays]

    def _is_array(self, name: str) -> bool:
        array = self.initializers[name]
        return name in self.constants and array.dtype.kind == "f" and array.ndim > 0


def _tensor(array: Array, name: str) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(array, order="C"), name)
