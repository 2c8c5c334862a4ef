"""What one use of an op costs, registered for the table of a plan; by default one flop for each output value."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinynet.core.engine import Op
from tinynet.core.spec import Shape, Value
from tinynet.fast.bindings.conv import tiles_of
from tinynet.fast.fusions import conv_pool, descend, gather, standardised_matvec
from tinynet.fast.fusions.bias_relu import WITH_BIAS
from tinynet.fast.fusions.in_place import IN_PLACE
from tinynet.fast.kernels import conv_pool as pooled
from tinynet.fast.kernels import winners
from tinynet.inspection.cost import Cost
from tinynet.ops import average, conv, extremes, join, linear, parts, pieces, places, pool, reduce, running, shape
from tinynet.ops.conv import Geometry
from tinynet.ops.dtypes import _cast
from tinynet.optim.adam import adam
from tinynet.optim.rmsprop import rmsprop, rmsprop_with_momentum
from tinynet.optim.sgd import momentum_step


def cost_of(op: Op, inputs: tuple[Value, ...], attrs: dict[str, Any], outputs: tuple[Value, ...]) -> Cost:
    """Return the cost of one use of an op. Given only shapes, where it depends on values, it is an upper bound."""
    known = _COSTS.get(op)
    return known(*inputs, **attrs) if known else Cost(sum(math.prod(y.shape) for y in outputs))


def _moves(*inputs: Value, **attrs: Any) -> Cost:
    return Cost(0)


def _product(a: Value, b: Value, trans_a: bool, trans_b: bool) -> Cost:
    made = linear._infer(a, b, trans_a, trans_b).shape
    how = "vector" if 1 in made[-2:] else "in registers"
    return Cost(2 * math.prod(made) * a.shape[-2 if trans_a else -1], how=how)


def _convolution(n: int, weights: Shape, p: Geometry, size: Shape = ()) -> Cost:
    """Return the cost of any of the three: each multiplies every output pixel with every weight, unless in tiles."""
    all_ = 2 * n * p.oh * p.ow * math.prod(weights)
    tiles = tiles_of(p, size or p[6:], weights)
    if tiles is None:
        return Cost(all_, how="in registers")
    needed = 2 * n * 16 * math.prod(tiles) * math.prod(weights[2:])
    return Cost(needed, winograd=all_ - needed, how="Winograd")


def _index(x: Value, *indices: Value, checked: bool) -> Cost:
    taken = math.prod(shape._index_infer(x, *indices, checked=checked).shape) * x.dtype.itemsize
    return Cost(0, reads=taken + sum(math.prod(i.shape) * i.dtype.itemsize for i in indices))


def _gather(x: Value, indices: Value, shift: Value, scale: Value, sample: Shape) -> Cost:
    n, size = indices.shape[0], math.prod(sample)
    return Cost(2 * n * size, reads=n * (size * x.dtype.itemsize + indices.dtype.itemsize))


def _conv_pool(n: int, d: pooled.Dims, p: Geometry, how: str, index: Value | None = None) -> Cost:
    """Return the cost of products with what the windows read of the convolution, or with its winners alone."""
    one = 2 * n * d.taps * d.f  # an output pixel of all images
    read = d.oh * d.ow * d.ph * d.pw
    flops, dead = one * read, one * (p.oh * p.ow - read)
    if index is None:
        return Cost(flops, dead, how=how)
    size = math.prod(index.shape)
    alive = np.count_nonzero(index != winners.DEAD) if isinstance(index, np.ndarray) else size
    share = f" {alive / size:.0%}" if isinstance(index, np.ndarray) and size else ""
    needed = 2 * d.taps * int(alive)
    return Cost(needed, dead, flops - needed, how=f"{how}{share}, specialised")


def _conv_pool_forward(x: Value, w: Value, bias: Value, p: Geometry, q: Geometry) -> Cost:
    n, d = x.shape[0], conv_pool.dims(x.shape, w.shape[3], p, q)
    if not d.winograd:
        return _conv_pool(n, d, p, "in registers")
    cost = _conv_pool(n, d, p, "Winograd, specialised")
    needed = 2 * n * d.oh * d.ow * (d.ph + 2) ** 2 * d.c * d.f
    return cost._replace(flops=needed, winograd=cost.flops - needed)


def _conv_pool_weight_grad(x: Value, g: Value, index: Value, p: Geometry, q: Geometry) -> Cost:
    n, d = x.shape[0], conv_pool.dims(x.shape, g.shape[3], p, q)
    if d.direct or d.product:
        return _conv_pool(n, d, p, "direct, specialised" if d.direct else "in registers")
    return _conv_pool(n, d, p, "sparse", index)


def _conv_pool_input_grad(g: Value, w: Value, index: Value, p: Geometry, q: Geometry, shape: Shape) -> Cost:
    n, d = shape[0], conv_pool.dims(shape, w.shape[3], p, q)
    return _conv_pool(n, d, p, "in registers") if d.product else _conv_pool(n, d, p, "sparse", index)


def _standardised(x: Value, v: Value, **standard: Any) -> Cost:
    return Cost(2 * math.prod(x.shape))


def _update(flops: int) -> Callable[..., Cost]:
    return lambda theta, *rest, **numbers: Cost(flops * math.prod(theta.shape))


_UPDATES = {adam: _update(12), momentum_step: _update(4), rmsprop: _update(9), rmsprop_with_momentum: _update(11)}
_COSTS: dict[Op, Callable[..., Cost]] = {
    _cast: _moves,
    conv._conv2d: lambda x, w, p: _convolution(x.shape[0], w.shape, p),
    conv._conv2d_input_grad: lambda g, w, p, size: _convolution(g.shape[0], w.shape, p, size),
    conv._conv2d_weight_grad: lambda x, g, p: _convolution(x.shape[0], conv._weight_grad_infer(x, g, p).shape, p),
    extremes._max: lambda x: Cost(math.prod(x.shape)),
    extremes._min: lambda x: Cost(math.prod(x.shape)),
    linear._matmul: _product,
    pool._max_pool: lambda x, p: Cost(math.prod(pool._infer(x, p)[0].shape) * p.kh * p.kw),
    pool._pool_gather: _moves,
    average._sum_pool: lambda x, p: Cost(x.shape[0] * p.oh * p.ow * x.shape[3] * p.kh * p.kw),
    average._sum_unpool: lambda g, p, size: Cost(math.prod(g.shape) * p.kh * p.kw),
    pieces._split: _moves,
    places.places: _moves,
    running._cumsum: lambda x, axis, backward: Cost(math.prod(x.shape)),
    reduce._sum: lambda x, axes: Cost(math.prod(x.shape)),
    join._concatenate: _moves,
    shape._index: _index,
    shape._index_add: lambda g, *indices, shape: Cost(math.prod(g.shape)),
    parts._unslice: _moves,
    parts._unslices: lambda *gs, keys, shape: Cost(sum(math.prod(g.shape) for g in gs)),
    **_UPDATES,
    WITH_BIAS[conv._conv2d]: lambda x, w, bias, p, rectified: _convolution(x.shape[0], w.shape, p),
    WITH_BIAS[linear._matmul]: lambda a, b, bias, rectified, **how: _product(a, b, **how),
    **{IN_PLACE[op]: cost for op, cost in _UPDATES.items()},
    conv_pool.conv_pool: _conv_pool_forward,
    conv_pool.conv_pool_weight_grad: _conv_pool_weight_grad,
    conv_pool.conv_pool_input_grad: _conv_pool_input_grad,
    descend.descend: lambda theta, gradient, rate: Cost(2 * math.prod(gradient.shape)),
    gather.gather: _gather,
    standardised_matvec.standardised_matvec: _standardised,
    standardised_matvec.standardised_rmatvec: _standardised,
}
