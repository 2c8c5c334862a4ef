"""Elementwise ops: arithmetic, comparisons, exponentials and activations, with NumPy's broadcasting.

Each is one call of `_elementwise`, which adds what all of them share: shapes that broadcast, operands of one dtype, and
gradients summed back over the axes that were broadcast.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from tinynet.core.engine import Op, Rule, Tensor, as_tensor
from tinynet.core.spec import Array, Shape, Spec, Value
from tinynet.errors import DTypeError, ShapeError
from tinynet.ops.cast import check_floating, promote
from tinynet.ops.reduce import sum_to


class Elementwise(Op):
    """An op on corresponding elements: lets Python scalars take the dtype of the other operands."""

    def __call__(self, *operands: Any) -> Any:
        """Apply the op to tensors and Python scalars."""
        return super().__call__(*promote(*operands))


def zeros_like(x: Tensor) -> Tensor:
    """Give zeros of the shape and dtype of a tensor; one number in memory."""
    return Tensor(np.broadcast_to(np.zeros((), x.dtype), x.shape))


def _broadcast(name: str, arguments: tuple[str, ...]) -> Callable[..., Shape]:
    def shape(*inputs: Value) -> Shape:
        try:
            return np.broadcast_shapes(*(x.shape for x in inputs))
        except ValueError:
            came = ", ".join(f"{a} {x.shape}" for a, x in zip(arguments, inputs, strict=True))
            most = max(x.ndim for x in inputs)
            aligned = [(1,) * (most - x.ndim) + x.shape for x in inputs]
            axis = next(i for i in range(-1, -most - 1, -1) if len({s[i] for s in aligned} - {1}) > 1)
            raise ShapeError(
                f"{name}: shapes do not broadcast: {came}; axis {axis} has lengths "
                f"{', '.join(str(s[axis]) for s in aligned)}, which must be equal or 1"
            ) from None

    return shape


def _elementwise(
    name: str,
    compute: Callable[..., Any],
    *rules: Rule | None,
    formula: str,
    arguments: tuple[str, ...] = ("x", "y"),
    dtype: Callable[[np.dtype[Any]], npt.DTypeLike] | None = None,
) -> Elementwise:
    """Declare an elementwise op: what it computes, and a rule for each operand as if none broadcast."""
    shape = _broadcast(name, arguments)

    def infer(*inputs: Value) -> Spec:
        common = inputs[-1].dtype
        return Spec(shape(*inputs), np.dtype(dtype(common) if dtype else common))

    def summed(i: int, rule: Rule) -> Rule:
        return lambda g, out, *inputs: sum_to(rule(g, out, *inputs), inputs[i].shape)

    return Elementwise(
        name,
        infer=infer,
        compute=compute,
        vjp=tuple(rule and summed(i, rule) for i, rule in enumerate(rules)),
        formula=formula,
    )


def _unary(name: str, compute: Callable[..., Any], rule: Rule, formula: str) -> Elementwise:
    return _elementwise(name, compute, rule, formula=formula, arguments=("x",), dtype=partial(check_floating, name))


def _comparison(name: str, compute: Callable[..., Any], sign: str) -> Elementwise:
    return _elementwise(name, compute, None, None, formula=f"x {sign} y", dtype=lambda _: np.bool_)


def _number(name: str) -> Callable[[np.dtype[Any]], np.dtype[Any]]:
    """Give the dtype rule of functions that take numbers, but not bools."""

    def dtype(given: np.dtype[Any]) -> np.dtype[Any]:
        if given.kind == "b":
            raise DTypeError(f"{name}: takes numbers, but got {given}; convert with x.astype('float32')")
        return given

    return dtype


# Arithmetic.
add: Elementwise = _elementwise("add", np.add, lambda g, out, x, y: g, lambda g, out, x, y: g, formula="x + y")
subtract: Elementwise = _elementwise(
    "subtract",
    np.subtract,
    lambda g, out, x, y: g,
    lambda g, out, x, y: -g,
    formula="x - y",
    dtype=_number("subtract"),
)
multiply: Elementwise = _elementwise(
    "multiply", np.multiply, lambda g, out, x, y: g * y, lambda g, out, x, y: g * x, formula="x y"
)
divide: Elementwise = _elementwise(
    "divide",
    np.divide,
    lambda g, out, x, y: g / y,
    lambda g, out, x, y: -g * out / y,
    formula="x / y",
    dtype=lambda given: given if given.kind == "f" else np.dtype(np.float64),
)
negative: Elementwise = _elementwise(
    "negative", np.negative, lambda g, out, x: -g, formula="-x", arguments=("x",), dtype=_number("negative")
)
# At x = 0 the factors x**(y - 1) and log(x) are replaced where they meet a factor of zero, which is to win.
power: Elementwise = _elementwise(
    "power",
    np.power,
    lambda g, out, x, y: g * y * x ** where(x == 0, where(y == 0, 1.0, y - 1), y - 1),
    lambda g, out, x, y: g * out * log(where(x == 0, 1.0, x)),
    formula="x^y",
    dtype=partial(check_floating, "power"),
)
abs: Elementwise = _elementwise("abs", np.abs, lambda g, out, x: g * sign(x), formula="|x|", arguments=("x",))
sign: Elementwise = _elementwise(
    "sign", np.sign, lambda g, out, x: zeros_like(x), formula="-1, 0 or 1, the sign of x; its derivative is taken as 0",
    arguments=("x",), dtype=_number("sign"),
)  # fmt: skip
# A tie goes to the first operand, so a gradient is never counted twice.
maximum: Elementwise = _elementwise(
    "maximum",
    np.maximum,
    lambda g, out, x, y: where(y > x, 0.0, g),
    lambda g, out, x, y: where(y > x, g, 0.0),
    formula="max(x, y); the gradient of a tie goes to x",
)

# Comparisons: bool tensors, which have no derivative.
less = _comparison("less", np.less, "<")
less_equal = _comparison("less_equal", np.less_equal, "<=")
greater = _comparison("greater", np.greater, ">")
greater_equal = _comparison("greater_equal", np.greater_equal, ">=")
equal = _comparison("equal", np.equal, "=")
not_equal = _comparison("not_equal", np.not_equal, "!=")


_where: Elementwise = _elementwise(
    "where",
    np.where,
    None,
    lambda g, out, condition, x, y: where(condition, g, 0.0),
    lambda g, out, condition, x, y: where(condition, 0.0, g),
    formula="x where condition, else y",
    arguments=("condition", "x", "y"),
)


def where(condition: Any, x: Any, y: Any) -> Tensor:
    """Take ``x`` where a condition holds, else ``y``; a NaN in the one not taken does no harm.

    Parameters
    ----------
    condition : Tensor
        Of dtype bool.
    x, y : Tensor or scalar
        Broadcast with the condition and each other.

    Returns
    -------
    Tensor
        Of the common shape and the dtype of ``x`` and ``y``.

    Raises
    ------
    DTypeError
        If the condition is not bool.
    ShapeError
        If the shapes do not broadcast.

    Examples
    --------
    >>> import tinynet as tn
    >>> t = tn.Tensor([-1.0, 2.0])
    >>> tn.ops.where(t > 0, t, 0.0)
    Tensor([0., 2.])
    """
    condition = as_tensor(condition)
    if condition.dtype != np.bool_:
        raise DTypeError(f"where: the condition must be of dtype bool, but got {condition.dtype}; compare, as in x > 0")
    return Op.__call__(_where, condition, *promote(x, y))


# Exponentials.
exp: Elementwise = _unary("exp", np.exp, lambda g, out, x: g * out, formula="e^x")
log: Elementwise = _unary("log", np.log, lambda g, out, x: g / x, formula="the natural logarithm of x")
logaddexp: Elementwise = _elementwise(
    "logaddexp",
    np.logaddexp,
    lambda g, out, x, y: g * sigmoid(x - y),
    lambda g, out, x, y: g * sigmoid(y - x),
    formula="log(e^x + e^y), without overflow",
    dtype=partial(check_floating, "logaddexp"),
)
tanh: Elementwise = _unary(
    "tanh", np.tanh, lambda g, out, x: g * (1 - out * out), formula="(e^x - e^-x) / (e^x + e^-x)"
)


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))  # where exp overflows to infinity, the reciprocal is the right 0


def _softplus(x: Array) -> Array:
    """Several times as fast as logaddexp(0, x), which NumPy does not vectorise."""
    return np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0)


sigmoid: Elementwise = _unary("sigmoid", _sigmoid, lambda g, out, x: g * out * (1 - out), formula="1 / (1 + e^-x)")
softplus: Elementwise = _unary(
    "softplus", _softplus, lambda g, out, x: g * sigmoid(x), formula="log(1 + e^x), without overflow"
)


def _cut(g: Array, y: Array) -> Array:
    return np.where(y <= 0, g.dtype.type(0), g)  # which keeps a NaN in g


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
