"""A step of Adam whose old vectors nobody reads afterwards: it is made in place."""

from __future__ import annotations

from tinynet.core.engine import Node
from tinynet.fast.bindings.updates import adam_in_place as in_place
from tinynet.fast.match import Fusion, Rewrite, Uses, fused_op
from tinynet.optim.adam import adam

adam_in_place = fused_op(
    "adam_in_place", adam, infer=adam.infer, implementation=in_place, formula=f"{adam.formula}, in place"
)


def _match(node: Node, uses: Uses) -> Rewrite | None:
    if node.op is not adam or not uses.may_overwrite(node, node.inputs[:3]):
        return None
    return Rewrite(lambda *inputs: adam_in_place(*inputs, **node.attrs), node.inputs)


FUSION = Fusion(_match, {adam_in_place: "adam"})
