"""1 * x and x * 1: the seed of a gradient times what it meets first."""

from __future__ import annotations

from tinynet.core.engine import Node, Tensor, is_constant
from tinynet.fast.match import Fusion, Rewrite, Uses
from tinynet.ops.pointwise import multiply


def _match(node: Node, uses: Uses) -> Rewrite | None:
    if node.op is not multiply:
        return None
    for one, x in (node.inputs, node.inputs[::-1]):
        if is_constant(one) and one.size == 1 and one.item() == 1 and x.shape == node.values[0].shape:
            # A node that is not recorded stops gradients; so must what comes in its place.
            return Rewrite((lambda x: x) if node.recorded or not x.requires_grad else Tensor.detach, (x,))
    return None


FUSION = Fusion(_match, second_derivatives=True)
