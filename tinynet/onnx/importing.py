"""ONNX files as models: `tinynet.onnx.load`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from tinynet.checks import check_count
from tinynet.core.spec import Array
from tinynet.errors import ArgumentError, CheckpointError, TinynetError
from tinynet.onnx.classical import in_standard_operators
from tinynet.onnx.files import array_of, attributes_of, check_order, opset_of, read, unsupported_attributes
from tinynet.onnx.leaves import MOST_INLINE, sort_arrays, uses_of
from tinynet.onnx.network.graph import OPERATORS
from tinynet.onnx.network.model import ImportedModel
from tinynet.onnx.network.pointwise import DTYPES
from tinynet.saving.places import as_path

_FLOATS = ("float32", "float64")


def load(
    path: str | os.PathLike[str],
    output: str | None = None,
    input_shape: Sequence[int] | None = None,
    name: str | None = None,
) -> ImportedModel:
    """Load an ONNX file as a model that predicts, and that can be trained, saved and frozen like any other.

    Arrays of floats in the file become parameters, with their names, and running means become states; numbers and
    integers are constants. Dropout and batch normalisation act in training as tinynet's own do. Samples have the order
    of axes that they have in the file: (N, C, H, W) in those of PyTorch.

    Parameters
    ----------
    path : path-like
        The file.
    output : str, optional
        The value that the model returns, by its name in the file; its only output by default. What follows that value
        is left out, as is the head of a network that is to get another one.
    input_shape : sequence of int, optional
        The shape of one sample, where the file leaves it open.
    name : str, optional
        Of the model; by default that of the graph.

    Returns
    -------
    ImportedModel
        With the parameters of the file.

    Raises
    ------
    CheckpointError
        If the file is damaged, or uses operators that tinynet does not have: all of them are named, before anything is
        built.
    FileNotFoundError
        If there is no such file.
    ArgumentError
        If there is no such output, or several; or if the shape of a sample is not known.
    MissingPackageError
        If the package onnx is not installed.

    Examples
    --------
    >>> import tempfile, pathlib, numpy as np, tinynet as tn
    >>> model = tn.Sequential([tn.Input((4,)), tn.Dense(2)], seed=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "model.onnx"
    ...     tn.onnx.save(model, path)
    ...     same = tn.onnx.load(path)
    >>> x = np.ones((3, 4), np.float32)
    >>> bool(np.allclose(same.predict(x), model.predict(x))), list(same.parameters)
    (True, ['dense.weight', 'dense.bias'])
    """
    place = as_path("an ONNX file", path)
    try:
        return _load(place, output, input_shape, name)
    except TinynetError:
        raise
    except Exception as error:  # attributes that make no sense can fail in any way
        raise CheckpointError(f"{place} is damaged: its graph makes no sense ({error!r})") from error


def _load(place: Path, output: str | None, input_shape: Sequence[int] | None, name: str | None) -> ImportedModel:
    proto = read(place)
    file = _File(place, proto)
    result = file.choose(output)
    nodes = file.leading_to(result)
    file.check_operators(nodes)
    entry = file.entry(nodes)
    described, values = file.describe(nodes, entry, result, input_shape)
    try:
        model = ImportedModel(described, name or proto.graph.name.replace(".", "_") or None)
        model.build_model(initialise=False)
    except TinynetError as error:
        raise CheckpointError(f"{place}: {error}{file.advice(entry)}") from error
    leaves = model.leaves
    for full, array in values.items():
        leaves[full].memory[...] = array
    return model


class _File:
    """A file that has been read, and what of it makes the model."""

    def __init__(self, path: Path, proto: onnx.ModelProto) -> None:
        self.path, self.proto = path, proto
        self.graph = proto.graph
        expanded = [in_standard_operators(node) for node in self.graph.node]
        self.nodes = [node for nodes, _ in expanded for node in nodes]
        self.tensors = {t.name: t for t in (*self.graph.initializer, *(t for _, more in expanded for t in more))}
        self.inputs = {one.name: one for one in self.graph.input if one.name not in self.tensors}
        check_order(path, self.nodes, {*self.tensors, *self.inputs})

    def choose(self, output: str | None) -> str:
        """Return the name of the value that the model returns."""
        there = {name for node in self.nodes for name in node.output if name}
        if output is not None:
            if output not in there:
                names = ", ".join(repr(one.name) for one in self.graph.output)
                raise ArgumentError(f"{self.path} has no value {output!r}; its outputs are {names}")
            return output
        floating = [one.name for one in self.graph.output if _kind(one) in _FLOATS]
        if len(floating) != 1:
            names = ", ".join(f"{one.name!r} of {_kind(one) or 'another kind'}" for one in self.graph.output)
            raise ArgumentError(
                f"{self.path} has {len(floating)} outputs of floats, but a model returns one: name it, as in "
                f"tn.onnx.load(path, output=...), among {names or 'none'}"
            )
        if floating[0] not in there:
            raise CheckpointError(f"{self.path} is damaged: no node makes its output {floating[0]!r}")
        return str(floating[0])

    def leading_to(self, result: str) -> list[onnx.NodeProto]:
        """Return the nodes that lead to a value."""
        wanted, kept = {result}, []
        for node in reversed(self.nodes):
            if wanted.intersection(node.output):
                wanted.update(node.input)
                kept.append(node)
        return kept[::-1]

    def check_operators(self, nodes: Sequence[onnx.NodeProto]) -> None:
        """Refuse operators that tinynet does not have, all at once, each with its nodes."""
        unknown: dict[str, list[str]] = {}
        for node in nodes:
            domain = "" if node.domain in ("", "ai.onnx") else f"{node.domain}."
            kind = domain + node.op_type
            if kind not in OPERATORS or unsupported_attributes(node):
                unknown.setdefault(kind, []).append(repr(node.name or node.output[0]))
        if unknown:
            told = "; ".join(f"{kind}, in {_some(names)}" for kind, names in unknown.items())
            raise CheckpointError(f"{self.path} uses operators that tinynet does not have: {told}")

    def entry(self, nodes: Sequence[onnx.NodeProto]) -> onnx.ValueInfoProto:
        """Return the input through which samples come."""
        used = {name for node in nodes for name in node.input}
        found = [one for name, one in self.inputs.items() if name in used]
        if len(found) != 1:
            names = ", ".join(repr(one.name) for one in found) or "none"
            raise ArgumentError(f"{self.path} takes {len(found)} inputs, {names}; a model takes one")
        if _kind(found[0]) is None:
            raise CheckpointError(f"{self.path}: input {found[0].name!r} is of a data type that tinynet does not have")
        return found[0]

    def describe(
        self,
        nodes: Sequence[onnx.NodeProto],
        entry: onnx.ValueInfoProto,
        result: str,
        input_shape: Sequence[int] | None,
    ) -> tuple[dict[str, Any], dict[str, Array]]:
        """Return the graph as plain data, and the values of its parameters and states by their names in the model."""
        arrays = {name: array_of(self.path, tensor, "the tensor") for name, tensor in self._used(nodes)}
        nodes = self._without_copies(nodes, arrays)
        described = [self._node(node) | self._freed(node, entry, arrays) for node in nodes]
        large = {n["outputs"][0]: n["attributes"].get("value") for n in described if n["kind"] == "Constant"}
        large = {name: array for name, array in large.items() if array is not None and array.size > MOST_INLINE}
        uses = uses_of(nodes)
        dtype = _main_dtype(arrays, entry)
        leaves, values = sort_arrays(
            {name: array for name, array in arrays.items() if name in uses}, large, uses, dtype
        )
        return {
            "opset": opset_of(self.proto),
            "input": entry.name,
            "output": result,
            "shape": self._sample_shape(entry, input_shape),
            "dtype": dtype,
            "input_dtype": _kind(entry),
            "nodes": [n for n in described if n["outputs"][0] not in large],
            "constants": {name: array for name, array in arrays.items() if name not in leaves},
            "leaves": leaves,
        }, values

    def _used(self, nodes: Sequence[onnx.NodeProto]) -> list[tuple[str, onnx.TensorProto]]:
        used = {name for node in nodes for name in node.input}
        return [(name, tensor) for name, tensor in self.tensors.items() if name in used]

    def _without_copies(self, nodes: Sequence[onnx.NodeProto], arrays: dict[str, Array]) -> Sequence[onnx.NodeProto]:
        """Let equal weights of several layers, which some exporters write once, be weights of their own again."""
        kept = []
        for node in nodes:
            if node.op_type == "Identity" and node.input[0] in arrays:
                arrays[node.output[0]] = arrays[node.input[0]]
            else:
                kept.append(node)
        used = {name for node in kept for name in node.input}
        for name in set(arrays) - used:
            del arrays[name]
        return kept

    def _node(self, node: onnx.NodeProto) -> dict[str, Any]:
        outputs = list(node.output)
        while outputs and not outputs[-1]:
            outputs.pop()
        return {
            "kind": node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}",
            "name": node.name,
            "inputs": list(node.input),
            "outputs": outputs,
            "attributes": attributes_of(self.path, node),
        }

    def _freed(self, node: onnx.NodeProto, entry: onnx.ValueInfoProto, arrays: dict[str, Array]) -> dict[str, Any]:
        """Let a reshape to batches of the size at which the model was exported be one to batches of any size."""
        shape = arrays.get(node.input[1]) if node.op_type == "Reshape" and len(node.input) > 1 else None
        if shape is None or node.input[0] in self.tensors or shape.ndim != 1 or shape.size < 2 or 0 in shape:
            return {}
        if list(shape[:1]) != _lengths(entry)[:1]:
            return {}
        new = f"{node.input[1]}, for batches of any size"
        arrays[new] = np.concatenate([[0 if -1 in shape else -1], shape[1:]])  # 0: as long as that of the input
        return {"inputs": [node.input[0], new], "attributes": {}}

    def _sample_shape(self, entry: onnx.ValueInfoProto, given: Sequence[int] | None) -> list[int]:
        lengths = _lengths(entry)
        if not lengths:
            raise ArgumentError(f"{self.path}: input {entry.name!r} has no axes; a batch has one for its samples")
        if given is not None:
            shape = [check_count("input_shape: each length", n) for n in given]
            fits = len(shape) == len(lengths) - 1 and all(
                m == n or not isinstance(n, int) for m, n in zip(shape, lengths[1:], strict=True)
            )
            if not fits:
                raise ArgumentError(f"{self.path} takes samples of shape {tuple(lengths[1:])}, not {tuple(shape)}")
            return shape
        if any(not isinstance(n, int) for n in lengths[1:]):
            raise ArgumentError(
                f"{self.path} leaves open the shape of its samples, {tuple(lengths[1:])}; give it, as in "
                "tn.onnx.load(path, input_shape=(3, 224, 224))"
            )
        if any(n < 1 for n in lengths[1:]):
            raise CheckpointError(f"{self.path} is damaged: its samples have the shape {tuple(lengths[1:])}")
        return lengths[1:]

    def advice(self, entry: onnx.ValueInfoProto) -> str:
        """Say what may help where a batch of another size than that of the export does not fit."""
        first = _lengths(entry)[0]
        if not isinstance(first, int):
            return ""
        return (
            f". The file was exported for batches of {first}: export it for batches of any size, as with "
            "dynamic_shapes or dynamic_axes in PyTorch"
        )


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"


def _kind(info: onnx.ValueInfoProto) -> str | None:
    """Return the dtype of an input or output; None if it is not an array of numbers."""
    return DTYPES.get(info.type.tensor_type.elem_type) if info.type.HasField("tensor_type") else None


def _lengths(info: onnx.ValueInfoProto) -> list[Any]:
    """Return the lengths of an input: integers, or what the file calls those that it leaves open."""
    dims = info.type.tensor_type.shape.dim
    return [int(d.dim_value) if d.HasField("dim_value") else d.dim_param or "?" for d in dims]


def _main_dtype(arrays: Mapping[str, Array], entry: onnx.ValueInfoProto) -> str:
    """Return the floating dtype of a file: that of its samples, or otherwise of its largest array."""
    if _kind(entry) in _FLOATS:
        return str(_kind(entry))
    floating = [a for a in arrays.values() if str(a.dtype) in _FLOATS]
    return str(max(floating, key=lambda a: a.size).dtype) if floating else "float32"
