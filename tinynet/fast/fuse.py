"""Fusion: a graph is rewritten, one op in place of several neighbours.

The graph is searched from its outputs up. Where the last node of a pattern is met, and nothing else uses a value inside
of the pattern, the fused op comes in place of the nodes it stands for. What matches no pattern is copied as it is. The
new nodes are made in the order of the old ones, so that values live no longer than in eager execution: the summands of
a gradient are added as they come.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import partial

from tinynet.core.engine import Node, Tensor, ancestors, apply, deferred_gradient, expand
from tinynet.core.mode import no_grad
from tinynet.fast.fusions import FUSIONS
from tinynet.fast.match import Fusion, Rewrite, Uses


def fuse(
    outputs: Sequence[Tensor],
    second_derivatives: bool = False,
    instead: Mapping[int, tuple[Tensor, ...]] | None = None,
    fusions: Sequence[Fusion] | None = None,
    updates: Sequence[tuple[Tensor, Tensor]] = (),
) -> list[Tensor]:
    """Rewrite the graph of some outputs; to be called while tracing.

    A deferred gradient is differentiated when its turn comes: what it goes back through is rewritten by then.

    Parameters
    ----------
    outputs : sequence of Tensor
        What is wanted of the graph; never hidden inside of a fused op.
    second_derivatives : bool
        Leave out rewrites to ops that have first derivatives only.
    instead : mapping of int to tuple of Tensor, optional
        What comes in place of the outputs of nodes, by the identity of the node.
    fusions : sequence of Fusion, optional
        Which fusions may be used; all by default. With an empty one, the graph is copied, and deferred gradients are
        still differentiated.
    updates : sequence of (Tensor, Tensor)
        Leaves whose memory is overwritten in the end, each with the output that is its new value.

    Returns
    -------
    list of Tensor
        The same values, made by fused ops where a rewrite fits.
    """
    uses = Uses(outputs, ancestors(outputs), instead or (), updates)
    allowed = [f for f in (FUSIONS if fusions is None else fusions) if f.second_derivatives or not second_derivatives]
    chosen: dict[int, tuple[Node, Rewrite]] = {}
    done = dict(instead or {})

    starts: dict[int, Tensor] = {}  # values that a gradient is asked for with respect to, though none flows past them

    def new(x: Tensor) -> Tensor:
        made = x if x.node is None else done[id(x.node)][x.index]
        if x.requires_grad and not made.requires_grad:
            made = starts.setdefault(id(x), made.detach())
            made.requires_grad = True
        return made

    stack = [y.node for y in outputs if y.node is not None]
    while stack:
        node = stack.pop()
        if id(node) not in chosen and id(node) not in done:
            chosen[id(node)] = node, _rewrite(node, uses, allowed)
            stack.extend(x.node for x in chosen[id(node)][1].inputs if x.node is not None)
    for node, (make, inputs) in sorted(chosen.values(), key=lambda pair: pair[0].number):
        with nullcontext() if node.recorded else no_grad():
            made = make(*(new(x) for x in inputs))
        done[id(node)] = made if isinstance(made, tuple) else (made,)
    return [new(y) for y in outputs]


def _rewrite(node: Node, uses: Uses, fusions: Sequence[Fusion]) -> Rewrite:
    """Find what comes in place of a node: a fused op, or a copy."""
    if node.op is deferred_gradient:
        return Rewrite(partial(expand, **node.attrs), node.inputs)
    for fusion in fusions:
        found = fusion.pattern(node, uses)
        if found is not None:
            return found
    return Rewrite(lambda *inputs: apply(node.op, inputs, node.attrs), node.inputs)
