"""A step with momentum whose old vectors nobody reads afterwards: it is made in place."""

from __future__ import annotations

from tinynet.core.engine import Node
from tinynet.fast.bindings.updates import momentum_in_place as in_place
from tinynet.fast.match import Fusion, Rewrite, Uses, fused_op
from tinynet.optim.sgd import momentum_step

momentum_in_place = fused_op(
    "momentum_in_place",
    momentum_step,
    infer=momentum_step.infer,
    implementation=in_place,
    formula=f"{momentum_step.formula}, in place",
)


def _match(node: Node, uses: Uses) -> Rewrite | None:
    if node.op is not momentum_step or not uses.may_overwrite(node, node.inputs[:2]):
        return None
    return Rewrite(lambda *inputs: momentum_in_place(*inputs, **node.attrs), node.inputs)


FUSION = Fusion(_match, {momentum_in_place: "momentum_step"})
