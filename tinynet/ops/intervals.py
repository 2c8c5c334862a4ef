"""Interval arithmetic: bounds on the values of a tensor, from the ops that made it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from tinynet.core.engine import Op, Tensor
from tinynet.ops.compare import _where
from tinynet.ops.dtypes import _cast
from tinynet.ops.extremes import maximum, minimum
from tinynet.ops.join import _concatenate
from tinynet.ops.pointwise import add, divide, multiply, negative, subtract
from tinynet.ops.powers import _power, sqrt
from tinynet.ops.reduce import _sum
from tinynet.ops.shape import _index

_DEPTH = 12  # the longest chain of ops that is examined; values before it are unknown


class Interval(NamedTuple):
    """The least and the largest value, and whether the activation in question made some of the values."""

    low: float
    high: float
    activated: bool = False


def interval(x: Tensor, activation: Op, depth: int = _DEPTH, axes: int = 0) -> Interval | None:
    """Return an interval that contains the values of a tensor, or None if none is known.

    Parameters
    ----------
    x : Tensor
        Any shape.
    activation : Op
        An op whose values are from 0 to 1.
    depth : int
        The longest chain of ops to examine.
    axes : int
        The number of axes of the value that is made of the tensor.
    """
    if x.node is None:
        return _of_numbers(x, axes)
    op, inputs = x.node.op, x.node.inputs
    if op is activation:
        return Interval(0, 1, True)
    if op is divide and _is_sum_of(inputs[1], inputs[0]):
        part = interval(inputs[0], activation, depth - 1)
        return part and Interval(0, 1, part.activated) if part and part.low >= 0 else None
    rule = _spread if op.view or op in _SPREAD else _RULES.get(op)
    if rule is None or not depth:
        return None
    axes = 0 if op.view or op is _index else axes if op is _cast else x.ndim
    found: list[Interval] = []
    for y in inputs[_VALUES.get(op, slice(None))]:
        known = interval(y, activation, depth - 1, axes)
        if known is None:
            return None
        found.append(known)
    times = inputs[0].size // max(x.size, 1) if op is _sum else 1
    low, high = rule(*[Interval(times * a, times * b) for a, b, _ in found])
    return None if math.isnan(low + high) else Interval(low, high, any(y.activated for y in found))


def _of_numbers(x: Tensor, axes: int) -> Interval | None:
    """Return the interval of the present values of a leaf, or None if they may become others.

    Parameters may become any number. A leaf with as many axes as the value made of it may hold samples, and other
    samples may follow.
    """
    if x.requires_grad or x.symbolic or x.ndim >= max(axes, 1) or not x.size:
        return None
    low, high = float(x.memory.min()), float(x.memory.max())
    return None if math.isnan(low + high) else Interval(low, high)


def _is_sum_of(x: Tensor, y: Tensor) -> bool:
    """Return whether a tensor is the sum of another one over some axes."""
    while x.node is not None and x.node.op.view:
        x = x.node.inputs[0]
    if x.node is None or x.node.op is not _sum:
        return False
    summed = x.node.inputs[0]
    return summed is y or (summed.node is not None and summed.node is y.node and summed.index == y.index)


Ends = tuple[float, float]


def _spread(*found: Interval) -> Ends:
    """Return the least interval that contains some intervals."""
    return min(x.low for x in found), max(x.high for x in found)


def _of_products(x: Interval, y: Interval) -> Ends:
    ends = [a * b for a in x[:2] for b in y[:2]]
    return min(ends), max(ends)


def _of_quotients(x: Interval, y: Interval) -> Ends:
    if y.low <= 0 <= y.high:
        return -math.inf, math.inf
    return _of_products(x, Interval(1 / y.high, 1 / y.low))


def _of_powers(x: Interval, y: Interval) -> Ends:
    if x.low < 0 or y.low <= 0:
        return -math.inf, math.inf
    ends = [a**b for a in x[:2] for b in y[:2]]
    return min(ends), max(ends)


_VALUES = {_where: slice(1, None), _index: slice(1)}  # the inputs that the values come from, if not all
_SPREAD = (_cast, _index, _concatenate, _where, _sum)
_RULES: dict[Op, Callable[..., Ends]] = {
    add: lambda x, y: (x.low + y.low, x.high + y.high),
    subtract: lambda x, y: (x.low - y.high, x.high - y.low),
    negative: lambda x: (-x.high, -x.low),
    multiply: _of_products,
    divide: _of_quotients,
    maximum: lambda x, y: (max(x.low, y.low), max(x.high, y.high)),
    minimum: lambda x, y: (min(x.low, y.low), min(x.high, y.high)),
    _power: _of_powers,
    sqrt: lambda x: (math.sqrt(x.low), math.sqrt(x.high)) if x.low >= 0 else (-math.inf, math.inf),
}
