"""Steps of optimizers whose old vectors nobody reads afterwards: they are made in place."""

from __future__ import annotations

from tinynet.core.engine import Node, Op
from tinynet.fast.bindings import updates
from tinynet.fast.implementation import Implementation
from tinynet.fast.match import Fusion, Rewrite, Uses, fused_op
from tinynet.optim.adam import adam
from tinynet.optim.rmsprop import rmsprop, rmsprop_with_momentum
from tinynet.optim.sgd import momentum_step

_IMPLEMENTATIONS: dict[Op, Implementation] = {
    adam: updates.adam_in_place,
    momentum_step: updates.momentum_in_place,
    rmsprop: updates.rmsprop_in_place,
    rmsprop_with_momentum: updates.rmsprop_with_momentum_in_place,
}

IN_PLACE: dict[Op, Op] = {
    op: fused_op(f"{op.name}_in_place", op, op.infer, made, formula=f"{op.formula}, in place")
    for op, made in _IMPLEMENTATIONS.items()
}


def _match(node: Node, uses: Uses) -> Rewrite | None:
    made = _IMPLEMENTATIONS.get(node.op)
    if made is None or not uses.may_overwrite(node, node.inputs[: made.inplace]):
        return None
    return Rewrite(lambda *inputs: IN_PLACE[node.op](*inputs, **node.attrs), node.inputs)


FUSION = Fusion(_match, {made: op.name for op, made in IN_PLACE.items()})
