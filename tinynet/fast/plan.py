"""Plans: a traced graph with every buffer laid out once, replayed as a flat list of bound kernel calls.

The nodes of the graph run in the order in which they were traced. Equal nodes are computed once. A buffer is taken from
a pool of blocks when its value is made and goes back after its last use; a view shares the block of what it views. What
is concatenated is computed straight into its slice of the whole, where nothing else needs it elsewhere.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar

import numpy as np

from tinynet.core.engine import Tensor, ancestors
from tinynet.core.spec import Array
from tinynet.core.transaction import commit
from tinynet.fast.layout import Call, Layout, copy_call
from tinynet.fast.threads import forked, kernel_gate, runnable, use_threads
from tinynet.fast.trial import Trial

_quietly = np.errstate(all="ignore")(commit)  # for functions of NumPy, since kernels warn of nothing
_LONG = 32_000_000  # bytes that a replay reads and writes; where it is more, more threads have always paid


class Plan:
    """A graph of shapes, ready to run on arrays.

    Parameters
    ----------
    inputs : mapping of str to Tensor
        Symbolic leaves whose values are passed to each `run`, which copies them in.
    outputs : mapping of str to Tensor
        What a run returns, as copies.
    bound : sequence of (Tensor, ndarray)
        Symbolic leaves that stand for arrays outside of the plan, read where they are.
    updates : sequence of (Tensor, Tensor)
        Pairs of a bound leaf and its new value, which is written into the leaf's array after all else.

    Raises
    ------
    TraceError
        If the graph has a symbolic leaf that is neither an input nor bound.
    """

    rows: ClassVar[Callable[..., Any]]  # these three are defined, and put here, by `tinynet.inspection.table`
    table: ClassVar[Callable[..., Any]]
    profile: ClassVar[Callable[..., Any]]

    def __init__(
        self,
        inputs: Mapping[str, Tensor],
        outputs: Mapping[str, Tensor],
        bound: tuple[tuple[Tensor, Array], ...] = (),
        updates: tuple[tuple[Tensor, Tensor], ...] = (),
    ) -> None:
        self.inputs = {name: np.zeros(x.shape, x.dtype) for name, x in inputs.items()}
        leaves = {id(x): self.inputs[name] for name, x in inputs.items()}
        leaves |= {id(x): array for x, array in bound}
        wanted = [*outputs.values(), *(new for _, new in updates)]
        layout = Layout(wanted, leaves)
        self.calls = layout.calls
        for leaf, new in updates:
            to, source = leaves[id(leaf)], layout.array(new)
            if source is to:
                continue
            if layout.is_old(new):  # an update may overwrite it before it is copied
                old, source = source, np.empty_like(source)
                self.calls.insert(layout.pure, copy_call(source, old))
            self.calls.append(copy_call(to, source))
        self.outputs = {name: layout.array(y) for name, y in outputs.items()}  # each replay leaves them here
        self.bytes = layout.pool.bytes
        self.changed = [leaves[id(leaf)] for leaf, _ in updates]
        self.timings: Any = None  # of the last profile
        self.trial = Trial()  # of how many threads to use
        self._short = sum(a.nbytes for call in self.calls for a in (*call.inputs, *call.outputs)) < _LONG
        self._keep = (inputs, outputs, bound, updates)  # leaves are known by their identity
        self._pure = layout.pure
        self._ready()

    def run(self, **values: Any) -> dict[str, Array]:
        """Replay the plan: copy the inputs in, make every call, and return copies of the outputs.

        Parameters
        ----------
        **values
            An array or number for each input, of its shape.

        Returns
        -------
        dict of str to ndarray
            The outputs, new arrays.
        """
        with kernel_gate():
            self.replay(**values)
            self.apply_updates()
            return {name: array.copy() for name, array in self.outputs.items()}

    def replay(self, **values: Any) -> Mapping[str, Array]:
        """Make all calls but the updates, and return the plan's own outputs, which the next replay overwrites.

        For callers that hold the gate; `apply_updates` then makes the updates.
        """
        if self._forked != forked():
            self._ready()
        if self._threaded:
            use_threads(self.trial if self._short else None)
        if values:
            self.set_inputs(values)
        self._make(self._prepared)
        return self.outputs

    def _ready(self) -> None:
        """Make the calls ready to run in this process: all kernels that are missing are built together."""
        self._forked = forked()
        from tinynet.fast.kernels import build

        calls = [(runnable(call.function), call.arguments) for call in self.calls]
        self._threaded = any(getattr(function, "serial", function) is not function for function, _ in calls)
        ready = build.prepare(calls)
        bound = [partial(function, *arguments) for function, (_, arguments) in zip(ready, calls, strict=True)]
        self._make = _quietly if any(map(_may_warn, self.calls)) else commit
        self._prepared, self.writes = bound[: self._pure], bound[self._pure :]

    def set_inputs(self, values: Mapping[str, Any]) -> None:
        """Copy values into the inputs of the plan."""
        for name, value in values.items():
            self.inputs[name][...] = value

    def apply_updates(self) -> None:
        """Make the updates that the last replay has computed."""
        commit(self.writes)

    # --- what can be read of a plan

    def __str__(self) -> str:
        return f"Plan of {len(self.calls)} calls with {self.bytes / 1e3:,.0f} kB of buffers"

    def phases(self) -> dict[int, str]:
        """Return what each node, by its identity, is part of: "forward", "backward" or "update".

        The update is what follows from leaves that the outputs do not depend on: theta as a whole, a learning rate.
        """
        inputs, outputs, bound, updates = self._keep
        forward = ancestors([y for name, y in outputs.items() if not name.startswith("check")])
        found = {id(node): "forward" for node in forward}
        late = {id(x) for x in itertools.chain(inputs.values(), (x for x, _ in bound))}
        late -= {id(x) for node in forward for x in node.inputs}
        for node in ancestors([new for _, new in updates]):
            update = any(id(x) in late or found.get(id(x.node)) == "update" for x in node.inputs)
            found.setdefault(id(node), "update" if update else "backward")
        return found


def _may_warn(call: Call) -> bool:
    """Whether a call may warn of what is not finite, as NumPy's functions of floats do and kernels do not."""
    floats = any(array.dtype.kind == "f" for array in (*call.inputs, *call.outputs))
    return floats and not hasattr(call.function, "identity_of")
