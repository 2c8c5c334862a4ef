"""The table of a plan: for each call the ops that it replaces, the bytes and flops, and the time.

These functions are the methods `rows`, `table` and `profile` of a plan.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tinynet.core.spec import Array, Spec
from tinynet.errors import ArgumentError
from tinynet.fast.plan import Plan
from tinynet.fast.threads import get_num_threads, kernel_gate, use_threads
from tinynet.inspection.cost import Cost

LEFT = ("op", "fuses", "how", "output")  # columns of text
_DROPPED = (
    "scratch kB",
    "output",
    "fuses",
    "moved kB",
    "dead",
    "sparse",
    "winograd",
    "GFLOP/s",
    "MFLOP",
    "of peak",
    "how",
)


class Timings(NamedTuple):
    """The results of a profile."""

    costs: list[Cost]
    seconds: list[float]
    threads: int
    peak: float  # of all threads, in flop/s


class Row(NamedTuple):
    """One call of a plan."""

    name: str  # of the op
    phase: str  # "forward", "backward" or "update"
    fuses: str  # the ops that it replaces
    outputs: tuple[Spec, ...]
    moved: int  # bytes of inputs and outputs
    scratch: int  # bytes of working arrays
    cost: Cost  # flops, those saved, and the way it is computed
    seconds: float | None = None  # the median of a profile
    peak: float | None = None  # of the machine, in flop/s


def rows(plan: Plan) -> list[Row]:
    """Describe the calls of the plan in their order; after a profile with their times.

    Returns
    -------
    list of Row
        One for each call.
    """
    phases, phase, found = plan.phases(), "forward", []
    for i, call in enumerate(plan.calls):
        specs = tuple(Spec(a.shape, a.dtype) for a in call.inputs)
        outputs = tuple(Spec(a.shape, a.dtype) for a in call.outputs)
        phase = phases.get(id(call.node), phase)  # a copy is part of what comes before it
        cost = plan.timings.costs[i] if plan.timings else _cost(call, specs)
        reads = sum(map(_bytes, call.inputs)) if cost.reads is None else cost.reads
        moved = reads + sum(map(_bytes, call.outputs))
        times = (plan.timings.seconds[i], plan.timings.peak) if plan.timings else ()
        scratch = sum(a.nbytes for a in call.scratch)
        found.append(Row(call.name, phase, _fuses(call), outputs, moved, scratch, cost, *times))
    return found


def _cost(call: Any, inputs: tuple[Any, ...]) -> Cost:
    kernel = (getattr(call.function, "__module__", None) or "").startswith("tinynet.fast.kernels")
    how = "kernel" if kernel else "numpy"
    if call.node is None:
        return Cost(0, how=how)
    from tinynet.inspection.costs import cost_of  # which knows the fused ops, and so imports their kernels

    cost = cost_of(call.node.op, inputs, call.node.attrs, call.node.values)
    return cost if cost.how else cost._replace(how=how)


def _bytes(array: Array) -> int:
    """Return the bytes in memory, in which repeated values count once."""
    once = (n for n, stride in zip(array.shape, array.strides, strict=True) if stride or not n)
    return int(array.itemsize * math.prod(once))


def _fuses(call: Any) -> str:
    if call.node is None:
        return ""
    from tinynet.fast.fusions import STANDS_FOR

    return STANDS_FOR.get(call.node.op, "")


def profile(plan: Plan, repeats: int = 50, clock: Callable[[], float] = time.perf_counter, **values: Any) -> list[Row]:
    """Replay the plan call by call, and time each call. Arrays that it updates are restored.

    Parameters
    ----------
    repeats : int
        The number of replays, of which the median is taken; one more comes before them, in which kernels are built.
    clock : callable
        Returns the time in seconds. On one thread of a busy machine, `time.thread_time` counts this thread alone.
    **values
        As for `Plan.run`.

    Returns
    -------
    list of Row
        As from `rows`, with times; `table` shows them from now on.

    Raises
    ------
    ArgumentError
        If ``repeats`` is below 1.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> model = tn.Sequential([tn.Input((784,)), tn.Dense(10, "softmax")], seed=0)
    >>> plan = tn.compile(model).plan(np.zeros((32, 784), np.float32))
    >>> [row.name for row in plan.profile(repeats=3) if row.seconds > 0]
    ['matmul_bias', 'softmax']
    """
    if repeats < 1:
        raise ArgumentError(f"profile: repeats must be 1 or more, but got {repeats!r}")
    laps = np.empty((repeats, len(plan.calls) + 1))
    calls, costs = [(call.function, call.arguments) for call in plan.calls], []
    with kernel_gate(), np.errstate(all="ignore"):
        use_threads()
        before = [array.copy() for array in plan.changed]
        plan.set_inputs(values)
        try:
            for call in plan.calls:
                call.function(*call.arguments)
                costs.append(_cost(call, call.inputs))  # now, for a later call may overwrite what it depends on
            for lap in laps:
                _restore(plan, before)
                lap[0] = clock()
                for i, (function, arguments) in enumerate(calls, 1):
                    function(*arguments)
                    lap[i] = clock()
        finally:
            _restore(plan, before)
    threads = get_num_threads()
    reading = np.median(np.diff([clock() for _ in range(1000)]))  # the clock takes its own time, some up to 1 us
    seconds = np.maximum(np.median(np.diff(laps), axis=0) - reading, 1e-9).tolist()
    plan.timings = Timings(costs, seconds, threads, threads * sgemm_peak())
    return rows(plan)


def _restore(plan: Plan, before: list[Array]) -> None:
    for array, values in zip(plan.changed, before, strict=True):
        array[...] = values


@functools.cache
def sgemm_peak() -> float:
    """Measure how fast one thread multiplies float32 matrices, once in a process.

    Returns
    -------
    float
        In flop/s.

    Examples
    --------
    >>> 1e8 < sgemm_peak() < 1e13
    True
    """
    from tinynet.fast.kernels import linear

    times = []
    a, b = (np.ones(shape, np.float32) for shape in ((512, 256), (256, linear.PANEL)))  # which nothing has to copy
    c = np.empty((1, len(a), linear.PANEL), np.float32)
    with kernel_gate():
        for _ in range(50):
            started = time.perf_counter()
            linear.matmul.serial(c[0], c, a, b, c[0, 0, :0], False, False, False, 1, 0)
            times.append(time.perf_counter() - started)
    return 2 * a.size * linear.PANEL / min(times)


def table(plan: Plan, width: int | None = None) -> str:
    """Write the calls of the plan in an aligned table; after a profile with their times.

    Parameters
    ----------
    width : int, optional
        The largest width in characters: if the table is wider, the least important columns are left out.

    Returns
    -------
    str
        Lines of plain text, without columns that would be empty. Flops are those of products that are computed. "dead"
        are those saved because no window reads an output; "winograd" those that Winograd's algorithm does without,
        whose transforms are not counted; "sparse" those saved because a gradient is 0. Until a profile counts the
        winners that relu has cut, the table assumes that there are none. The peak is that of matrix products in
        float32.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> model = tn.Sequential([tn.Input((784,)), tn.Dense(10, "softmax")], seed=0)
    >>> plan = tn.compile(model).plan(np.zeros((32, 784), np.float32))
    >>> print(plan.table(width=80))
    #  op           fuses                   how           output    moved kB  MFLOP
    -------------------------------------------------------------------------------
    1  matmul_bias  matmul + bias (+ relu)  in registers  32x10 f4     133.0  0.502
    2  softmax                              kernel        32x10 f4       2.6  0.000
    -------------------------------------------------------------------------------
       total                                                           135.6  0.502
    <BLANKLINE>
    Plan of 2 calls with 3 kB of buffers
    """
    lines, timings = plan_cells(plan), plan.timings
    widths = {name: max(len(line[name]) for line in lines) for name in lines[0]}
    widths = {name: max(len(name), n) for name, n in widths.items() if n}
    for name in _DROPPED:
        if width is not None and sum(widths.values()) + 2 * len(widths) - 2 > width:
            widths.pop(name, None)
    texts = [
        "  ".join(f"{line[name]:{'<' if name in LEFT else '>'}{n}}" for name, n in widths.items()).rstrip()
        for line in [{name: name for name in widths}, *lines]
    ]
    rule = "-" * (sum(widths.values()) + 2 * len(widths) - 2)
    notes = [str(plan)]
    if {"dead", "sparse", "winograd"} & widths.keys():
        notes.append(
            "dead, sparse, winograd: MFLOP saved where no window reads an output, a gradient is 0, or by fewer"
        )
        notes.append("products of transformed tiles; the transforms are not counted")
    if timings:
        a_thread = timings.peak / timings.threads / 1e9
        notes.append(f"peak: sgemm at {a_thread:.1f} GFLOP/s a thread, times {timings.threads}")
    return "\n".join([texts[0], rule, *texts[1:-1], rule, texts[-1], "", *notes])


def plan_cells(plan: Plan) -> list[dict[str, str]]:
    """Write the cells of each call of a plan by their columns, and last those of the total."""
    found = rows(plan)
    flops = Cost(*(sum(getattr(row.cost, name) for row in found) for name in ("flops", "dead", "sparse", "winograd")))
    timings = plan.timings
    times = (sum(timings.seconds), timings.peak) if timings else ()
    total = Row("total", "", "", (), sum(row.moved for row in found), 0, flops, *times)
    return [*(_cells(str(i), row, total) for i, row in enumerate(found, 1)), _cells("", total, total)]


def _cells(number: str, row: Row, total: Row) -> dict[str, str]:
    """Write the cells of a row; those without a value are empty."""
    cost = row.cost
    outputs = ", ".join(f"{'x'.join(map(str, s.shape)) or 1} {s.dtype.str[1:]}" for s in row.outputs)
    cells = {"#": number, "op": row.name, "fuses": row.fuses, "how": cost.how, "output": outputs}
    cells |= {"moved kB": _number(row.moved / 1e3), "scratch kB": _number(row.scratch / 1e3)}
    cells |= {"MFLOP": _number(cost.flops / 1e6, 3), "dead": _number(cost.dead / 1e6)}
    cells |= {"sparse": _number(cost.sparse / 1e6), "winograd": _number(cost.winograd / 1e6)}
    if row.seconds is not None and row.peak is not None and total.seconds is not None:
        rate = cost.flops / max(row.seconds, 1e-9)
        cells |= {"us": _number(row.seconds * 1e6), "share": f"{row.seconds / max(total.seconds, 1e-9):.1%}"}
        cells |= {"GFLOP/s": _number(rate / 1e9), "of peak": f"{rate / row.peak:.1%}" if rate else ""}
    return cells


def _number(value: float, digits: int = 1) -> str:
    return f"{value:,.{digits}f}" if value else ""


def show_plan(plan: Plan) -> str:
    """Write the number of calls of a plan, and its memory."""
    return f"<Plan: {len(plan.calls)} calls, {plan.bytes / 1e3:,.1f} kB; print(plan.table()) shows them>"


Plan.__repr__ = show_plan  # type: ignore[method-assign, assignment]
Plan.rows, Plan.table, Plan.profile = rows, table, profile  # how a plan is read; it runs without
