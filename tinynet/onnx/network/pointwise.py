"""ONNX's operators on corresponding elements, in tinynet's ops."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np

from tinynet import ops
from tinynet.core.engine import Tensor
from tinynet.errors import DTypeError
from tinynet.onnx.network.calls import Call, Operator
from tinynet.onnx.network.values import Value, aligned, check_dtypes, elementwise, value_of

_SELU = 1.67326319217681884765625, 1.05070102214813232421875  # alpha and gamma of the standard

# The numbers of ONNX's data types, and the dtypes that they are in NumPy.
DTYPES = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 9: "bool", 11: "float64",
    12: "uint32", 13: "uint64",
}  # fmt: skip


def of_all(function: Callable[..., Any]) -> Operator:
    """Return the operator that applies a function to all inputs."""
    return lambda call: elementwise(function)(*(call.operand(i) for i in range(len(call.inputs))))


def chained(function: Callable[..., Any]) -> Operator:
    """Return the operator that applies a function of two to the inputs, one after another."""
    return of_all(lambda *tensors: reduce(function, tensors))


def with_attributes(function: Callable[..., Any], **defaults: Any) -> Operator:
    """Return the operator that applies a function of a tensor and of attributes by name."""

    def operator(call: Call) -> Value:
        given = {name: call.attribute(name, default) for name, default in defaults.items()}
        return elementwise(lambda x: function(x, **given))(call.operand(0))

    return operator


def _divided(x: Tensor, y: Tensor) -> Tensor:
    """Divide; integers toward zero."""
    if x.dtype.kind == "f":
        return x / y
    signs = ops.cast(ops.sign(x) * ops.sign(y), np.float64) if x.dtype.kind == "i" else 1.0
    quotient = ops.cast(ops.abs(x), np.float64) / ops.cast(ops.abs(y), np.float64)
    return ops.cast(signs * quotient, x.dtype)


def _powered(call: Call) -> Value:
    """Pow: the exponent may be of another dtype."""
    (x, y), order = aligned([call.operand(0), call.operand(1)])
    return Value(_power(x, y), order)


def _power(x: Tensor, y: Tensor) -> Tensor:
    if y.size == 1 and y.known and not y.requires_grad:
        exponent = y.item()
        if exponent == 2 and x.dtype.kind == "f":
            return ops.broadcast_to(x * x, np.broadcast_shapes(x.shape, y.shape))
    if x.dtype.kind != "f":
        return ops.cast(ops.power(ops.cast(x, np.float64), ops.cast(y, np.float64)), x.dtype)
    return ops.power(x, ops.cast(y, x.dtype))


def _limited(call: Call) -> Value:
    """Clip: the ends are inputs, or attributes in older files, and may be left out."""
    x = call.value(0)
    tensor = x.tensor
    for i, name, limit in ((1, "min", ops.maximum), (2, "max", ops.minimum)):
        if call.has(i):
            tensor = limit(tensor, call.tensor(i))
        elif name in call.attributes:
            tensor = limit(tensor, float(call.attributes[name]))
    return Value(tensor, x.order)


def _converted(call: Call) -> Value:
    x = call.value(0)
    number = call.attribute("to")
    if number not in DTYPES:
        raise DTypeError(f"data type {number} is not one that tinynet has")
    return Value(ops.cast(x.tensor, DTYPES[number]), x.order)


def _converted_like(call: Call) -> Value:
    x = call.value(0)
    return Value(ops.cast(x.tensor, call.value(1).dtype), x.order)


def _sloped(call: Call) -> Value:
    """PRelu: the slope broadcasts to the input alone."""
    (x, slope), order = aligned([call.operand(0), call.operand(1)])
    check_dtypes(x.dtype, slope.dtype)
    return Value(ops.where(x < 0, slope * x, x), order)


def _chosen(call: Call) -> Value:
    (condition, x, y), order = aligned([call.operand(i) for i in range(3)])
    check_dtypes(x.dtype, y.dtype)
    return Value(ops.where(condition, x, y), order)


def _selu(x: Tensor, alpha: float, gamma: float) -> Tensor:
    return gamma * ops.elu(x, alpha)


def _celu(x: Tensor, alpha: float) -> Tensor:
    return ops.relu(x) + ops.minimum(alpha * ops.expm1(ops.minimum(x, 0.0) / alpha), 0.0)


def _hard_sigmoid(x: Tensor, alpha: float, beta: float) -> Tensor:
    return ops.clip(alpha * x + beta, 0.0, 1.0)


def _gelu(x: Tensor, approximate: Any) -> Tensor:
    return ops.gelu(x, approximate == "tanh")


def _differ(x: Tensor, y: Tensor) -> Tensor:
    return ops.not_equal(x, y)


def _mean(*tensors: Tensor) -> Tensor:
    return reduce(ops.add, tensors) / len(tensors)


def _rounded(up: bool) -> Callable[..., Tensor]:
    """Return a function that rounds up or down; beyond 2^52 every number is whole."""

    def function(x: Tensor) -> Tensor:
        small = ops.abs(x) < 2.0**52
        whole = ops.cast(ops.cast(ops.where(small, x, 0.0), np.int64), x.dtype)
        nearest = whole + ops.cast(whole < x, x.dtype) if up else whole - ops.cast(whole > x, x.dtype)
        return ops.where(small, nearest, x)

    return function


def _remainder(call: Call) -> Any:
    """Mod, of values that are worked out from shapes."""
    function = np.fmod if call.attribute("fmod", 0) else np.mod
    return function(call.known(0), call.known(1))


def _same(call: Call) -> Any:
    return value_of(call.operand(0))


POINTWISE: dict[str, Operator] = {
    "Abs": of_all(ops.abs),
    "Add": chained(ops.add),
    "And": of_all(ops.logical_and),
    "Cast": _converted,
    "CastLike": _converted_like,
    "Ceil": of_all(_rounded(True)),
    "Celu": with_attributes(_celu, alpha=1.0),
    "Clip": _limited,
    "Cos": of_all(ops.cos),
    "Cosh": of_all(lambda x: 0.5 * (ops.exp(x) + ops.exp(-x))),
    "Div": of_all(_divided),
    "Elu": with_attributes(ops.elu, alpha=1.0),
    "Equal": of_all(ops.equal),
    "Erf": of_all(ops.erf),
    "Exp": of_all(ops.exp),
    "Floor": of_all(_rounded(False)),
    "Gelu": with_attributes(_gelu, approximate="none"),
    "Greater": of_all(ops.greater),
    "GreaterOrEqual": of_all(ops.greater_equal),
    "HardSigmoid": with_attributes(_hard_sigmoid, alpha=0.2, beta=0.5),
    "HardSwish": of_all(lambda x: x * ops.clip(x / 6 + 0.5, 0.0, 1.0)),
    "Identity": _same,
    "LeakyRelu": with_attributes(lambda x, alpha: ops.leaky_relu(x, alpha), alpha=0.01),
    "Less": of_all(ops.less),
    "LessOrEqual": of_all(ops.less_equal),
    "Log": of_all(ops.log),
    "Max": chained(ops.maximum),
    "Mean": of_all(_mean),
    "Min": chained(ops.minimum),
    "Mish": of_all(lambda x: x * ops.tanh(ops.softplus(x))),
    "Mod": _remainder,
    "Mul": chained(ops.multiply),
    "Neg": of_all(ops.negative),
    "Not": of_all(ops.logical_not),
    "Or": of_all(ops.logical_or),
    "PRelu": _sloped,
    "Pow": _powered,
    "Reciprocal": of_all(lambda x: 1.0 / x),
    "Relu": of_all(ops.relu),
    "Selu": with_attributes(_selu, alpha=_SELU[0], gamma=_SELU[1]),
    "Shrink": with_attributes(
        lambda x, lambd, bias: ops.where(x < -lambd, x + bias, ops.where(x > lambd, x - bias, 0.0)), lambd=0.5, bias=0.0
    ),
    "Sigmoid": of_all(ops.sigmoid),
    "Sign": of_all(ops.sign),
    "Sin": of_all(ops.sin),
    "Sinh": of_all(lambda x: 0.5 * (ops.expm1(x) - ops.expm1(-x))),
    "Softplus": of_all(ops.softplus),
    "Softsign": of_all(lambda x: x / (1.0 + ops.abs(x))),
    "Sqrt": of_all(ops.sqrt),
    "Sub": of_all(ops.subtract),
    "Sum": chained(ops.add),
    "Swish": with_attributes(lambda x, alpha: x * ops.sigmoid(alpha * x), alpha=1.0),
    "Tan": of_all(lambda x: ops.sin(x) / ops.cos(x)),
    "Tanh": of_all(ops.tanh),
    "ThresholdedRelu": with_attributes(lambda x, alpha: ops.where(x > alpha, x, 0.0), alpha=1.0),
    "Where": _chosen,
    "Xor": of_all(_differ),
}
