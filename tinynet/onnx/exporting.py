"""Models as ONNX files: `tinynet.onnx.save`."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from typing import Any

import onnx
from onnx import helper

from tinynet import __version__
from tinynet.core.engine import Op, deferred_gradient
from tinynet.errors import ArgumentError
from tinynet.model import Model
from tinynet.onnx.trace import Dims, Given, Leaf, Trace, trace
from tinynet.onnx.write_batch_norm import find_batch_norm, write_batch_norm
from tinynet.onnx.write_images import IMAGES
from tinynet.onnx.write_moving import MOVING
from tinynet.onnx.write_pointwise import POINTWISE
from tinynet.onnx.write_rows import ROWS
from tinynet.onnx.writer import Value, Writer
from tinynet.ops.conv import _conv2d_weight_grad
from tinynet.ops.places import places
from tinynet.ops.pool import _max_unpool, _pool_gather
from tinynet.ops.random import random_normal, random_uniform
from tinynet.ops.reduce import all_finite
from tinynet.ops.warp import unwarp, warp
from tinynet.saving.files import write_atomically
from tinynet.saving.places import as_path

OPSET = 18  # of the operators that are written
IR_VERSION = 8  # of the file; the first that knows this opset
_MOST_BYTES = 2**31 - 1  # that a message of protobuf may have

# How each op is written: a function of the graph so far, the use of the op and its inputs.
WRITTEN: dict[Op, Callable[..., Any]] = {**POINTWISE, **IMAGES, **MOVING, **ROWS}

_RANDOM = "it draws random numbers, which a model does in training only"
_AUGMENTS = "it moves images for augmentation, which a model does in training only"
_OF_WINNERS = "it is part of the gradient of max-pooling, which ONNX counts from the start of the image"
NOT_WRITTEN: dict[Op, str] = {
    random_normal: _RANDOM,
    random_uniform: _RANDOM,
    warp: _AUGMENTS,
    unwarp: _AUGMENTS,
    _max_unpool: _OF_WINNERS,
    _pool_gather: _OF_WINNERS,
    _conv2d_weight_grad: "it is the gradient of filters, which is part of training",
    all_finite: "it checks a step of training",
    places: "it is made of an index when a plan is fused",
    deferred_gradient: "it is differentiated before anything is written",
}


def save(model: Model, path: str | os.PathLike[str]) -> None:
    """Save a model as an ONNX file, as it predicts: for batches of any size, with the shift and scale of its input.

    The file has opset 18 and IR version 8. The samples come as the model's dtype, or as int64 where its `Input` keeps
    integers, in tinynet's order of axes (N, H, W, C). Several inputs have the names of the arguments of ``forward``,
    several outputs those of its dict, or their numbers. Parameters keep their names. The filters of convolutions lie in
    the file as ONNX has them, (F, C, KH, KW).

    Parameters
    ----------
    model : Model
        Made of tinynet's ops, in whatever layers. Layers that act in training only, such as `Dropout`, are left out.
    path : path-like
        Where to; an existing file is replaced, whole or not at all.

    Raises
    ------
    ArgumentError
        If the forward uses an op that cannot be written, or depends on the size of the batch in a way that a file
        cannot say; each is named.
    WriteError
        If the file cannot be written; what was there before is then untouched.
    MissingPackageError
        If the package onnx is not installed.

    Examples
    --------
    >>> import tempfile, pathlib, onnx, tinynet as tn
    >>> model = tn.Sequential([tn.Input((4,), scale=0.1), tn.Dense(2)], seed=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "model.onnx"
    ...     tn.onnx.save(model, path)
    ...     [node.op_type for node in onnx.load(path).graph.node]
    ['Mul', 'MatMul', 'Add']
    """
    if not isinstance(model, Model):
        raise ArgumentError(f"tn.onnx.save: takes a model of tinynet's, but got {model!r}")
    write_atomically(as_path("an ONNX file", path), as_onnx(model).SerializeToString(deterministic=True))


def as_onnx(model: Model) -> onnx.ModelProto:
    """Return a model as ONNX has it; see `save`."""
    model.build_model()
    traced = trace(model)
    _check_ops(model, traced)
    size = sum(leaf.memory.nbytes for leaf in model.leaves.values())
    if size > _MOST_BYTES - 2**20:
        raise ArgumentError(f"{model}: its parameters take {size:,} bytes, but one ONNX file holds {_MOST_BYTES:,}")
    writer, outputs = _write(model, traced)
    return _assembled(model, traced, writer, outputs)


def _check_ops(model: Model, traced: Trace) -> None:
    """Refuse ops that cannot be written, all at once."""
    found = {use.node.op: None for use in traced.uses if use.node.op not in WRITTEN}
    if found:
        unknown = "it is not one of tinynet's own; write it in terms of ops in tn.ops"
        reasons = "; ".join(f"{op.name!r}: {NOT_WRITTEN.get(op, unknown)}" for op in found)
        raise ArgumentError(f"{model} cannot be written as ONNX, for it uses ops that ONNX does not get: {reasons}")


def _write(model: Model, traced: Trace) -> tuple[Writer, list[Value]]:
    """Write all nodes; returns them and the outputs."""
    counts = Counter(source for use in traced.uses for source in _sources(use.inputs))
    counts.update(_sources([port.source for port in traced.outputs]))
    once = {name for name in model.leaves if counts[name] == 1}
    w = Writer([port.name for port in traced.inputs], set(model.leaves), once)
    samples = [w.value(port.name, port.shape, port.dtype) for port in traced.inputs]
    made: list[list[Value]] = []

    def value(source: Any, dtype: Any) -> Value:
        if isinstance(source, Given):
            return samples[source.number]
        return w.leaf(source, dtype) if isinstance(source, Leaf) else made[source[0]][source[1]]

    for i, use in enumerate(traced.uses):
        inputs = [value(source, x.dtype) for source, x in zip(use.inputs, use.node.inputs, strict=True)]
        normalised = find_batch_norm(traced.uses, i, model.states)
        if normalised is None:
            outputs = WRITTEN[use.node.op](w, use, *inputs)
        else:  # in place of its last op; what only the others made is left out in the end
            outputs = write_batch_norm(w, use, normalised, value(normalised.x, use.node.values[0].dtype))
        made.append(outputs if isinstance(outputs, list) else [outputs])
        new = [y for y in made[-1] if y.name not in {x.name for x in inputs}]
        w.used_once |= {y.name for j, y in enumerate(made[-1]) if y in new and counts[i, j] == 1}
    return w, [value(port.source, port.dtype) for port in traced.outputs]


def _sources(inputs: Any) -> list[Any]:
    """Return what inputs come from: the names of parameters, and the numbers of uses with those of their outputs."""
    return [source.name if isinstance(source, Leaf) else source for source in inputs]


def _assembled(model: Model, traced: Trace, w: Writer, outputs: list[Value]) -> onnx.ModelProto:
    names: list[str] = []
    renamed: dict[str, str] = {}
    for port, output in zip(traced.outputs, outputs, strict=True):
        name = w.fresh(port.name)
        last = renamed.get(w.ordered(output), w.ordered(output))
        maker = w.made_by.get(last)
        if maker is None or any(last in node.input for node in w.nodes):
            w.nodes.append(helper.make_node("Identity", [last], [name], name=name))
        else:  # the last node makes the output itself
            maker.output[list(maker.output).index(last)] = name
            renamed[last] = name
        names.append(name)
    nodes = w.constant_nodes() + _needed(w, names)
    used = {one for node in nodes for one in node.input}
    graph = helper.make_graph(
        [node for node in nodes if used.union(names).intersection(node.output)],
        model.name,
        [_info(port.name, port.shape, port.dtype) for port in traced.inputs],
        [_info(name, port.shape, port.dtype) for name, port in zip(names, traced.outputs, strict=True)],
        [tensor for tensor in w.tensors() if tensor.name in used],
    )
    made: onnx.ModelProto = helper.make_model(
        graph,
        producer_name="tinynet",
        producer_version=__version__,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    return made


def _needed(w: Writer, names: list[str]) -> list[onnx.NodeProto]:
    """Return the nodes that lead to the outputs."""
    wanted, kept = {*names}, []
    for node in reversed(w.nodes):
        if wanted.intersection(node.output):
            wanted.update(node.input)
            kept.append(node)
    return kept[::-1]


def _info(name: str, shape: Dims, dtype: Any) -> onnx.ValueInfoProto:
    dims = [n if isinstance(n, int) else "N" if n.multiple == 1 else f"{n.multiple} N" for n in shape]
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(dtype), dims)
