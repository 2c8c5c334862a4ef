"""An ONNX graph as plain data, and its interpretation: one operator after another, in tinynet's ops.

The data are what a model file of tinynet's keeps, so they are checked as those of an ONNX file are: nothing in them is
executed, and each operator checks what it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from tinynet.core.mode import Block, _recording, _reference, _tracing, tracing
from tinynet.core.spec import Array
from tinynet.core.transaction import within
from tinynet.errors import ArgumentError, DTypeError, ShapeError
from tinynet.onnx.network.calls import MOST_KNOWN, MOST_VALUES, Call, Operator, check_size
from tinynet.onnx.network.images import IMAGES
from tinynet.onnx.network.normalisations import NORMALISATIONS
from tinynet.onnx.network.pointwise import DTYPES, POINTWISE
from tinynet.onnx.network.reductions import REDUCTIONS
from tinynet.onnx.network.shapes import SHAPES
from tinynet.onnx.network.values import Operand, Value

OPERATORS: dict[str, Operator] = {**POINTWISE, **IMAGES, **SHAPES, **REDUCTIONS, **NORMALISATIONS}

_LIKE_NUMPY = {dtype: number for number, dtype in DTYPES.items()}


class Node(NamedTuple):
    """One use of an operator: its kind, its name, the names of its inputs and outputs, and its attributes."""

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]

    def __str__(self) -> str:
        return f"node {self.name or self.outputs[0]!r} ({self.kind})"


Details = Callable[[Node], dict[str, Any]]


class Graph:
    """Nodes in their order, and arrays that they use.

    Parameters
    ----------
    nodes : list of dict
        As `Node` has them.
    constants : mapping of str to ndarray
        Arrays by name.
    opset : int
        The version of the operators.
    """

    def __init__(self, nodes: list[dict[str, Any]], constants: Mapping[str, Array], opset: int) -> None:
        self.nodes = [
            Node(n["kind"], n["name"], tuple(n["inputs"]), tuple(n["outputs"]), dict(n["attributes"])) for n in nodes
        ]
        self.constants = {name: np.asarray(array) for name, array in constants.items()}
        self.opset = int(opset)

    def run(
        self,
        given: Mapping[str, Operand],
        floats: tuple[np.dtype[Any], np.dtype[Any]] | None = None,
        details: Details = lambda node: {},
        watch: Callable[[Node, Value], None] = lambda node, value: None,
    ) -> dict[str, Operand]:
        """Interpret the graph.

        Parameters
        ----------
        given : mapping of str to Value or ndarray
            The inputs, and arrays that are not constants, such as parameters.
        floats : (dtype, dtype), optional
            The floating dtype of the graph, and the one that is to take its place.
        details : callable
            Returns what else a `Call` needs to know of a node.
        watch : callable
            Called with each value that depends on the samples.

        Returns
        -------
        dict of str to Value or ndarray
            All values by name.

        Raises
        ------
        ArgumentError, ShapeError, DTypeError
            If a node cannot be computed, with its name.
        """
        kept: dict[str, Operand] = {name: _in_place(array, floats) for name, array in self.constants.items()}
        kept.update(given)
        known = 0
        for node in self.nodes:
            try:
                made = self._results(node, kept, floats, details)
            except ShapeError as error:
                raise ShapeError(f"{node}: {error}", located=True) from error
            except (ArgumentError, DTypeError) as error:
                raise type(error)(f"{node}: {error}") from error
            for name, y in zip(node.outputs, made, strict=False):
                kept[name] = y
                if isinstance(y, Value):
                    watch(node, y)
                else:
                    known += y.size
            if known > MOST_KNOWN:
                raise ArgumentError(f"{node}: the file works out more than {MOST_KNOWN:,} values that are not samples")
        return kept

    def _results(self, node: Node, kept: Mapping[str, Operand], floats: Any, details: Details) -> list[Value | Array]:
        inputs = [kept[name] if name else None for name in node.inputs]
        attributes = node.attributes
        if floats and node.kind == "Cast" and attributes.get("to") == _LIKE_NUMPY[str(floats[0])]:
            attributes = attributes | {"to": _LIKE_NUMPY[str(floats[1])]}
        call = Call(node.kind, inputs, attributes, self.opset, len(node.outputs), **details(node))
        operator = OPERATORS[node.kind]
        made = _known(operator, call) if not any(isinstance(x, Value) for x in inputs) else operator(call)
        results = list(made) if isinstance(made, tuple) else [made]
        for y in results:
            check_size(y.shape, MOST_VALUES)
        return [y if isinstance(y, Value) else _in_place(np.asarray(y), floats) for y in results]


def _in_place(array: Array, floats: tuple[np.dtype[Any], np.dtype[Any]] | None) -> Array:
    return array.astype(floats[1]) if floats and array.dtype == floats[0] else array


def _known(operator: Operator, call: Call) -> Any:
    """Compute what does not depend on the samples at once, after its size is known."""
    with tracing(), within(None):
        made = operator(call)
    first = made if isinstance(made, tuple) else (made,)
    if not any(isinstance(y, Value) for y in first):
        return made
    for y in first:
        check_size(y.shape, MOST_KNOWN)
    with Block((_tracing, False), (_recording, False), (_reference, True)), within(None):
        made = operator(call)
        several = made if isinstance(made, tuple) else (made,)
        return tuple(np.array(y.plain().data) if isinstance(y, Value) else y for y in several)
