"""Fused ops: one kernel for what several ops do. `tinynet.compile.fuse` puts them in place of the ops they stand for.

Each names its parts: a function of ops that computes the same, to which the tests compare it. They have first
derivatives only.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinynet.autograd import Array, Cost, Op, Spec, Tensor, Value
from tinynet.errors import GradientError
from tinynet.kernels import conv_pool as pooled
from tinynet.kernels import fused as kernels
from tinynet.kernels import linear
from tinynet.kernels.jit import for_chunks
from tinynet.ops.cast import cast
from tinynet.ops.conv import Geometry, _conv2d
from tinynet.ops.linear import _chunks, matmul
from tinynet.ops.loss import cross_entropy
from tinynet.ops.pointwise import relu as relu_op
from tinynet.ops.pool import _max_pool
from tinynet.ops.shape import concatenate, getitem, reshape
from tinynet.threads import runnable

# --- convolution + bias + relu + max-pooling


def _dims(x_shape: tuple[int, ...], filters: int, p: Geometry, q: Geometry) -> pooled.Dims:
    h, w, c = x_shape[1:]
    return pooled.Dims(h, w, c, filters, p.kh, p.kw, p.sh, p.sw, q.kh, q.kw, q.sh, q.sw, q.oh, q.ow)


def _conv_pool_cost(n: int, d: pooled.Dims, p: Geometry, how: str, index: Value | None = None) -> Cost:
    """Give the cost of products with what the windows read of the convolution, or with its winners alone."""
    one = 2 * n * d.taps * d.f  # an output pixel of all images
    read = d.oh * d.ow * d.ph * d.pw
    flops, dead = one * read, one * (p.oh * p.ow - read)
    if index is None:
        return Cost(flops, dead, how=f"{how}, specialised")
    size = math.prod(index.shape)
    alive = np.count_nonzero(index != pooled.DEAD) if isinstance(index, np.ndarray) else size
    share = f" {alive / size:.0%}" if isinstance(index, np.ndarray) and size else ""
    needed = 2 * d.taps * int(alive)
    return Cost(needed, dead, flops - needed, how=f"{how}{share}, specialised")


def _conv_pool_scratch(x: Value, w: Value, bias: Value, p: Geometry, q: Geometry) -> tuple[Spec, ...]:
    n, d = x.shape[0], _dims(x.shape, w.shape[3], p, q)
    if d.winograd:
        (th, tw), (chunks, tiles) = d.tile, pooled.tiles(n, d)
        shapes: tuple[tuple[int, ...], ...] = (
            (th * tw, d.c, d.f),
            (chunks, th * tw, tiles, d.c),
            (chunks, th * tw, tiles, d.f),
            (chunks, tw * d.c),
            (chunks, d.ph, tw, d.f),
            (chunks, tiles, d.ph * d.pw),
        )
        return tuple(Spec(shape, x.dtype) for shape in shapes)
    if d.direct:
        return ()
    chunks = pooled.chunks(n)
    rows = pooled.group(n, d, x.dtype.itemsize) * d.oh * d.ow * d.ph * d.pw
    return Spec((chunks, rows, d.taps), x.dtype), Spec((chunks, rows, d.f), x.dtype)


def _conv_pool_bind(y: Array, index: Array, *rest: Array, p: Geometry, q: Geometry) -> tuple[Any, ...]:
    *scratch, x, w, bias = rest
    d = _dims(x.shape, w.shape[3], p, q)
    if not d.winograd:
        make = pooled.forward_direct if d.direct else pooled.forward_product
        kernel = for_chunks(make(d), pooled.chunks(len(x)))
        return kernel, y, index, *scratch, x.reshape(len(x), -1), w.reshape(-1, d.f), bias
    (*high, over), (*wide, under) = pooled.transforms(d.ph, d.kh), pooled.transforms(d.pw, d.kw)
    matrices = (matrix.astype(x.dtype) for matrix in (*high, *wide))
    kernel = for_chunks(pooled.forward_winograd(d), pooled.tiles(len(x), d)[0])
    return (
        kernel,
        y.reshape(-1, d.f),
        index.reshape(-1, d.f),
        *scratch,
        x.reshape(len(x), -1),
        w.reshape(-1, d.f),
        bias,
        *matrices,
        x.dtype.type(over * under),
    )


def _forward_cost(x: Value, w: Value, bias: Value, p: Geometry, q: Geometry) -> Cost:
    n, d = x.shape[0], _dims(x.shape, w.shape[3], p, q)
    if not d.winograd:
        return _conv_pool_cost(n, d, p, "direct" if d.direct else "product")
    (th, tw), cost = d.tile, _conv_pool_cost(n, d, p, "Winograd")
    needed = 2 * n * d.oh * d.ow * th * tw * d.c * d.f
    return cost._replace(flops=needed, winograd=cost.flops - needed)


conv_pool: Op = Op(
    "conv_pool",
    infer=lambda x, w, bias, p, q: (
        Spec((x.shape[0], q.oh, q.ow, w.shape[3]), x.dtype),
        Spec((x.shape[0], q.oh, q.ow, w.shape[3]), np.dtype(np.uint8)),
    ),
    scratch=_conv_pool_scratch,
    bind=_conv_pool_bind,
    vjp=(
        lambda g, out, x, w, bias, p, q: conv_pool_input_grad(g[0], w, out[1], p=p, q=q, shape=x.shape),
        lambda g, out, x, w, bias, p, q: conv_pool_weight_grad(x, g[0], out[1], p=p, q=q)[0],
        lambda g, out, x, w, bias, p, q: conv_pool_weight_grad(x, g[0], out[1], p=p, q=q)[1],
    ),
    constant=frozenset({1}),
    contiguous=True,
    threaded=True,
    cost=_forward_cost,
    fuses="conv2d + bias + relu + max_pool",
    formula="max_pool(relu(conv2d(x, w) + bias)), and the winner of each window, or 255 where relu cut it",
)


def conv_pool_parts(x: Tensor, w: Tensor, bias: Tensor, p: Geometry, q: Geometry) -> Tensor:
    """Compute what `conv_pool` does, by the ops that it stands for."""
    y: Tensor = _max_pool(relu_op(_conv2d(x, w, p=p) + bias), p=q)[0]
    return y


def _weight_grad_scratch(x: Value, g: Value, index: Value, p: Geometry, q: Geometry) -> tuple[Spec, ...]:
    d, chunks = _dims(x.shape, g.shape[3], p, q), pooled.partials(x.shape[0])
    return Spec((chunks, d.taps, d.f) if d.direct else (chunks, d.f, d.taps), x.dtype), Spec((chunks, d.f), x.dtype)


def _weight_grad_bind(dw: Array, db: Array, *rest: Array, p: Geometry, q: Geometry) -> tuple[Any, ...]:
    *scratch, x, g, index = rest
    d = _dims(x.shape, g.shape[3], p, q)
    # LLVM does not vectorise the direct one but in its parallel form.
    make = pooled.weight_grad_direct(d) if d.direct else for_chunks(pooled.weight_grad(d), pooled.partials(len(x)))
    return make, dw.reshape(d.taps, d.f), db, *scratch, x.reshape(x.shape[0], -1), g, index


def _weight_grad_cost(x: Value, g: Value, index: Value, p: Geometry, q: Geometry) -> Cost:
    d = _dims(x.shape, g.shape[3], p, q)
    return _conv_pool_cost(x.shape[0], d, p, *(("direct",) if d.direct else ("sparse", index)))


conv_pool_weight_grad: Op = Op(
    "conv_pool_weight_grad",
    infer=lambda x, g, index, p, q: (
        Spec((p.kh, p.kw, x.shape[3], g.shape[3]), x.dtype),
        Spec(g.shape[3:], x.dtype),
    ),
    scratch=_weight_grad_scratch,
    bind=_weight_grad_bind,
    contiguous=True,
    threaded=True,
    cost=_weight_grad_cost,
    fuses="max_unpool + relu_gradient + conv2d_weight_grad + sum",
    formula="the gradients of the weights and the bias of conv_pool: from the winner of each window alone",
)


def _input_grad_bind(dx: Array, *rest: Array, p: Geometry, q: Geometry, shape: tuple[int, ...]) -> tuple[Any, ...]:
    turned, g, w, index = rest
    d = _dims(shape, w.shape[3], p, q)
    return for_chunks(pooled.input_grad(d), len(dx)), dx.reshape(dx.shape[0], -1), turned, g, w.reshape(-1, d.f), index


conv_pool_input_grad: Op = Op(
    "conv_pool_input_grad",
    infer=lambda g, w, index, p, q, shape: Spec(shape, g.dtype),
    scratch=lambda g, w, index, p, q, shape: (Spec((w.shape[3], w.shape[0] * w.shape[1] * w.shape[2]), g.dtype),),
    bind=_input_grad_bind,
    contiguous=True,
    threaded=True,
    cost=lambda g, w, index, p, q, shape: _conv_pool_cost(shape[0], _dims(shape, w.shape[3], p, q), p, "sparse", index),
    fuses="max_unpool + relu_gradient + conv2d_input_grad",
    formula="the gradient of the input of conv_pool: from the winner of each window alone",
)


# --- gather + shift + scale


def _gather_bind(
    out: Array, x: Array, indices: Array, shift: Array, scale: Array, sample: tuple[int, ...]
) -> tuple[Any, ...]:
    each = (np.ascontiguousarray(np.broadcast_to(a, sample)).reshape(-1) for a in (shift, scale))
    return kernels.gather, out.reshape(len(out), -1), x.reshape(len(x), -1), indices, *each


def _gather_cost(x: Value, indices: Value, shift: Value, scale: Value, sample: tuple[int, ...]) -> Cost:
    n, size = indices.shape[0], math.prod(sample)
    return Cost(2 * n * size, reads=n * (size * x.dtype.itemsize + indices.dtype.itemsize))


gather: Op = Op(
    "gather",
    infer=lambda x, indices, shift, scale, sample: Spec((indices.shape[0], *sample), shift.dtype),
    bind=_gather_bind,
    contiguous=True,
    cost=_gather_cost,
    fuses="index + cast + subtract + multiply",
    formula="(x[indices] - shift) scale, as floats",
)


def gather_parts(x: Tensor, indices: Tensor, shift: Tensor, scale: Tensor, sample: tuple[int, ...]) -> Tensor:
    """Compute what `gather` does, by the ops that it stands for."""
    picked = reshape(getitem(x, indices), (indices.shape[0], *sample))
    return (cast(picked, shift.dtype) - shift) * scale


# --- dense + bias + relu


def _dense_chunks(x: Value, w: Value) -> tuple[int, bool]:
    """Give the number of chunks, and whether they cut the inner axis.

    By rows of x, each thread reads all of w; by the inner axis, it reads strips of x, and writes sums that others read.
    """
    (rows, inner), columns = x.shape, w.shape[1]
    flops = 2 * rows * inner * columns
    chunks = linear.chunks(inner, flops)
    if chunks > 1 and inner * columns > rows * inner + 2 * chunks * rows * columns:
        return chunks, True
    return linear.chunks(rows, flops), False


def _dense_scratch(x: Value, w: Value, bias: Value, relu: bool) -> tuple[Spec, ...]:
    chunks, by_inner = _dense_chunks(x, w)
    return (Spec((chunks, x.shape[0], w.shape[1]), x.dtype),) if by_inner else ()


def _dense_bind(y: Array, *rest: Array, relu: bool) -> tuple[Any, ...]:
    *scratch, x, w, bias = rest
    chunks, by_inner = _dense_chunks(x, w)
    kernel = kernels.dense_by_inner if by_inner else for_chunks(kernels.dense, chunks)
    return kernel, y, *scratch, x, w, bias, relu, chunks


def _dense_grads(g: Tensor, y: Tensor, relu: bool) -> tuple[Tensor, Tensor]:
    """Give the cotangent before the bias, and that of the bias."""
    if relu:
        cut, db = dense_cotangent(g, y)
        return cut, db
    return g, g.sum(0)


dense: Op = Op(
    "dense",
    infer=lambda x, w, bias, relu: Spec((x.shape[0], w.shape[1]), x.dtype),
    scratch=_dense_scratch,
    bind=_dense_bind,
    vjp=(
        lambda g, y, x, w, bias, relu: matmul(_dense_grads(g, y, relu)[0], w, trans_b=True),
        lambda g, y, x, w, bias, relu: matmul(x, _dense_grads(g, y, relu)[0], trans_a=True),
        lambda g, y, x, w, bias, relu: _dense_grads(g, y, relu)[1],
    ),
    contiguous=True,
    threaded=True,
    cost=lambda x, w, bias, relu: Cost(2 * x.shape[0] * math.prod(w.shape), how="BLAS"),
    fuses="matmul + bias + relu",
    formula="x w + bias, then relu if asked",
)


def dense_parts(x: Tensor, w: Tensor, bias: Tensor, relu: bool) -> Tensor:
    """Compute what `dense` does, by the ops that it stands for."""
    y = matmul(x, w) + bias
    return relu_op(y) if relu else y


dense_cotangent: Op = Op(
    "dense_cotangent",
    infer=lambda g, y: (g, Spec(g.shape[1:], g.dtype)),
    bind=lambda cut, db, g, y: (kernels.dense_cotangent, cut, db, g, y),
    contiguous=True,
    cost=lambda g, y: Cost(2 * math.prod(g.shape)),
    fuses="relu_gradient + sum",
    formula="g cut where y = relu(...) is 0, and its sum over the samples",
)


# --- the step of gradient descent


def _descend_bind(theta: Array, gradient: Array, rate: Array, start: int) -> tuple[Any, ...]:
    part, chunks = theta[start : start + gradient.size], kernels.chunks(gradient.size, gradient.size)
    return for_chunks(kernels.descend, chunks), part, gradient, rate.reshape(1), chunks


descend: Op = Op(
    "descend",
    infer=lambda theta, gradient, rate, start: theta,
    bind=_descend_bind,
    inplace=1,
    contiguous=True,
    threaded=True,
    cost=lambda theta, gradient, rate, start: Cost(2 * math.prod(gradient.shape)),
    fuses="multiply + subtract",
    formula="theta - rate gradient, in place; of a part of theta, from a start on",
)


def descend_parts(theta: Tensor, gradient: Tensor, rate: Tensor, start: int) -> Tensor:
    """Compute what `descend` does, by the ops that it stands for."""
    stop = start + gradient.size
    return concatenate([theta[:start], theta[start:stop] - rate * gradient, theta[stop:]])


def _product_bind(product: Array, theta: Array, a: Array, b: Array, rate: Array, start: int) -> tuple[Any, ...]:
    chunks = _chunks(a, b, trans_a=True, trans_b=False)
    part = theta[start : start + product.size].reshape(product.shape)
    return for_chunks(kernels.descend_product, chunks), part, product, a, b, rate.reshape(1), chunks


descend_product: Op = Op(
    "descend_product",
    infer=lambda theta, a, b, rate, start: theta,
    scratch=lambda theta, a, b, rate, start: (Spec((a.shape[1], b.shape[1]), a.dtype),),
    bind=_product_bind,
    inplace=1,
    contiguous=True,
    threaded=True,
    cost=lambda theta, a, b, rate, start: Cost(2 * (a.shape[0] + 1) * a.shape[1] * b.shape[1], how="BLAS"),
    fuses="matmul + multiply + subtract",
    formula="theta - rate a^T b, in place; of a part of theta, from a start on",
)


def descend_product_parts(theta: Tensor, a: Tensor, b: Tensor, rate: Tensor, start: int) -> Tensor:
    """Compute what `descend_product` does, by the ops that it stands for."""
    return descend_parts(theta, reshape(matmul(a, b, trans_a=True), -1), rate, start)


# --- the step of Adam


def _adam_bind(*arrays: Array, beta1: float, beta2: float, epsilon: float) -> tuple[Any, ...]:
    *vectors, step, gradient, rate = arrays
    chunks = kernels.chunks(gradient.size, gradient.size)
    scalars = step.reshape(1), gradient, rate.reshape(1), beta1, beta2, epsilon, chunks
    return for_chunks(kernels.adam, chunks), *vectors, *scalars


def _adam_compute(*arrays: Array, **betas: float) -> None:
    outputs, old, rest = arrays[:4], arrays[4:8], arrays[8:]
    for new, value in zip(outputs, old, strict=True):
        new[...] = value
    function, *arguments = _adam_bind(*outputs, *rest, **betas)
    runnable(function)(*arguments)


_adam: dict[str, Any] = {
    "infer": lambda *inputs, **betas: inputs[:4],
    "contiguous": True,
    "threaded": True,
    "cost": lambda theta, *rest, **betas: Cost(12 * math.prod(theta.shape)),
    "fuses": "multiply + add + power + divide + subtract",
    "formula": "theta - rate m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon), and the new m, v and t",
}
adam: Op = Op("adam", compute=_adam_compute, **_adam)
adam_in_place: Op = Op("adam_in_place", bind=_adam_bind, inplace=4, **_adam)


def adam_parts(
    theta: Tensor,
    first: Tensor,
    second: Tensor,
    step: Tensor,
    gradient: Tensor,
    rate: Tensor,
    beta1: float,
    beta2: float,
    epsilon: float,
) -> tuple[Tensor, ...]:
    """Compute what `adam` does, by the ops that it stands for."""
    step, first = step + 1, beta1 * first + (1 - beta1) * gradient
    second = beta2 * second + (1 - beta2) * (gradient * gradient)
    scale, shrink = (cast(1 - beta ** cast(step, "float64"), theta.dtype) for beta in (beta1, beta2))
    return theta - rate * (first / scale) / ((second / shrink) ** 0.5 + epsilon), first, second, step


# --- softmax + cross-entropy


def _cross_entropy_vjp(g: tuple[Any, Any], out: tuple[Tensor, Tensor], logits: Tensor, labels: Tensor) -> Tensor:
    if g[1] is not None:
        raise GradientError("op 'softmax_cross_entropy' has first derivatives only: its slope has no derivative")
    return g[0] * out[1]


softmax_cross_entropy: Op = Op(
    "softmax_cross_entropy",
    infer=lambda logits, labels: (Spec((), logits.dtype), Spec(logits.shape, logits.dtype)),
    bind=lambda loss, slope, logits, labels: (kernels.cross_entropy, loss.reshape(1), slope, logits, labels),
    vjp=(_cross_entropy_vjp,),
    contiguous=True,
    fuses="log_softmax + index + sum + divide + negative",
    formula="the mean cross-entropy of logits (n, K) and class labels (n,), and its slope: (softmax - one-hot) / n",
)


softmax_cross_entropy_parts = cross_entropy
