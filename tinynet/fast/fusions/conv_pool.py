"""Convolution + bias + relu + max-pooling, and its gradients, which come from the winner of each window alone."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from tinynet.core.engine import Node, Op, Tensor, constant
from tinynet.core.spec import Array, Shape, Spec, Value
from tinynet.fast.bindings.conv import input_grad_scratch, starts, starts_of_strips, winograd_call, winograd_scratch
from tinynet.fast.implementation import Implementation
from tinynet.fast.kernels import conv_pool as kernels
from tinynet.fast.kernels import winners
from tinynet.fast.kernels.conv import Windows
from tinynet.fast.kernels.jit import chunks_of, for_chunks
from tinynet.fast.match import Fusion, Rewrite, Uses, fused_op
from tinynet.ops.arrange import pad
from tinynet.ops.compare import less_equal, not_equal, where
from tinynet.ops.conv import Geometry, _conv2d, _conv2d_input_grad, _conv2d_weight_grad, margins
from tinynet.ops.pointwise import add, relu
from tinynet.ops.pool import _max_pool, _max_unpool

_LEAST_PLACES = 4  # in a window; with fewer, dense gradients are the faster ones
_MOST_PLACES = 254  # that an index of one byte can tell apart
_MOST_IMAGE = 256 * 1024  # bytes of an image; larger ones do not stay in a cache while each filter goes over them
_MADE = 256 * 1024  # bytes of the convolution that are made at a time, and then pooled
_DEAD = np.uint8(winners.DEAD)

# --- what it means


def conv_pool_parts(x: Tensor, w: Tensor, bias: Tensor, p: Geometry, q: Geometry) -> tuple[Tensor, Tensor]:
    """Compute the block and its winners by the ops that the fused op stands for."""
    y, winner = _max_pool(relu(_conv2d(x, w, p=p) + bias), p=q)
    return y, where(less_equal(y, 0.0), _DEAD, winner)


def _unpooled(g: Tensor, index: Tensor, p: Geometry, q: Geometry) -> Tensor:
    """Return the gradient of the convolution: that of each window at its winner, none where relu cut it."""
    alive = not_equal(index, _DEAD)
    unpooled: Tensor = _max_unpool(where(alive, g, 0.0), where(alive, index, np.uint8(0)), p=q, size=(p.oh, p.ow))
    return unpooled


def weight_grad_parts(x: Tensor, g: Tensor, index: Tensor, p: Geometry, q: Geometry) -> tuple[Tensor, Tensor]:
    """Compute the gradients of weights and bias by the ops that the fused op stands for."""
    inner = _unpooled(g, index, p, q)
    return _conv2d_weight_grad(x, inner, p=p), inner.sum((0, 1, 2))


def input_grad_parts(g: Tensor, w: Tensor, index: Tensor, p: Geometry, q: Geometry, shape: Shape) -> Tensor:
    """Compute the gradient of the input by the ops that the fused op stands for."""
    dx: Tensor = _conv2d_input_grad(_unpooled(g, index, p, q), w, p=p, size=shape[1:3])
    return dx


# --- how it is computed


def dims(x_shape: Shape, filters: int, p: Geometry, q: Geometry) -> kernels.Dims:
    """Return the shapes that the kernels are specialised to."""
    h, w, c = x_shape[1:]
    return kernels.Dims(h, w, c, filters, p.kh, p.kw, p.sh, p.sw, q.kh, q.kw, q.sh, q.sw, q.oh, q.ow)


def _read(p: Geometry, q: Geometry) -> Windows:
    """Return how the windows of the convolution lie that the pooling reads: in a group for each column of its own."""
    return Windows(p.kh, p.kw, p.sh, p.sw * q.sw, p.top, p.left, (q.oh - 1) * q.sh + q.kh, q.ow, q.kw, p.sw)


def _rows(d: kernels.Dims, like: Value) -> int:
    """Return how many rows of the convolution are computed at a time: those of some rows of windows of the pooling."""
    most = _MADE // (d.pw * d.ow * d.f * like.dtype.itemsize)
    return min(d.oh - 1, max(0, (most - d.ph) // d.qh)) * d.qh + d.ph


def _forward_scratch(x: Value, w: Value, bias: Value, p: Geometry, q: Geometry) -> tuple[Spec, ...]:
    d = dims(x.shape, w.shape[3], p, q)
    if d.winograd:
        return winograd_scratch(d.ph, x, (d.oh, d.ow), d.c, d.f)
    made = chunks_of(x.shape[0]), (_rows(d, x) + 1) * d.pw, d.ow * d.f
    return tuple(Spec(shape, x.dtype) for shape in ((d.taps if d.beside else 0, d.f + 1), made, made[2:]))


@lru_cache(maxsize=1024)
def _starts_beside(d: kernels.Dims, rows: int) -> Array:
    """Return where the outputs of all windows of some rows go; the last row is for those that nothing reads."""
    places = np.full((rows, d.w), rows * d.ow * d.f)
    for b in range(d.pw):
        row = np.arange(b * (rows + 1), b * (rows + 1) + rows)[:, None]
        places[:, b : b + (d.ow - 1) * d.qw + 1 : d.qw] = (row * d.ow + np.arange(d.ow)) * d.f
    return places.reshape(-1)


def _forward_bind(y: Array, index: Array, *rest: Array, p: Geometry, q: Geometry) -> tuple[Any, ...]:
    x, w = rest[-3:-1]
    d = dims(x.shape, w.shape[3], p, q)
    if d.winograd:
        return winograd_call(d.ph, (d.oh, d.ow), y, index, *rest, corner=(0, 0))
    read = _read(p, q)
    places = *starts(read, d.w, d.c), _starts_beside(d, _rows(d, x) if d.beside else 0)
    return for_chunks(kernels.forward_product, chunks_of(len(x))), y, index, *rest, *places, read, q


def _weight_grad_scratch(x: Value, g: Value, index: Value, p: Geometry, q: Geometry) -> tuple[Spec, ...]:
    d = dims(x.shape, g.shape[3], p, q)
    if d.product and not d.direct:
        shapes = (_rows(d, x) * d.pw, d.ow * d.f), (d.taps, d.f), (d.ow * d.f,)
        return tuple(Spec((chunks_of(x.shape[0]), *shape), x.dtype) for shape in shapes)
    chunks = chunks_of(-(-x.shape[0] // kernels.IMAGES_A_PARTIAL))
    return Spec((chunks, d.taps * d.f) if d.direct else (chunks, d.f, d.taps), x.dtype), Spec((chunks, d.f), x.dtype)


def _weight_grad_bind(dw: Array, db: Array, *rest: Array, p: Geometry, q: Geometry) -> tuple[Any, ...]:
    *scratch, x, g, index = rest
    d = dims(x.shape, g.shape[3], p, q)
    if d.direct:  # LLVM does not vectorise this one but in its parallel form
        return kernels.weight_grad_direct(d), dw.reshape(-1), db, *scratch, x.reshape(len(x), -1), g, index
    if d.product:
        kernel, read = for_chunks(kernels.weight_grad_product, chunks_of(len(x))), _read(p, q)
        return kernel, dw.reshape(-1), db, *rest, *starts(read, d.w, d.c), read, q
    kernel = for_chunks(kernels.weight_grad(d), len(scratch[0]))
    return kernel, dw.reshape(d.taps, d.f), db, *scratch, x.reshape(x.shape[0], -1), g, index


def _input_grad_scratch(g: Value, w: Value, index: Value, p: Geometry, q: Geometry, shape: Shape) -> tuple[Spec, ...]:
    d, read = dims(shape, w.shape[3], p, q), _read(p, q)
    if not d.product:
        return (Spec((d.f, d.taps), g.dtype),)
    spread = chunks_of(g.shape[0]), read.oh * d.pw, d.ow * d.f
    return *input_grad_scratch(g, w, read), Spec(spread, g.dtype)


def _input_grad_bind(dx: Array, *rest: Array, p: Geometry, q: Geometry, shape: Shape) -> tuple[Any, ...]:
    *scratch, g, w, index = rest
    d = dims(shape, w.shape[3], p, q)
    if d.product:
        kernel, read = for_chunks(kernels.input_grad_product, len(scratch[0])), _read(p, q)
        return kernel, dx, *rest, *starts_of_strips(read, d.f), read, q
    kernel = for_chunks(kernels.input_grad(d), len(dx))
    return kernel, dx.reshape(dx.shape[0], -1), *scratch, g, w.reshape(-1, d.f), index


# --- the fused ops

conv_pool: Op = fused_op(
    "conv_pool",
    conv_pool_parts,
    infer=lambda x, w, bias, p, q: (
        Spec((x.shape[0], q.oh, q.ow, w.shape[3]), x.dtype),
        Spec((x.shape[0], q.oh, q.ow, w.shape[3]), np.dtype(np.uint8)),
    ),
    implementation=Implementation(_forward_bind, _forward_scratch, contiguous=True),
    vjp=(
        lambda g, out, x, w, bias, p, q: conv_pool_input_grad(g[0], w, out[1], p=p, q=q, shape=x.shape),
        lambda g, out, x, w, bias, p, q: conv_pool_weight_grad(x, g[0], out[1], p=p, q=q)[0],
        lambda g, out, x, w, bias, p, q: conv_pool_weight_grad(x, g[0], out[1], p=p, q=q)[1],
    ),
    constant=frozenset({1}),
    formula="max_pool(relu(conv2d(x, w) + bias)), and the winner of each window, or 255 where relu cut it",
)

conv_pool_weight_grad: Op = fused_op(
    "conv_pool_weight_grad",
    weight_grad_parts,
    infer=lambda x, g, index, p, q: (
        Spec((p.kh, p.kw, x.shape[3], g.shape[3]), x.dtype),
        Spec(g.shape[3:], x.dtype),
    ),
    implementation=Implementation(_weight_grad_bind, _weight_grad_scratch, contiguous=True),
    formula="the gradients of the weights and the bias of conv_pool: from the winner of each window alone",
)

conv_pool_input_grad: Op = fused_op(
    "conv_pool_input_grad",
    input_grad_parts,
    infer=lambda g, w, index, p, q, shape: Spec(shape, g.dtype),
    implementation=Implementation(_input_grad_bind, _input_grad_scratch, contiguous=True),
    formula="the gradient of the input of conv_pool: from the winner of each window alone",
)

# --- where it comes in place of its parts


def _match(node: Node, uses: Uses) -> Rewrite | None:
    """Match max_pool(relu(conv2d(x, w) + bias)), with or without the bias, or with relu after the pooling."""
    pool, inner = _pool_and_what_is_before(node, uses)
    if pool is None or inner is None or uses.count.get((id(pool), 1)):
        return None
    total = uses.sole_producer(inner.inputs[0], add)
    conv = uses.sole_producer(total.inputs[0] if total else inner.inputs[0], _conv2d)
    if conv is None or (total and total.inputs[1].shape != conv.inputs[1].shape[3:]):
        return None
    (x, w), p, q = conv.inputs, conv.attrs["p"], pool.attrs["p"]
    if not _pays(x, q):
        return None
    bias = total.inputs[1] if total else constant(np.zeros(w.shape[3], w.dtype))
    padded = margins(x.shape, p)

    def make(x: Tensor, w: Tensor, bias: Tensor) -> Any:
        inside = pad(x, padded) if any(map(any, padded)) else x
        y = conv_pool(inside, w, bias, p=p._replace(top=0, left=0), q=q)
        return y if pool is node else y[0]

    return Rewrite(make, (x, w, bias))


def _pool_and_what_is_before(node: Node, uses: Uses) -> tuple[Node | None, Node | None]:
    """Return the pooling, and the first of pooling and relu, where the node is the second."""
    if node.op is _max_pool:
        return node, uses.sole_producer(node.inputs[0], relu)
    if node.op is relu:
        pool = uses.sole_producer(node.inputs[0], _max_pool)
        return pool, pool
    return None, None


def _pays(x: Tensor, q: Geometry) -> bool:
    """Return whether windows do not overlap and are of a size, and images small enough, for the fused kernels."""
    small = int(np.prod(x.shape[1:])) * x.dtype.itemsize <= _MOST_IMAGE
    return small and x.size > 0 and q.sh >= q.kh and q.sw >= q.kw and _LEAST_PLACES <= q.kh * q.kw <= _MOST_PLACES


FUSION = Fusion(
    _match,
    {
        conv_pool: "conv2d + bias + relu + max_pool",
        conv_pool_weight_grad: "max_unpool + relu_gradient + conv2d_weight_grad + sum",
        conv_pool_input_grad: "max_unpool + relu_gradient + conv2d_input_grad",
    },
)
