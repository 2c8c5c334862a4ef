"""Elementwise ops: arithmetic, the exponential and relu, with NumPy's broadcasting.

Most are declared by `elementwise`, which adds the parts that they share: shapes that broadcast, operands of one dtype,
and gradients that are summed over the axes that were broadcast.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from tinynet.core.engine import Op, Rule, Tensor, apply, filled
from tinynet.core.spec import Array, Shape, Spec, Value, broadcast_shapes
from tinynet.errors import DTypeError, ShapeError
from tinynet.ops.dtypes import check_floating, promote
from tinynet.ops.reduce import sum_to


class Elementwise(Op):
    """An op on corresponding elements, in which Python scalars take the dtype of the other operands."""

    def __call__(self, *operands: Any) -> Any:
        """Apply the op to tensors and Python scalars."""
        return apply(self, promote(*operands), {})


def zeros_like(x: Tensor) -> Tensor:
    """Return zeros of the shape and dtype of a tensor, which take the memory of one number."""
    return filled(x.spec, 0)


def _broadcast(name: str, arguments: tuple[str, ...], inputs: tuple[Value, ...]) -> Shape:
    try:
        return broadcast_shapes(*[x.shape for x in inputs])
    except ValueError:
        came = ", ".join(f"{a} {x.shape}" for a, x in zip(arguments, inputs, strict=True))
        most = max(x.ndim for x in inputs)
        aligned = [(1,) * (most - x.ndim) + x.shape for x in inputs]
        axis = next(i for i in range(-1, -most - 1, -1) if len({s[i] for s in aligned} - {1}) > 1)
        raise ShapeError(
            f"{name}: shapes do not broadcast: {came}; axis {axis} has lengths "
            f"{', '.join(str(s[axis]) for s in aligned)}, which must be equal or 1"
        ) from None


def _summed(i: int, rule: Rule, g: Tensor, out: Tensor, *inputs: Tensor) -> Tensor:
    """Apply the rule for operand i, and sum over the axes along which the operand was broadcast."""
    return sum_to(rule(g, out, *inputs), inputs[i].shape)


def elementwise(
    name: str,
    compute: Callable[..., Any],
    *rules: Rule | None,
    formula: str,
    arguments: tuple[str, ...] = ("x", "y"),
    dtype: Callable[[np.dtype[Any]], npt.DTypeLike] | None = None,
) -> Elementwise:
    """Declare an elementwise op: its computation, and a rule for each operand, written as if no operand broadcast."""

    def infer(*inputs: Value) -> Spec:
        common = inputs[-1].dtype
        return Spec(_broadcast(name, arguments, inputs), np.dtype(dtype(common) if dtype else common))

    return Elementwise(
        name,
        infer=infer,
        compute=compute,
        vjp=tuple(rule and partial(_summed, i, rule) for i, rule in enumerate(rules)),
        formula=formula,
    )


def unary(name: str, compute: Callable[..., Any], rule: Rule, formula: str) -> Elementwise:
    """Declare an elementwise op of one floating operand."""
    return elementwise(name, compute, rule, formula=formula, arguments=("x",), dtype=partial(check_floating, name))


def numbers_only(name: str, dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Check that a dtype is not bool; returns it."""
    if dtype.kind == "b":
        raise DTypeError(f"{name}: takes numbers, but got {dtype}; convert with x.astype('float32')")
    return dtype


# Arithmetic.
add: Elementwise = elementwise("add", np.add, lambda g, out, x, y: g, lambda g, out, x, y: g, formula="x + y")
subtract: Elementwise = elementwise(
    "subtract",
    np.subtract,
    lambda g, out, x, y: g,
    lambda g, out, x, y: -g,
    formula="x - y",
    dtype=partial(numbers_only, "subtract"),
)
multiply: Elementwise = elementwise(
    "multiply", np.multiply, lambda g, out, x, y: g * y, lambda g, out, x, y: g * x, formula="x y"
)
divide: Elementwise = elementwise(
    "divide",
    np.divide,
    lambda g, out, x, y: g / y,
    lambda g, out, x, y: -g * out / y,
    formula="x / y",
    dtype=lambda given: given if given.kind == "f" else np.dtype(np.float64),
)
negative: Elementwise = elementwise(
    "negative",
    np.negative,
    lambda g, out, x: -g,
    formula="-x",
    arguments=("x",),
    dtype=partial(numbers_only, "negative"),
)
exp: Elementwise = unary("exp", np.exp, lambda g, out, x: g * out, formula="e^x")


def _cut(g: Array, y: Array) -> Array:
    return np.where(y <= 0, g.dtype.type(0), g)  # a NaN stays


def _same_shape(g: Value, y: Value) -> Value:
    if g.shape != y.shape:
        raise ShapeError(f"relu_gradient: g has shape {g.shape} and y has shape {y.shape}; the two must be equal")
    return g


relu: Op = Op(
    "relu",
    infer=lambda x: Spec(x.shape, check_floating("relu", x.dtype)),
    compute=lambda x: _cut(x, x),
    vjp=(lambda g, y, x: relu_gradient(g, y),),
    formula="max(x, 0); the derivative at 0 is 0",
)
relu_gradient: Op = Op(
    "relu_gradient",
    infer=_same_shape,
    compute=_cut,
    vjp=(lambda h, out, g, y: relu_gradient(h, y), lambda h, out, g, y: zeros_like(y)),
    formula="g where y > 0, else 0; y is the output of relu",
)
