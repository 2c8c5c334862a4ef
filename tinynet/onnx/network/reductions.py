"""ONNX's reductions and products of matrices, in tinynet's ops."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinynet import ops
from tinynet.core.engine import Tensor, filled
from tinynet.core.spec import Spec
from tinynet.errors import ArgumentError, ShapeError
from tinynet.onnx.network.calls import Call, Operator, axis_of
from tinynet.onnx.network.values import Value, check_dtypes, natural, plain

# --- reductions


def _axes(call: Call, rank: int) -> tuple[int, ...] | None:
    """Return the axes of a reduction; None where nothing is reduced."""
    axes = call.integers("axes", 1)
    if not axes:
        return None if call.attribute("noop_with_empty_axes", 0) else natural(rank)
    return tuple(sorted({axis_of(a, rank) for a in axes}))


def reducing(function: Callable[..., Tensor], of_nothing: Callable[..., Tensor] = lambda x: x) -> Operator:
    """Return a reduction, from a function of a tensor and of axes, in whatever order these lie."""

    def operator(call: Call) -> Value:
        x = call.value(0)
        axes = _axes(call, x.ndim)
        if axes is None:
            return Value(of_nothing(x.tensor), x.order)
        places = tuple(x.order.index(a) for a in axes)
        made = function(x.tensor, places)
        if made.dtype != x.dtype:
            made = ops.cast(made, x.dtype)
        if call.attribute("keepdims", 1):
            return Value(made, x.order)
        kept = [a for a in x.order if a not in axes]
        return Value(ops.reshape(made, [x.shape[a] for a in kept]), tuple(sorted(kept).index(a) for a in kept))

    return operator


def _kept(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda x, axes: function(x, axes, keepdims=True)


def _or_infinite(function: Callable[..., Tensor], sign: int) -> Callable[..., Tensor]:
    """Return a function that makes an infinite number, or the largest of its kind, of no values."""

    def reduction(x: Tensor, axes: tuple[int, ...]) -> Tensor:
        if math.prod(x.shape[a] for a in axes):
            if x.dtype.kind == "b":
                return ops.cast(function(ops.cast(x, np.int64), axes, keepdims=True), np.bool_)
            return function(x, axes, keepdims=True)
        end: Any = sign > 0 if x.dtype.kind == "b" else sign * np.inf
        if x.dtype.kind in "iu":
            end = np.iinfo(x.dtype).max if sign > 0 else np.iinfo(x.dtype).min
        return filled(Spec(tuple(1 if a in axes else n for a, n in enumerate(x.shape)), x.dtype), end)

    return reduction


def _sum(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    return ops.sum(x, axes, keepdims=True)


def _mean(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    if x.dtype.kind != "f":
        raise ArgumentError(f"a mean is one of floats, but {x.dtype} came")
    return ops.mean(x, axes, keepdims=True)


def _log_sum_exp(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Sum after the largest value is taken off, so that nothing overflows."""
    if not math.prod(x.shape[a] for a in axes):
        return ops.log(_sum(x, axes))
    largest = ops.max(x, axes, keepdims=True).detach()
    largest = ops.where(ops.abs(largest) == np.inf, 0.0, largest)
    return ops.log(_sum(ops.exp(x - largest), axes)) + largest


def _placing(function: Callable[..., Tensor]) -> Operator:
    """Return the operator that finds the place of an extreme: the first, or the last where it is asked for."""

    def operator(call: Call) -> Value:
        x = call.tensor(0)
        axis = axis_of(call.attribute("axis", 0), x.ndim)
        keep = bool(call.attribute("keepdims", 1))
        if call.attribute("select_last_index", 0):
            key = tuple(slice(None, None, -1) if a == axis else slice(None) for a in range(x.ndim))
            place = x.shape[axis] - 1 - function(x[key], axis, keepdims=keep)
        else:
            place = function(x, axis, keepdims=keep)
        return plain(ops.cast(place, np.int64))

    return operator


def _running(call: Call) -> Value:
    """CumSum: up to each place, or before it, from either end."""
    x = call.tensor(0)
    axis = axis_of(int(call.known(1).reshape(-1)[0]), x.ndim)
    turned = tuple(slice(None, None, -1) if a == axis else slice(None) for a in range(x.ndim))
    x = x[turned] if call.attribute("reverse", 0) else x
    y = ops.cumsum(x, axis)
    if call.attribute("exclusive", 0):
        y = y - x
    y = y[turned] if call.attribute("reverse", 0) else y
    return plain(ops.cast(y, x.dtype))


# --- products


def _product(call: Call) -> Value:
    check_dtypes(call.value(0).dtype, call.value(1).dtype)
    return plain(ops.matmul(call.tensor(0), call.tensor(1)))


def _gemm(call: Call) -> Value:
    """Gemm: alpha A B + beta C, with A or B transposed where asked."""
    a, b = call.value(0), call.value(1)
    check_dtypes(*(call.value(i).dtype for i in range(3) if call.has(i)))
    if a.ndim != 2 or b.ndim != 2:
        raise ShapeError(f"matrices are multiplied, but values of shapes {a.shape} and {b.shape} came")
    left = a.ordered((1, 0)) if call.attribute("transA", 0) else a.plain()
    right = b.ordered((1, 0)) if call.attribute("transB", 0) else b.plain()
    alpha, beta = call.attribute("alpha", 1.0), call.attribute("beta", 1.0)
    y = ops.matmul(left, right)
    y = y if alpha == 1 else alpha * y
    if call.has(2):
        c = call.tensor(2)
        y = y + (c if beta == 1 else beta * c)
    return plain(y)


def _einsum(call: Call) -> Value:
    return plain(ops.einsum(call.attribute("equation"), *(call.tensor(i) for i in range(len(call.inputs)))))


REDUCTIONS: dict[str, Operator] = {
    "ArgMax": _placing(ops.argmax),
    "ArgMin": _placing(ops.argmin),
    "CumSum": _running,
    "Einsum": _einsum,
    "Gemm": _gemm,
    "MatMul": _product,
    "ReduceL1": reducing(lambda x, axes: _sum(ops.abs(x), axes), ops.abs),
    "ReduceL2": reducing(lambda x, axes: ops.sqrt(_sum(x * x, axes)), ops.abs),
    "ReduceLogSum": reducing(lambda x, axes: ops.log(_sum(x, axes)), ops.log),
    "ReduceLogSumExp": reducing(_log_sum_exp),
    "ReduceMax": reducing(_or_infinite(ops.max, -1)),
    "ReduceMean": reducing(_mean),
    "ReduceMin": reducing(_or_infinite(ops.min, 1)),
    "ReduceProd": reducing(_kept(ops.prod)),
    "ReduceSum": reducing(_sum),
    "ReduceSumSquare": reducing(lambda x, axes: _sum(x * x, axes), lambda x: x * x),
}
