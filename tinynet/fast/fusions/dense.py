"""A dense layer in one call: product + bias, and relu of it."""

from __future__ import annotations

from typing import Any

from tinynet.core.engine import Node, Tensor
from tinynet.core.spec import Array, Spec
from tinynet.fast.bindings.linear import cut, scratch
from tinynet.fast.fusions import standardised_matvec
from tinynet.fast.implementation import Implementation
from tinynet.fast.kernels import fused as kernels
from tinynet.fast.kernels import linear
from tinynet.fast.kernels.jit import for_chunks
from tinynet.fast.match import Fusion, Rewrite, Uses, fused_op
from tinynet.ops.linear import _matmul, matmul
from tinynet.ops.pointwise import add, relu_gradient
from tinynet.ops.pointwise import relu as relu_op

_WIDTH = 16  # columns at least of a chunk: a line of memory


def dense_parts(x: Tensor, w: Tensor, bias: Tensor, relu: bool) -> Tensor:
    """Compute a dense layer by the ops that the fused op stands for."""
    y: Tensor = matmul(x, w) + bias
    return relu_op(y) if relu else y


def dense_cotangent_parts(g: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the cotangent before relu, and that of the bias, by the ops that the fused op stands for."""
    cut: Tensor = relu_gradient(g, y)
    return cut, cut.sum(0)


def _bind(y: Array, *rest: Array, relu: bool) -> tuple[Any, ...]:
    *sums, x, w, bias = rest
    chunks, axis = cut(x, w)
    return for_chunks(linear.dense, chunks), y, *(sums or [y[None]]), x, w, bias, relu, chunks, axis


def _bind_cotangent(kept: Array, db: Array, g: Array, y: Array) -> tuple[Any, ...]:
    chunks = kernels.chunks(g.shape[1] // _WIDTH, g.size)
    return for_chunks(kernels.dense_cotangent, chunks), kept, db, g, y, chunks


def _cotangents(g: Tensor, y: Tensor, relu: bool) -> tuple[Tensor, Tensor]:
    """Return the cotangent before the bias, and that of the bias."""
    if not relu:
        return g, g.sum(0)
    cut, db = dense_cotangent(g, y)
    return cut, db


dense = fused_op(
    "dense",
    dense_parts,
    infer=lambda x, w, bias, relu: Spec((x.shape[0], w.shape[1]), x.dtype),
    implementation=Implementation(_bind, lambda x, w, bias, relu: scratch(x, w), contiguous=True, threaded=True),
    vjp=(
        lambda g, y, x, w, bias, relu: matmul(_cotangents(g, y, relu)[0], w, trans_b=True),
        lambda g, y, x, w, bias, relu: matmul(x, _cotangents(g, y, relu)[0], trans_a=True),
        lambda g, y, x, w, bias, relu: _cotangents(g, y, relu)[1],
    ),
    formula="x w + bias, then relu if asked",
)

dense_cotangent = fused_op(
    "dense_cotangent",
    dense_cotangent_parts,
    infer=lambda g, y: (g, Spec(g.shape[1:], g.dtype)),
    implementation=Implementation(_bind_cotangent, contiguous=True),
    formula="g cut where y = relu(...) is 0, and its sum over the samples",
)


def _match(node: Node, uses: Uses) -> Rewrite | None:
    relu = node.op is relu_op
    total = uses.sole_producer(node.inputs[0], add) if relu else node if node.op is add else None
    product = uses.sole_producer(total.inputs[0], _matmul) if total else None
    if total is None or product is None or any(product.attrs.values()) or standardised_matvec.match(product, uses):
        return None
    bias = total.inputs[1]
    if bias.ndim != 1 or len(product.values[0].shape) != 2 or bias.shape[0] != product.values[0].shape[1]:
        return None
    return Rewrite(lambda *inputs: dense(*inputs, relu=relu), (*product.inputs, bias))


FUSION = Fusion(_match, {dense: "matmul + bias + relu", dense_cotangent: "relu_gradient + sum"})
