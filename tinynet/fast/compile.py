"""Compiled functions: traced once for each kind of arguments, planned, replayed."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from tinynet.checks import check_numbers
from tinynet.core.engine import Tensor
from tinynet.core.graph import Graph
from tinynet.core.mode import _transaction, last_change, note_change, tracing
from tinynet.core.spec import Spec
from tinynet.core.transaction import Transaction, raise_unless_finite, within
from tinynet.errors import ArgumentError, TraceError
from tinynet.fast.chance import without_chance
from tinynet.fast.configuration import contents_of, watch
from tinynet.fast.plan import Plan
from tinynet.fast.trial import Trial
from tinynet.ops.dtypes import Number


class Compiled:
    """A function of ops, traced once for each kind of arguments and then replayed.

    Parameters
    ----------
    function : callable
        What it computes, and what it writes within a step of training.
    name : str
        What errors call it.
    fused : bool
        Rewrite neighbours into fused ops. Without, a replay has the bits of eager execution.
    most : int
        How many plans are kept; the one used longest ago goes first.
    """

    def __init__(self, function: Callable[..., Any], name: str, fused: bool = True, most: int = 32) -> None:
        self.function, self.name, self.fused, self.most = function, name, fused, most
        self.traces = 0
        self.under_trace = False
        self._kept: list[tuple[Hashable, Traced]] = []  # by the kind of arguments, the one used last at the end
        self._latest: dict[Hashable, Traced] = {}  # of each kind
        self._trial = Trial()  # one for all plans, since they are called in turns

    @property
    def plans(self) -> list[Plan]:
        """The plans that are kept."""
        return [traced.plan for _, traced in self._kept]

    def replay(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function for somebody who holds the gate: the results are arrays that the next call overwrites."""
        values: list[Any] = []
        form, transaction = _forms(args, kwargs, values), _transaction.get()
        return self._find(form, values, transaction).replay(values, transaction)

    def find(self, *args: Any, **kwargs: Any) -> Traced:
        """Return what the function became for such arguments, tracing it where need be."""
        values: list[Any] = []
        return self._find(_forms(args, kwargs, values), values, _transaction.get())

    def _find(self, form: Any, values: list[Any], transaction: Transaction | None) -> Traced:
        key = form, transaction is not None and transaction.mode is not None
        found = self._latest.get(key)
        if found is not None and found.holds() and len(self._kept) < self.most:
            return found
        same = (traced for kept, traced in reversed(self._kept) if kept == key and traced.holds())
        found = next(same, None) or self._trace(form, values, transaction)
        self._kept = [*(pair for pair in self._kept if pair[1] is not found), (key, found)][-self.most :]
        self._latest = dict(self._kept)
        return found

    def _run(
        self, form: Any, values: list[Any], transaction: Transaction | None
    ) -> tuple[tuple[Transaction, list[Tensor], Any], list[Tensor]]:
        """Run the function on shapes; returns what it wrote, its arguments as symbols, its result; and all it made."""
        symbols = _placeholders(values)
        left = iter(symbols)
        args, kwargs = [_rebuilt(part, left) for part in form[0]], _rebuilt(form[1], left)
        traced = Transaction(transaction.mode if transaction else None)
        with within(traced):
            result = self.function(*args, **kwargs)
        made: list[Tensor] = []
        _results(result, made, self.name)
        return (traced, symbols, result), [*made, *(new for _, new in traced.updates)]

    def _trace(self, form: Any, values: list[Any], transaction: Transaction | None) -> Traced:
        if self.under_trace:
            raise TraceError(f"{self.name} calls itself while it is traced; take a loop instead")
        self.under_trace = True
        try:
            run = partial(self._run, form, values, transaction)
            traced, symbols, result = without_chance(self.name, self.function, run)
            with tracing(), within(None):
                made = Traced(self.name, traced, symbols, result, self.fused)
                made.plan.trial = self._trial
        finally:
            self.under_trace = False
        self.traces += 1
        return made


class Traced:
    """A function as a plan: for one kind of arguments, in or out of training.

    Attributes
    ----------
    plan : Plan
        What is replayed.
    captured : list of Layer and Optimizer
        On whose attributes it depends.
    """

    def __init__(self, name: str, traced: Transaction, symbols: Sequence[Tensor], result: Any, fused: bool) -> None:
        outputs: list[Tensor] = []
        form = _results(result, outputs, name)
        if not outputs:
            raise ArgumentError(f"{name} returned {result!r}; a compiled function returns at least one Tensor")
        outputs = [traced.current(y) if y.node is None else y for y in outputs]
        self._seen = last_change()
        self.captured = list(traced.captured.values())
        self._settings = self._fingerprint()
        self.plan = Plan(*fuse_graph(graph_of(traced, symbols, outputs), fused))
        self._arguments = [self.plan.inputs[f"input {i}"] for i in range(len(symbols))]
        self._live = [(self.plan.inputs[f"live {i}"], source) for i, (_, source) in enumerate(traced.live)]
        self._touched = traced.touched
        places = self.plan.outputs  # each replay leaves its results in the same arrays
        checks = iter([places[name] for name in places if name.startswith("check")])
        self._checks = list(zip(checks, checks, strict=True))
        self._results = _rebuilt(form, iter(places.values()))

    def _fingerprint(self) -> tuple[Any, ...]:
        self._watched = [watch(thing) for thing in self.captured]  # which hold what is in the containers
        self._containers = [container for watched in self._watched for container in watched.containers]
        self._contents = contents_of(self._containers)
        return tuple(watched.configuration for watched in self._watched)

    def holds(self) -> bool:
        """Whether the layers and optimizers that were used have the attributes that they had."""
        if contents_of(self._containers) != self._contents:
            note_change()
        seen = last_change()
        if seen != self._seen:
            if self._fingerprint() != self._settings:
                return False
            self._seen = seen
        return True

    def set_inputs(self, values: Sequence[Any]) -> None:
        """Copy the values of some arguments into the inputs of the plan, and what it reads anew each time."""
        for i, place in enumerate(self._arguments):
            place[...] = values[i]
        for place, source in self._live:
            place[...] = source()

    def replay(self, values: Sequence[Any], transaction: Transaction | None) -> Any:
        """Run the plan; what it writes waits for the end of the step."""
        if transaction is not None and transaction.touched:
            transaction.flush()
        self.set_inputs(values)
        self.plan.replay()
        for loss, finite in self._checks:
            raise_unless_finite(loss.item(), finite.item())
        if self.plan.writes:
            assert transaction is not None
            transaction.defer(self.plan.writes, self._touched)
        return self._results


def graph_of(traced: Transaction, symbols: Sequence[Tensor], outputs: Sequence[Tensor]) -> Graph:
    """Gather what was traced."""
    live = {f"live {i}": symbol for i, (symbol, _) in enumerate(traced.live)}
    updates = tuple(traced.updates)
    return Graph(
        {f"input {i}": x for i, x in enumerate(symbols)} | live,
        {str(i): y for i, y in enumerate(outputs)} | {f"check {i}": x for i, x in enumerate(traced.checks)},
        tuple((leaf, leaf.memory) for leaf, _ in updates),
        updates,
    )


def fuse_graph(graph: Graph, fused: bool = True) -> Graph:
    """Rewrite a graph: first what leads to gradients, which are then differentiated, then all of it."""
    from tinynet.fast.fuse import fuse  # and with it all kernels, when a graph is there to be fused

    if not fused:
        return graph.with_values(fuse(graph.values(), fusions=()))
    for _ in range(2):
        graph = graph.with_values(fuse(graph.values(), updates=graph.updates))
    return graph


def _forms(args: tuple[Any, ...], kwargs: dict[str, Any], values: list[Any]) -> Any:
    """Gather the values of the arguments of a call; returns their form, which is part of the key of a plan."""
    return tuple([_form(given, values) for given in args]), _form(kwargs, values) if kwargs else (dict,)


def _form(given: Any, values: list[Any]) -> Any:
    """Gather the arrays and numbers of an argument; returns all else: containers, shapes, dtypes, texts."""
    if isinstance(given, np.ndarray):
        if type(given) is not np.ndarray or given.dtype.kind not in "fiub":
            check_numbers("an argument of a compiled function", given)
        values.append(given)
        return "array", given.shape, given.dtype
    if isinstance(given, Tensor):
        values.append(given.data)
        return "array", given.shape, given.dtype
    if given is None or isinstance(given, bool | str):
        return "static", type(given), given
    if isinstance(given, int | float | np.generic):
        values.append(given)
        return "number", check_numbers("an argument of a compiled function", given).dtype
    if type(given) in (list, tuple):
        return type(given), *(_form(part, values) for part in given)
    if type(given) is dict:
        return dict, *((name, _form(part, values)) for name, part in given.items())
    raise ArgumentError(
        "a compiled function takes arrays, tensors, numbers, texts, None, and lists, tuples and dicts of them, but "
        f"got {given!r}; let the function reach models and other objects from outside"
    )


def _placeholders(values: Sequence[Any]) -> list[Tensor]:
    """Return symbols for the values of arguments."""
    return [
        Tensor(Spec(v.shape, v.dtype)) if isinstance(v, np.ndarray) else Number(Spec((), np.asarray(v).dtype))
        for v in values
    ]


def _results(result: Any, found: list[Tensor], name: str) -> Any:
    """Gather the tensors of a result; returns the form in which they are nested, as `_form` has it."""
    if isinstance(result, Tensor):
        found.append(result)
        return ("array",)
    if type(result) in (list, tuple):
        return type(result), *(_results(part, found, name) for part in result)
    if type(result) is dict:
        return dict, *((key, _results(part, found, name)) for key, part in result.items())
    raise ArgumentError(
        f"{name} returned {result!r}; a compiled function returns a Tensor, or several in lists, tuples and dicts"
    )


def _rebuilt(form: Any, values: Iterator[Any]) -> Any:
    """Nest values in a form."""
    kind = form[0]
    if kind == "static":
        return form[2]
    if kind is dict:
        return {name: _rebuilt(part, values) for name, part in form[1:]}
    return next(values) if isinstance(kind, str) else kind(_rebuilt(part, values) for part in form[1:])
