"""The networks as ONNX graphs, built by hand from the same weights, for those that read such files."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from benchmarks.workload import CLASSES, DATA, MODELS, Inputs, channels_first


def graph(model: str, weights: list[np.ndarray]) -> bytes:
    """Write a model: images (n, C, H, W) in, probabilities out."""
    nodes, constants, rest, now = [], [], iter(channels_first(model, weights)), "images"
    height, width, channels = DATA[MODELS[model].data[0]]

    def add(op: str, *arrays: np.ndarray, **attributes: object) -> None:
        nonlocal now
        names = [f"{op}{len(nodes)}_{i}" for i in range(len(arrays))]
        constants.extend(numpy_helper.from_array(a, name) for a, name in zip(arrays, names, strict=True))
        result = f"value{len(nodes)}"
        nodes.append(helper.make_node(op, [now, *names], [result], **attributes))
        now = result

    for kind, *sizes in MODELS[model].layers:
        if kind == "pool":
            add("MaxPool", kernel_shape=[sizes[0]] * 2, strides=[sizes[0]] * 2)
        elif kind == "flatten":
            add("Flatten")
        elif kind == "average":
            add("GlobalAveragePool")
            add("Flatten")
        elif kind == "conv":
            _, size, stride, padding = sizes
            add("Conv", next(rest), next(rest), strides=[stride] * 2, pads=[size // 2 if padding == "same" else 0] * 4)
            add("Relu")
        else:
            add("Gemm", next(rest), next(rest))
            add("Relu" if sizes[0] != CLASSES else "Softmax")
    ends = [
        helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", channels, height, width]),
        helper.make_tensor_value_info(now, TensorProto.FLOAT, ["n", CLASSES]),
    ]
    made = helper.make_graph(nodes, model, ends[:1], ends[1:], constants)
    written = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return written.SerializeToString()


def images_channels_first(inputs: Inputs, model: str) -> np.ndarray:
    """Return the images that a network is given: (n, C, H, W)."""
    return np.ascontiguousarray(inputs.floats(MODELS[model].data[0]).transpose(0, 3, 1, 2))
