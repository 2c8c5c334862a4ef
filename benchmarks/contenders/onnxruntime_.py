"""ONNX Runtime: inference only, of a graph built by hand from the same weights."""

from collections.abc import Callable
from functools import partial

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from benchmarks.contenders.base import Contender, Predictor, Runner
from benchmarks.workload import MODELS, Inputs


def graph(model: str, weights: list[np.ndarray]) -> bytes:
    """Write a model: images (n, 1, 28, 28) in, probabilities out."""
    nodes, constants, rest, now = [], [], iter(weights), "images"
    image: tuple[int, ...] = ()

    def add(op: str, *arrays: np.ndarray, **attributes: object) -> None:
        nonlocal now
        names = [f"{op}{len(nodes)}_{i}" for i in range(len(arrays))]
        constants.extend(numpy_helper.from_array(a, name) for a, name in zip(arrays, names, strict=True))
        result = f"value{len(nodes)}"
        nodes.append(helper.make_node(op, [now, *names], [result], **attributes))
        now = result

    for kind, *sizes in MODELS[model]:
        if kind == "pool":
            add("MaxPool", kernel_shape=[sizes[0]] * 2, strides=[sizes[0]] * 2)
        elif kind == "flatten":
            add("Flatten")
            image = (3, 3, 64) if model == "cnn" else (28, 28, 1)
        elif kind == "conv":
            w, b = next(rest), next(rest)
            add("Conv", np.ascontiguousarray(w.transpose(3, 2, 0, 1)), b)
            add("Relu")
        else:
            w, b = next(rest), next(rest)
            if image:  # after a Flatten of channels first
                w, image = w.reshape(*image, -1).transpose(2, 0, 1, 3).reshape(w.shape), ()
            add("Gemm", np.ascontiguousarray(w), b)
            add("Relu" if sizes[0] != 10 else "Softmax")
    ends = [
        helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 1, 28, 28]),
        helper.make_tensor_value_info(now, TensorProto.FLOAT, ["n", 10]),
    ]
    made = helper.make_graph(nodes, model, ends[:1], ends[1:], constants)
    written = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return written.SerializeToString()


def predictor(inputs: Inputs, model: str, batch: int, threads: int) -> Predictor:
    """Make a session."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(graph(model, inputs.weights(model)), options, ["CPUExecutionProvider"])
    x = inputs.floats("digits").reshape(-1, 1, 28, 28)
    return Predictor(lambda part: session.run(None, {"images": part})[0], x, batch)


class OnnxRuntime(Contender):
    """ONNX Runtime on the CPU."""

    packages = ("onnxruntime", "onnx")

    def predict(self, model: str, batch: int) -> dict[str, Callable[[], Runner]]:
        """Give the ways to predict."""
        return {"session": partial(predictor, self.inputs, model, batch, self.threads)}


CONTENDER = OnnxRuntime
