"""A bias, and relu behind it, in one pass after a product of matrices, a convolution or whatever else."""

from __future__ import annotations

import math
from functools import partial

from tinynet.core.engine import Node, Op, Tensor
from tinynet.core.spec import Array, Spec, Value
from tinynet.fast.implementation import Implementation
from tinynet.fast.kernels import pointwise, reduce
from tinynet.fast.kernels.jit import for_chunks
from tinynet.fast.match import Fusion, Rewrite, Uses, fused_op
from tinynet.ops.pointwise import add, relu_gradient
from tinynet.ops.pointwise import relu as relu_op


def bias_relu_parts(x: Tensor, bias: Tensor, relu: bool) -> Tensor:
    """Add the bias, and cut if asked, by the ops that the fused op stands for."""
    y: Tensor = x + bias
    return relu_op(y) if relu else y


def bias_relu_cotangent_parts(g: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the cotangent before relu, and that of the bias, by the ops that the fused op stands for."""
    cut: Tensor = relu_gradient(g, y)
    return cut, cut.sum(tuple(range(g.ndim - 1)))


def _rows(x: Array) -> Array:
    return x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


def _bind(y: Array, x: Array, bias: Array, relu: bool) -> tuple[object, ...]:
    chunks = pointwise.chunks(y.size)
    return for_chunks(pointwise.bias_relu, chunks), _rows(y), _rows(x), bias, relu, chunks


def _cotangent_scratch(g: Value, y: Value) -> tuple[Spec, ...]:
    blocks = reduce.blocks(math.prod(g.shape[:-1]), math.prod(g.shape))
    return (Spec((blocks, g.shape[-1]), g.dtype),)


def _bind_cotangent(cut: Array, db: Array, sums: Array, g: Array, y: Array) -> tuple[object, ...]:
    return (
        for_chunks(reduce.cut_and_sum, reduce.chunks(g.size // g.shape[-1], g.size)),
        _rows(cut),
        db,
        sums,
        _rows(g),
        _rows(y),
    )


def _cotangents(g: Tensor, y: Tensor, relu: bool) -> tuple[Tensor, Tensor]:
    """Return the cotangent before the bias, and that of the bias."""
    made: tuple[Tensor, Tensor] = bias_relu_cotangent(g, y) if relu else (g, g.sum(tuple(range(g.ndim - 1))))
    return made


bias_relu: Op = fused_op(
    "bias_relu",
    bias_relu_parts,
    infer=lambda x, bias, relu: Spec(x.shape, x.dtype),
    implementation=Implementation(_bind, contiguous=True),
    vjp=(
        lambda g, y, x, bias, relu: _cotangents(g, y, relu)[0],
        lambda g, y, x, bias, relu: _cotangents(g, y, relu)[1],
    ),
    formula="x + bias, with a bias for each value of the last axis, then relu if asked",
)

bias_relu_cotangent: Op = fused_op(
    "bias_relu_cotangent",
    bias_relu_cotangent_parts,
    infer=lambda g, y: (g, Spec(g.shape[-1:], g.dtype)),
    implementation=Implementation(_bind_cotangent, _cotangent_scratch, contiguous=True),
    formula="g cut where y = relu(...) is 0, and its sum over all axes but the last",
)


def _match(node: Node, uses: Uses) -> Rewrite | None:
    relu = node.op is relu_op
    total = uses.sole_producer(node.inputs[0], add) if relu else node if node.op is add else None
    if total is None or total.inputs[0].ndim < 2 or total.inputs[1].shape != total.inputs[0].shape[-1:]:
        return None
    return Rewrite(partial(bias_relu, relu=relu), total.inputs)


FUSION = Fusion(_match, {bias_relu: "add + relu", bias_relu_cotangent: "relu_gradient + sum"})
