"""The operators in which scikit-learn's scalers and linear models are written, in terms of the standard ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

_DOMAIN = "ai.onnx.ml"
_AFTER = {"NONE": "Identity", "SOFTMAX": "Softmax", "LOGISTIC": "Sigmoid"}  # what is done to the scores


def in_standard_operators(node: onnx.NodeProto) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """Return nodes that compute the same as one node, and the arrays that they take; the node itself if it is standard.

    The class numbers of a LinearClassifier stay its own: a model returns scores.
    """
    if node.domain != _DOMAIN or node.op_type not in _EXPANDED:
        return [node], []
    given = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    made: tuple[list[onnx.NodeProto], list[onnx.TensorProto]] | None = _EXPANDED[node.op_type](node, given)
    return ([node], []) if made is None else made


def _scaler(node: onnx.NodeProto, given: dict[str, Any]) -> Any:
    x, y = node.input[0], node.output[0]
    moved = f"{y}, moved"
    return [
        _constant(f"{y}, offset", given.get("offset", [0.0])),
        _constant(f"{y}, scale", given.get("scale", [1.0])),
        helper.make_node("Sub", [x, f"{y}, offset"], [moved], name=f"{node.name}, moved"),
        helper.make_node("Mul", [moved, f"{y}, scale"], [y], name=node.name),
    ], []


def _constant(name: str, values: Any) -> onnx.NodeProto:
    value = numpy_helper.from_array(np.asarray(values, np.float32), name)
    return helper.make_node("Constant", [], [name], value=value)


def _linear(node: onnx.NodeProto, given: dict[str, Any], result: str, rows: int) -> Any:
    """Return the node of a product with the coefficients, one row for each output, and what follows it."""
    coefficients = np.asarray(given.get("coefficients", []), np.float32)
    intercepts = np.asarray(given.get("intercepts", [0.0] * rows), np.float32)
    after = given.get("post_transform", b"NONE").decode("utf-8", "replace")
    if rows < 1 or not coefficients.size or coefficients.size % rows or intercepts.size != rows or after not in _AFTER:
        return None
    weight, bias, scores = (f"{node.name or result}.{part}" for part in ("coefficients", "intercepts", "scores"))
    tensors = [
        numpy_helper.from_array(coefficients.reshape(rows, -1), weight),
        numpy_helper.from_array(intercepts, bias),
    ]
    product = helper.make_node("Gemm", [node.input[0], weight, bias], [scores], name=node.name, transB=1)
    return [product, helper.make_node(_AFTER[after], [scores], [result], name=f"{node.name}, {after}")], tensors


def _regressor(node: onnx.NodeProto, given: dict[str, Any]) -> Any:
    return _linear(node, given, node.output[0], int(given.get("targets", 1)))


def _classifier(node: onnx.NodeProto, given: dict[str, Any]) -> Any:
    if len(node.output) < 2:
        return None
    rows = len(given.get("classlabels_ints", [])) or len(given.get("classlabels_strings", []))
    made = _linear(node, given, node.output[1], rows)
    if made is None:
        return None
    labels = onnx.NodeProto()
    labels.CopyFrom(node)
    del labels.output[1:]
    return [labels, *made[0]], made[1]


def _normalizer(node: onnx.NodeProto, given: dict[str, Any]) -> Any:
    p = {b"L1": 1, b"L2": 2}.get(given.get("norm", b"MAX"))
    if p is None:
        return None
    return [helper.make_node("LpNormalization", list(node.input), list(node.output), name=node.name, axis=-1, p=p)], []


_EXPANDED = {
    "LinearClassifier": _classifier,
    "LinearRegressor": _regressor,
    "Normalizer": _normalizer,
    "Scaler": _scaler,
}
