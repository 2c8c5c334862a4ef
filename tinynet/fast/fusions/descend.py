"""The step of gradient descent, theta - rate * gradient, for a symbolic vector theta and rate: it is made in place.

A product that is the gradient of a large matrix moves its part of theta at once, while its rows are in the cache.
"""

from __future__ import annotations

import itertools
from typing import Any

from tinynet.core.engine import Node, Tensor, is_constant
from tinynet.core.spec import Array, Spec
from tinynet.fast.bindings.linear import chunks as product_chunks
from tinynet.fast.implementation import Implementation
from tinynet.fast.kernels import fused as kernels
from tinynet.fast.kernels.jit import for_chunks
from tinynet.fast.match import Fusion, Rewrite, Uses, fused_op
from tinynet.ops.arrange import _concatenate, concatenate
from tinynet.ops.linear import _matmul, matmul
from tinynet.ops.pointwise import multiply, subtract
from tinynet.ops.shape import _reshape, reshape


def descend_parts(theta: Tensor, gradient: Tensor, rate: Tensor, start: int) -> Tensor:
    """Compute the step of a part of theta by the ops that the fused op stands for."""
    stop = start + gradient.size
    return concatenate([theta[:start], theta[start:stop] - rate * gradient, theta[stop:]])


def descend_product_parts(theta: Tensor, a: Tensor, b: Tensor, rate: Tensor, start: int) -> Tensor:
    """Compute the step along the gradient a^T b by the ops that the fused op stands for."""
    return descend_parts(theta, reshape(matmul(a, b, trans_a=True), -1), rate, start)


def _bind(theta: Array, gradient: Array, rate: Array, start: int) -> tuple[Any, ...]:
    part, chunks = theta[start : start + gradient.size], kernels.chunks(gradient.size, gradient.size)
    return for_chunks(kernels.descend, chunks), part, gradient, rate.reshape(1), chunks


def _product_bind(product: Array, theta: Array, a: Array, b: Array, rate: Array, start: int) -> tuple[Any, ...]:
    chunks = product_chunks(a, b, trans_a=True, trans_b=False)
    part = theta[start : start + product.size].reshape(product.shape)
    return for_chunks(kernels.descend_product, chunks), part, product, a, b, rate.reshape(1), chunks


descend = fused_op(
    "descend",
    descend_parts,
    infer=lambda theta, gradient, rate, start: theta,
    implementation=Implementation(_bind, inplace=1, contiguous=True, threaded=True),
    formula="theta - rate gradient, in place; of a part of theta, from a start on",
)

descend_product = fused_op(
    "descend_product",
    descend_product_parts,
    infer=lambda theta, a, b, rate, start: theta,
    implementation=Implementation(
        _product_bind,
        scratch=lambda theta, a, b, rate, start: (Spec((a.shape[1], b.shape[1]), a.dtype),),
        inplace=1,
        contiguous=True,
        threaded=True,
    ),
    formula="theta - rate a^T b, in place; of a part of theta, from a start on",
)


def _match(node: Node, uses: Uses) -> Rewrite | None:
    if node.op is not subtract:
        return None
    theta, scaled = node.inputs[0], uses.sole_producer(node.inputs[1], multiply)
    if scaled is None or theta.ndim != 1:
        return None
    rate, gradient = scaled.inputs
    if rate.node is not None or is_constant(rate) or rate.ndim or gradient.shape != theta.shape:
        return None
    if not uses.may_overwrite(node, [theta]):
        return None
    whole = uses.sole_producer(gradient, _concatenate)
    # Products that are shared out to threads move theta at once; what lies between them is one gradient.
    found = [(_large_product(x, uses), x) for x in (whole.inputs if whole else (gradient,))]
    runs = [(product, [x for _, x in run]) for product, run in itertools.groupby(found, lambda pair: pair[0])]

    def make(theta: Tensor, rate: Tensor, *values: Tensor) -> Tensor:
        given, start = iter(values), 0
        for product, run in runs:
            if product:
                theta = descend_product(theta, next(given), next(given), rate, start=start)
            else:
                theta = descend(theta, concatenate([next(given) for _ in run]), rate, start=start)
            start += sum(x.size for x in run)
        return theta

    inputs = (x for product, run in runs for x in (product.inputs if product else run))
    return Rewrite(make, (theta, rate, *inputs))


def _large_product(x: Tensor, uses: Uses) -> Node | None:
    """Return the node of a^T b, or of one laid out as a vector, if it is worth several threads."""
    flat = uses.sole_producer(x, _reshape)
    product = uses.sole_producer(flat.inputs[0], _matmul, recorded=False) if flat else None
    if product is None or product.attrs != {"trans_a": True, "trans_b": False} or len(product.values[0].shape) > 2:
        return None
    a, b = (x.spec for x in product.inputs)
    return product if product_chunks(a, b, trans_a=True, trans_b=False) > 1 else None


FUSION = Fusion(_match, {descend: "multiply + subtract", descend_product: "matmul + multiply + subtract"})
