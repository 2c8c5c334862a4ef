"""The step of gradient descent, theta - rate * gradient, for a vector theta that nobody reads later: made in place."""

from __future__ import annotations

from typing import Any

from tinynet.core.engine import Node, Tensor, is_constant
from tinynet.core.spec import Array
from tinynet.fast.implementation import Implementation
from tinynet.fast.kernels import fused as kernels
from tinynet.fast.kernels.jit import for_chunks
from tinynet.fast.match import Fusion, Rewrite, Uses, fused_op
from tinynet.ops.pointwise import multiply, subtract


def descend_parts(theta: Tensor, gradient: Tensor, rate: Tensor) -> Tensor:
    """Compute the step by the ops that the fused op stands for."""
    return theta - rate * gradient


def _bind(theta: Array, gradient: Array, rate: Array) -> tuple[Any, ...]:
    chunks = kernels.count_chunks(gradient.size, gradient.size)
    number = rate.reshape(1)
    return for_chunks(kernels.descend, chunks), theta, None, gradient, number, number, False, chunks


descend = fused_op(
    "descend",
    descend_parts,
    infer=lambda theta, gradient, rate: theta,
    implementation=Implementation(_bind, inplace=1, contiguous=True),
    formula="theta - rate gradient, in place",
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
    return Rewrite(descend, (theta, gradient, rate)) if uses.may_overwrite(node, [theta]) else None


FUSION = Fusion(_match, {descend: "multiply + subtract"})
