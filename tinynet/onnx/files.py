"""Reading ONNX files, which may be damaged or hostile: sizes are checked before memory is taken for them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, numpy_helper

from tinynet.core.spec import Array
from tinynet.errors import CheckpointError, MissingFileError
from tinynet.onnx.network.pointwise import DTYPES

_NEWEST_IR = onnx.IR_VERSION
_OLDEST_OPSET = 7  # since which operators broadcast as NumPy does
_REMEDY = "export the model again, or copy the file again"

# Where the values of a tensor are that are not in one piece of bytes, and how many bytes an entry stands for.
_FIELDS = {"float_data": "float32", "int32_data": "int32", "int64_data": "int64", "double_data": "float64"}


def read(path: Path) -> onnx.ModelProto:
    """Read a file, and check that it is an ONNX model whose operators and graph can be read.

    Raises
    ------
    MissingFileError, CheckpointError
        If it cannot be.
    """
    if not path.is_file():
        what = "is a directory, not an ONNX file" if path.is_dir() else "is not a file"
        raise MissingFileError(f"{path} {what}; give the path of one that another program has exported")
    try:
        model = onnx.ModelProto.FromString(path.read_bytes())
    except DecodeError as error:
        raise CheckpointError(f"{path} is not an ONNX file, or a damaged one: {error}; {_REMEDY}") from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}") from error
    if not model.graph.node or not model.opset_import:
        raise CheckpointError(f"{path} is not an ONNX file, or a damaged one: it has no graph; {_REMEDY}")
    if model.ir_version > _NEWEST_IR:
        raise CheckpointError(
            f"{path} has IR version {model.ir_version}, but the package onnx that is installed knows up to "
            f"{_NEWEST_IR}; update it"
        )
    if opset_of(model) < _OLDEST_OPSET:
        raise CheckpointError(
            f"{path} has opset {opset_of(model)}, but tinynet reads those from {_OLDEST_OPSET} on; export the model "
            "again, or convert the file with onnx.version_converter"
        )
    return model


def opset_of(model: onnx.ModelProto) -> int:
    """Return the version of the standard operators of a file; 0 if it names none."""
    versions = [opset.version for opset in model.opset_import if opset.domain in ("", "ai.onnx")]
    return int(versions[0]) if versions else 0


def check_order(path: Path, nodes: list[onnx.NodeProto], given: set[str]) -> None:
    """Check that each node takes what is there before it, and makes what is new: there is no cycle.

    Raises
    ------
    CheckpointError
        If one does not.
    """
    there = {"", *given}
    for node in nodes:
        missing = [name for name in node.input if name not in there]
        if missing:
            raise CheckpointError(
                f"{path} is damaged: node {node.name or node.op_type!r} ({node.op_type}) takes {missing[0]!r}, which "
                "no node before it makes; nodes that feed each other in a circle cannot be computed"
            )
        again = [name for name in node.output if name and name in there]
        if again:
            raise CheckpointError(
                f"{path} is damaged: node {node.name or node.op_type!r} ({node.op_type}) makes {again[0]!r}, which is "
                "there already"
            )
        there.update(node.output)


def array_of(path: Path, tensor: TensorProto, what: str) -> Array:
    """Return the values of a tensor, once it is known that the file holds as many as it says.

    Raises
    ------
    CheckpointError
        If it does not, or they are in a file beside it that is not one of the model's directory.
    """
    dtype = DTYPES.get(tensor.data_type)
    name = f"{what} {tensor.name!r}"
    if dtype is None:
        kind = TensorProto.DataType.Name(tensor.data_type) if tensor.data_type in TensorProto.DataType.values() else "?"
        raise CheckpointError(f"{path}: {name} has data type {kind}, which tinynet does not have")
    if any(n < 0 for n in tensor.dims):
        raise CheckpointError(f"{path} is damaged: {name} has the lengths {list(tensor.dims)}, some below 0")
    count = math.prod(tensor.dims)
    size = count * np.dtype(dtype).itemsize
    if tensor.data_location == TensorProto.EXTERNAL:
        content = _beside(path, tensor, name, size)
    elif tensor.HasField("raw_data"):
        content = bytes(tensor.raw_data)
    else:
        held = max((len(getattr(tensor, field)) for field in (*_FIELDS, "uint64_data")), default=0)
        _check_count(path, name, tensor, held, count)
        return np.array(numpy_helper.to_array(tensor)).reshape(list(tensor.dims))
    _check_count(path, name, tensor, len(content), size)
    little = np.dtype(dtype).newbyteorder("<")
    return np.frombuffer(content, little).astype(dtype).reshape(list(tensor.dims))


def _check_count(path: Path, name: str, tensor: TensorProto, held: int, wanted: int) -> None:
    if held != wanted or any(n > 2**40 for n in tensor.dims):
        raise CheckpointError(
            f"{path} is damaged: {name} of shape {list(tensor.dims)} would take {wanted:,} bytes or values, but "
            f"{held:,} are there; {_REMEDY}"
        )


def _beside(path: Path, tensor: TensorProto, name: str, size: int) -> bytes:
    """Read the values of a tensor that are in another file, which must be in the directory of the model."""
    facts = {entry.key: entry.value for entry in tensor.external_data}
    location = facts.get("location", "")
    folder = path.resolve().parent
    found = (folder / location).resolve()
    if not location or not found.is_relative_to(folder) or not found.is_file():
        raise CheckpointError(
            f"{path}: the values of {name} are in the file {location!r}, which is not in the directory of the model; "
            "copy it there, under that name"
        )
    try:
        start, length = int(facts.get("offset", "0")), int(facts.get("length", str(size)))
    except ValueError:
        start, length = -1, -1
    if start < 0 or length != size or start + length > found.stat().st_size:
        raise CheckpointError(
            f"{path} is damaged: the {size:,} bytes of {name} are not in {found.name}, of {found.stat().st_size:,} "
            f"bytes, from {facts.get('offset', '0')} on; {_REMEDY}"
        )
    with found.open("rb") as file:
        file.seek(start)
        return bytes(file.read(length))


def attributes_of(path: Path, node: onnx.NodeProto) -> dict[str, Any]:
    """Return the attributes of a node as numbers, texts, lists and arrays.

    Raises
    ------
    CheckpointError
        If a tensor among them is damaged.
    """
    return {name: value for name, value in _read_attributes(path, node) if value is not None}


def _read_attributes(path: Path, node: onnx.NodeProto) -> Iterator[tuple[str, Any]]:
    kinds = onnx.AttributeProto
    for one in node.attribute:
        if one.type == kinds.INT:
            yield one.name, int(one.i)
        elif one.type == kinds.FLOAT:
            yield one.name, float(one.f)
        elif one.type == kinds.STRING:
            yield one.name, one.s.decode("utf-8", "replace")
        elif one.type == kinds.INTS:
            yield one.name, [int(n) for n in one.ints]
        elif one.type == kinds.FLOATS:
            yield one.name, [float(n) for n in one.floats]
        elif one.type == kinds.TENSOR:
            yield one.name, array_of(path, one.t, f"attribute {one.name!r} of node {node.name!r}, tensor")


def unsupported_attributes(node: onnx.NodeProto) -> bool:
    """Whether a node has attributes that are graphs, or stand for those of a function."""
    kinds = onnx.AttributeProto
    graphs = (kinds.GRAPH, kinds.GRAPHS)
    return any(one.type in graphs or one.ref_attr_name for one in node.attribute)
