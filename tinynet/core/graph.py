"""A graph, the result of tracing: the values that a function computes from its inputs, and those that it writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from tinynet.core.engine import Tensor
from tinynet.core.spec import Array


class Graph(NamedTuple):
    """A graph of ops from leaves to outputs and new values.

    Attributes
    ----------
    inputs : mapping of str to Tensor
        Symbolic leaves, whose values are passed at each replay.
    outputs : mapping of str to Tensor
        The results.
    bound : tuple of (Tensor, ndarray)
        The leaves that the updates write, each with its array.
    updates : tuple of (Tensor, Tensor)
        Pairs of a bound leaf and its new value, which is written into the leaf's array after everything else.
    """

    inputs: Mapping[str, Tensor]
    outputs: Mapping[str, Tensor]
    bound: tuple[tuple[Tensor, Array], ...] = ()
    updates: tuple[tuple[Tensor, Tensor], ...] = ()

    def values(self) -> list[Tensor]:
        """Return everything that is computed: the outputs, and the new values."""
        return [*self.outputs.values(), *(new for _, new in self.updates)]

    def with_values(self, values: list[Tensor]) -> Graph:
        """Return the graph with other tensors in place of these."""
        count = len(self.outputs)
        outputs = dict(zip(self.outputs, values[:count], strict=True))
        updates = tuple((leaf, new) for (leaf, _), new in zip(self.updates, values[count:], strict=True))
        return self._replace(outputs=outputs, updates=updates)
