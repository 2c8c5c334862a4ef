"""Fusion: a graph is rewritten, one op in place of several neighbours.

The graph is searched from its outputs up. Where the last node of a pattern is met, and nothing else uses a value inside
of the pattern, the fused op comes in place of the nodes it stands for. What matches no pattern is copied as it is. The
new nodes are made in the order of the old ones, so that values live no longer than in eager execution: the summands of
a gradient are added as they come.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext

from tinynet.core.engine import Node, Tensor, ancestors, apply
from tinynet.core.mode import no_grad
from tinynet.fast.fusions import FUSIONS
from tinynet.fast.match import Rewrite, Uses


def fuse(
    outputs: Sequence[Tensor], twice: bool = False, instead: Mapping[int, tuple[Tensor, ...]] | None = None
) -> list[Tensor]:
    """Rewrite the graph of some outputs; to be called while tracing.

    Parameters
    ----------
    outputs : sequence of Tensor
        What is wanted of the graph; never hidden inside of a fused op.
    twice : bool
        Leave out rewrites to ops that have first derivatives only.
    instead : mapping of int to tuple of Tensor, optional
        What comes in place of the outputs of nodes, by the identity of the node.

    Returns
    -------
    list of Tensor
        The same values, made by fused ops where a rewrite fits.
    """
    uses = Uses(outputs, ancestors(outputs), replaced=instead or ())
    chosen: dict[int, tuple[Node, Rewrite]] = {}
    done = dict(instead or {})

    def new(x: Tensor) -> Tensor:
        return x if x.node is None else done[id(x.node)][x.index]

    stack = [y.node for y in outputs if y.node is not None]
    while stack:
        node = stack.pop()
        if id(node) not in chosen and id(node) not in done:
            chosen[id(node)] = node, _rewrite(node, uses, twice)
            stack.extend(x.node for x in chosen[id(node)][1].inputs if x.node is not None)
    for node, (make, inputs) in sorted(chosen.values(), key=lambda pair: pair[0].number):
        with nullcontext() if node.recorded else no_grad():
            made = make(*(new(x) for x in inputs))
        done[id(node)] = made if isinstance(made, tuple) else (made,)
    return [new(y) for y in outputs]


def _rewrite(node: Node, uses: Uses, twice: bool) -> Rewrite:
    """Find what comes in place of a node: a fused op, or a copy."""
    for fusion in FUSIONS:
        found = fusion.pattern(node, uses) if fusion.twice or not twice else None
        if found is not None:
            return found
    return Rewrite(lambda *inputs: apply(node.op, inputs, node.attrs), node.inputs)
