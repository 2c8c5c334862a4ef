"""tinynet as a backend of the ONNX package, for the node tests that come with it.

Inputs of floats are samples; integers, bools and settings such as the ends of a Clip are known beforehand, as they are
in the file of a model.
"""

from pathlib import Path

import pytest

pytest.importorskip("onnx", reason="the package onnx is missing, which the extra test brings")

from onnx.backend.base import Backend, BackendRep

import tinynet as tn
from tinynet.onnx.files import array_of, opset_of
from tinynet.onnx.importing import _File
from tinynet.onnx.leaves import SETTINGS
from tinynet.onnx.network.graph import Graph
from tinynet.onnx.network.values import Value, plain


class Prepared(BackendRep):
    """A graph that can be run."""

    def __init__(self, proto):
        file = _File(Path("case"), proto)
        self.inputs, self.outputs = list(file.inputs), [one.name for one in proto.graph.output]
        file.check_operators(proto.graph.node)
        nodes = proto.graph.node
        self.settings = {node.input[i] for node in nodes for i in SETTINGS.get(node.op_type, ()) if i < len(node.input)}
        constants = {name: array_of(file.path, t, "the tensor") for name, t in file.tensors.items()}
        self.graph = Graph([file._node(node) for node in proto.graph.node], constants, opset_of(proto))

    def run(self, inputs, **kwargs):
        given = {}
        for name, array in zip(self.inputs, inputs, strict=True):
            sample = array.dtype.kind == "f" and name not in self.settings
            given[name] = plain(tn.Tensor(array)) if sample else array
        with tn.reference():
            made = self.graph.run(given)
        found = [made[name] for name in self.outputs]
        return [y.plain().data if isinstance(y, Value) else y for y in found]


class TinynetBackend(Backend):
    """The backend."""

    @classmethod
    def prepare(cls, model, device="CPU", **kwargs):
        return Prepared(model)

    @classmethod
    def supports_device(cls, device):
        return device == "CPU"
