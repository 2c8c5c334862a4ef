"""The model that an ONNX file becomes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tinynet.core.engine import Tensor
from tinynet.core.spec import Shape
from tinynet.core.transaction import State
from tinynet.errors import ArgumentError
from tinynet.model import Model
from tinynet.nn.input import Input
from tinynet.nn.layer import Layer
from tinynet.onnx.network.graph import Graph, Node
from tinynet.onnx.network.values import Operand, Value, plain


class Group(Layer):
    """Parameters of an imported model whose names begin alike, so that they can be frozen together.

    Parameters
    ----------
    parts : dict of str to Group
        Those whose names go on alike.
    name : str
        What the names begin with.
    """

    def __init__(self, parts: dict[str, Group], name: str) -> None:
        super().__init__(name)
        self.layers = parts


class ImportedModel(Model):
    """A model that `tinynet.onnx.load` made of an ONNX file.

    Its samples have the order of axes that they have in the file. Parameters keep their names, cut at the dots: what is
    "conv1.weight" in the file belongs to ``model.layers["conv1"]``, which may be frozen.

    Parameters
    ----------
    graph : dict
        The graph as plain data; see `tinynet.onnx.network.graph`.
    name : str, optional
        As for every layer.

    Attributes
    ----------
    layers : dict of str to Layer
        The parts that have parameters, by name.
    """

    kind = "imported_model"

    def __init__(self, graph: dict[str, Any], name: str | None = None) -> None:
        self.graph = Graph(graph["nodes"], graph["constants"], graph["opset"])
        self.entry, self.result = str(graph["input"]), str(graph["output"])
        self.file_dtype = np.dtype(graph["dtype"])
        self.input_dtype = np.dtype(graph["input_dtype"])
        self.held: dict[str, Tensor] = {}  # parameters and states by their names in the graph
        self.table = _Leaves(graph["leaves"])
        self.layers = self.table.parts()
        super().__init__(dtype=self.file_dtype, name=name)
        self._implied_input = Input(graph["shape"], integers=self.input_dtype.kind != "f")

    def build(self, input_shape: Shape, rng: np.random.Generator) -> None:
        """Create the parameters and the states, which get their values from the file."""
        owners = dict(self.table.owners(self))
        for owner in {id(owner): owner for owner in owners.values()}.values():
            owner.own_parameters.clear()
            owner.own_states.clear()
            owner._built = True
        held: dict[str, Tensor] = {}
        for name, (path, shape, _, is_state) in self.table.rows.items():
            owner = owners[name]
            if is_state:
                held[name] = owner.add_state(path[-1], shape, dtype=self.table.dtypes.get(name))
            else:
                held[name] = owner.add_parameter(path[-1], shape, decay=len(shape) > 1)
        self.held = held

    def forward(self, x: Tensor) -> Tensor:
        """Interpret the graph."""
        if self.input_dtype.kind != "f":
            x = x.astype(self.input_dtype)
        given: dict[str, Operand] = {self.entry: plain(x)}
        for name, leaf in self.held.items():
            given[name] = Value(leaf, self.table.rows[name][2])
        owners = dict(self.table.owners(self))

        def details(node: Node) -> dict[str, Any]:
            owner = next((owners[name] for name in node.inputs if name in owners), self)
            return {"trainable": owner.trainable, "update": lambda i, new: self._assign(node.inputs[i], new)}

        def watch(node: Node, value: Value) -> None:
            for name in node.inputs:
                if name in owners and owners[name] is not self:
                    vars(owners[name])["output_shape"] = value.shape[1:]  # on which no plan depends

        dtype = self.building.dtype if self.building else self.dtype  # of the model that this one is a layer of
        floats = None if dtype == self.file_dtype else (self.file_dtype, dtype)
        found = self.graph.run(given, floats, details, watch)[self.result]
        if not isinstance(found, Value):
            raise ArgumentError(f"output {self.result!r} does not depend on the samples")
        return found.plain()

    def _assign(self, name: str, new: Tensor) -> None:
        state = self.held.get(name)
        if isinstance(state, State):
            state.assign(new)


class _Leaves:
    """The parameters and states of a graph: where each belongs in the model, its shape, and the order of its axes.

    Parameters
    ----------
    described : mapping
        By name in the graph: the path in the model, the lengths, the order of the axes, and whether it is a state.
    """

    def __init__(self, described: Mapping[str, Any]) -> None:
        self.rows = {
            name: (tuple(row["path"]), tuple(row["shape"]), tuple(row["order"]), bool(row["state"]))
            for name, row in described.items()
        }
        self.dtypes = {name: np.dtype(row["dtype"]) for name, row in described.items() if row.get("dtype")}

    def parts(self) -> dict[str, Group]:
        """Return the parts that the paths name, one within another."""
        tree: dict[str, Any] = {}
        for path, *_ in self.rows.values():
            place = tree
            for step in path[:-1]:
                place = place.setdefault(step, {})
        return _nested(tree)

    def owners(self, model: ImportedModel) -> Iterator[tuple[str, Layer]]:
        """Yield each name in the graph with the part of the model that it belongs to."""
        for name, (path, *_) in self.rows.items():
            owner: Any = model
            for step in path[:-1]:
                owner = owner.layers[step]
            yield name, owner


def _nested(tree: dict[str, Any]) -> dict[str, Group]:
    return {name: Group(_nested(below), name) for name, below in tree.items()}
