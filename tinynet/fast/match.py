"""What fusions are made of: patterns over a graph, and fused ops whose meaning is that of their parts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tinynet.core.engine import Node, Op, Rule, Tensor
from tinynet.core.mode import no_grad, reference
from tinynet.core.spec import Array
from tinynet.fast.implementation import Implementation, implement

Parts = Callable[..., Any]


class Rewrite(NamedTuple):
    """What comes in place of the nodes of a pattern: a function, and the values of the old graph that it takes."""

    make: Callable[..., Any]
    inputs: tuple[Tensor, ...]


@dataclass(frozen=True)
class Fusion:
    """One fusion: the pattern that it looks for, and the fused ops that it puts there.

    Parameters
    ----------
    pattern : callable
        ``pattern(node, uses)`` returns a `Rewrite` if the node is the last one of the pattern, otherwise None.
    ops : dict of Op to str
        The fused ops, each with the names of the ops that it stands for, joined by " + ".
    second_derivatives : bool
        Whether the fused ops have derivatives of every order; otherwise of the first order only.
    """

    pattern: Callable[[Node, Uses], Rewrite | None]
    ops: dict[Op, str] = field(default_factory=dict)
    second_derivatives: bool = False


class Uses:
    """How often each value of a graph is used, and the nodes, by identity, that something else comes in place of."""

    def __init__(
        self,
        outputs: Sequence[Tensor],
        nodes: Sequence[Node],
        replaced: Collection[int] = (),
        updates: Sequence[tuple[Tensor, Tensor]] = (),
    ) -> None:
        self.replaced = replaced
        self.written = {(id(new.node), new.index): leaf for leaf, new in updates}  # where new values are to be
        used = [*outputs, *(x for node in nodes for x in node.inputs)]
        self.count = Counter((id(x.node), x.index) for x in used if x.node is not None)
        self.last_read: dict[int, float] = {}  # of each leaf: the number of the last node that reads it
        for node in nodes:
            for x in node.inputs:
                last = math.inf if node.op.view else node.number  # a view may be read at any time
                self.last_read[id(x)] = max(last, self.last_read.get(id(x), last))

    def sole_producer(self, x: Tensor, op: Op, recorded: bool = True) -> Node | None:
        """Return the node that made ``x`` if it uses this very op, and this is the only use of ``x``.

        A node that is not recorded, where a gradient stops, counts only if told so; one that something else comes in
        place of does not count.
        """
        node = None if id(x.node) in self.replaced else x.node
        if node is None or node.op is not op or self.count[id(node), x.index] > 1:
            return None
        return node if node.recorded or not recorded else None

    def may_overwrite(self, node: Node, inputs: Sequence[Tensor]) -> bool:
        """Return whether a node may overwrite these inputs: leaves whose new values are the outputs of the same places.

        No later node may read the leaves. Nothing else may read what the node makes, and it is not a result: the new
        values are in memory only when the whole step is known to count.
        """
        return all(
            x.node is None
            and self.written.get((id(node), i)) is x
            and self.count[id(node), i] == 1
            and self.last_read[id(x)] <= node.number
            for i, x in enumerate(inputs)
        )


def fused_op(
    name: str,
    parts: Parts,
    infer: Callable[..., Any],
    implementation: Implementation,
    vjp: tuple[Rule | None, ...] = (),
    constant: frozenset[int] = frozenset(),
    formula: str = "",
) -> Op:
    """Declare a fused op: its meaning is that of its parts, a function of ops."""

    def compute(*arrays: Array, **attrs: Any) -> Any:
        with reference(), no_grad():
            made = parts(*(Tensor(a) for a in arrays), **attrs)
        return tuple(y.data for y in made) if isinstance(made, tuple) else made.data

    op = Op(name, infer=infer, compute=compute, vjp=vjp, constant=constant, formula=formula)
    implement(op, implementation)
    return op


def fits_kernels(x: Tensor) -> bool:
    """Return whether Numba knows the dtype of data: not of other byte orders, half or extended precision."""
    return x.dtype.isnative and x.dtype.char not in "eg"
