"""How ops on corresponding elements are written: in any order of axes that their inputs have in common."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tinynet import ops
from tinynet.core.engine import Op
from tinynet.onnx.trace import Use
from tinynet.onnx.writer import Order, Value, Writer
from tinynet.ops.compare import _where
from tinynet.ops.dtypes import _cast
from tinynet.ops.gaussian import _gelu, gelu_gradient
from tinynet.ops.loss import _weigh
from tinynet.ops.pointwise import relu_gradient
from tinynet.ops.powers import _power

Names = tuple[str, ...]


def aligned(w: Writer, use: Use, values: tuple[Value, ...]) -> tuple[list[str], Order]:
    """Bring values that broadcast into one order of axes: that of the first that has all axes, and not in N H W C."""
    shape = use.shapes[0]
    order = next((v.order for v in values if not v.plain and len(v.shape) == len(shape)), tuple(range(len(shape))))
    return [_in_order(w, v, order) for v in values], order


def _in_order(w: Writer, value: Value, order: Order) -> str:
    rank = len(order)
    if not value.shape or order == tuple(range(rank)):
        return w.ordered(value)
    wide = (1,) * (rank - len(value.shape)) + value.shape
    if value.name in w.constants:
        return w.constant(w.initializers[value.name].reshape(wide).transpose(order))
    if len(value.shape) == rank:
        return w.ordered(value, order)
    if sum(n != 1 for n in wide) == 1:  # such as a bias, whose values lie in a row in any order of axes
        return w.reshape(w.ordered(value), tuple(wide[a] for a in order))
    return w.ordered(w.value(w.reshape(w.ordered(value), wide), wide, value.dtype), order)


def elementwise(write: Callable[..., str]) -> Callable[..., Value]:
    """Return how an elementwise op is written, from how it is written for inputs in one order of axes."""

    def rule(w: Writer, use: Use, *values: Value) -> Value:
        names, order = aligned(w, use, values)
        return w.value(write(w, use, *names), use.shapes[0], use.node.values[0].dtype, order)

    return rule


def same(kind: str) -> Callable[..., Value]:
    """Return how an op is written that ONNX has too."""
    return elementwise(lambda w, use, *names: w.node(kind, *names))


def of_bools(kind: str, logical: str) -> Callable[..., Value]:
    """Return how an op is written that ONNX calls otherwise where it takes bools."""
    return elementwise(
        lambda w, use, *names: w.node(logical if use.node.inputs[-1].dtype == np.bool_ else kind, *names)
    )


def _zero(w: Writer, use: Use, i: int = 0) -> str:
    return w.constant(0, use.node.inputs[i].dtype)


_WITH_BIAS = ("Conv", "ConvTranspose")


def _add(w: Writer, use: Use, x: Value, y: Value) -> Value:
    """Write a sum; the bias of a convolution becomes part of that."""
    made = w.made_by.get(x.name)
    alone = made is not None and made.op_type in _WITH_BIAS and len(made.input) == 2 and x.name in w.used_once
    if made is None or not alone or y.shape != x.shape[-1:] or y.name not in w.initializers:
        return of_bools("Add", "Or")(w, use, x, y)
    made.input.append(y.name)
    return x


def _divide(w: Writer, use: Use, x: Value, y: Value) -> Value:
    dtype = use.node.values[0].dtype
    return same("Div")(w, use, w.converted(x, dtype), w.converted(y, dtype))


def _expm1(w: Writer, use: Use, x: str) -> str:
    """Write e^x - 1 as 2 sinh(x / 2) e^(x / 2), which has all digits where x is near 0."""
    dtype = use.node.values[0].dtype
    half = w.node("Mul", x, w.constant(0.5, dtype))
    return w.node("Mul", w.node("Mul", w.node("Sinh", half), w.constant(2, dtype)), w.node("Exp", half))


def _logaddexp(w: Writer, use: Use, x: str, y: str) -> str:
    """Write max(x, y) + log(1 + e^-|x - y|), and x + log 2 where the two are equal, infinite ones too."""
    apart = w.node("Neg", w.node("Abs", w.node("Sub", x, y)))
    sum_ = w.node("Add", w.node("Max", x, y), w.node("Softplus", apart))
    twice = w.node("Add", x, w.constant(math.log(2), use.node.values[0].dtype))
    return w.node("Where", w.node("Equal", x, y), twice, sum_)


def _comparison(kind: str) -> Callable[..., Value]:
    """Return how a comparison is written; that of bools is one of integers."""

    def rule(w: Writer, use: Use, *values: Value) -> Value:
        if use.node.inputs[0].dtype == np.bool_:
            values = tuple(w.converted(v, np.int32) for v in values)
        return same(kind)(w, use, *values)

    return rule


def _cut(w: Writer, use: Use, g: str, y: str) -> str:
    return w.node("Where", w.node("LessOrEqual", y, _zero(w, use, 1)), _zero(w, use), g)


def _chosen(w: Writer, use: Use, condition: Value, x: Value, y: Value) -> Value:
    """Write a choice; that between an array and what surrounds it is a pad with that value."""
    made = w.made_by.get(x.name)
    pads = made is not None and made.op_type == "Pad" and x.name in w.used_once and condition.name in w.constants
    if made is None or not pads or y.shape or y.name not in w.constants:
        return same("Where")(w, use, condition, x, y)
    before, after = np.split(w.initializers[made.input[1]], 2)
    mask = w.initializers[condition.name]
    mask = mask.transpose(x.order) if mask.ndim == len(x.order) else mask
    inner = [n - b - a if n > 1 else 1 for n, b, a in zip(mask.shape, before, after, strict=False)]
    around = [(b, a) if n > 1 else (0, 0) for n, b, a in zip(mask.shape, before, after, strict=False)]
    if mask.ndim != len(x.order) or not np.array_equal(mask, np.pad(np.ones(inner, bool), around)):
        return same("Where")(w, use, condition, x, y)
    made.input[2] = y.name
    return x


def _weighed(w: Writer, use: Use, weights: str, x: str) -> str:
    nothing = w.node("Equal", weights, _zero(w, use))
    return w.node("Where", nothing, _zero(w, use, 1), w.node("Mul", weights, x))


def _below(w: Writer, use: Use, x: str) -> str:
    """Write the probability that a normal number lies below x."""
    half, root, one = (w.constant(v, use.node.values[0].dtype) for v in (0.5, math.sqrt(0.5), 1))
    return w.node("Mul", half, w.node("Add", one, w.node("Erf", w.node("Mul", x, root))))


def _gelu_gradient(w: Writer, use: Use, g: str, x: str) -> str:
    less, factor = (w.constant(v, use.node.values[0].dtype) for v in (-0.5, (2 * math.pi) ** -0.5))
    density = w.node("Mul", w.node("Exp", w.node("Mul", less, w.node("Mul", x, x))), factor)
    return w.node("Mul", g, w.node("Add", _below(w, use, x), w.node("Mul", x, density)))


POINTWISE: dict[Op, Callable[..., Value]] = {
    ops.add: _add,
    ops.subtract: same("Sub"),
    ops.multiply: of_bools("Mul", "And"),
    ops.divide: _divide,
    ops.negative: same("Neg"),
    ops.exp: same("Exp"),
    ops.relu: same("Relu"),
    relu_gradient: elementwise(_cut),
    ops.abs: elementwise(lambda w, use, x: x if use.node.inputs[0].dtype == np.bool_ else w.node("Abs", x)),
    ops.sign: same("Sign"),
    ops.log: same("Log"),
    ops.sqrt: same("Sqrt"),
    ops.expm1: elementwise(_expm1),
    _power: same("Pow"),
    ops.erf: same("Erf"),
    _gelu: elementwise(lambda w, use, x: w.node("Mul", x, _below(w, use, x))),
    gelu_gradient: elementwise(_gelu_gradient),
    ops.tanh: same("Tanh"),
    ops.sigmoid: same("Sigmoid"),
    ops.softplus: same("Softplus"),
    ops.logaddexp: elementwise(_logaddexp),
    ops.sin: same("Sin"),
    ops.cos: same("Cos"),
    ops.maximum: of_bools("Max", "Or"),
    ops.minimum: of_bools("Min", "And"),
    ops.less: _comparison("Less"),
    ops.less_equal: _comparison("LessOrEqual"),
    ops.greater: _comparison("Greater"),
    ops.greater_equal: _comparison("GreaterOrEqual"),
    ops.equal: same("Equal"),
    ops.not_equal: elementwise(lambda w, use, x, y: w.node("Not", w.node("Equal", x, y))),
    ops.logical_and: same("And"),
    ops.logical_or: same("Or"),
    ops.logical_not: same("Not"),
    _where: _chosen,
    _weigh: elementwise(_weighed),
    _cast: lambda w, use, x: w.converted(x, use.attrs["dtype"]),
}
