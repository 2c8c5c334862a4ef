"""Where the time of a training step goes, call by call, for each network of the benchmarks.

    python -m benchmarks.time_spent [--only cnn gru] [--repeats 50] [--least 0.02]

Each network trains for a hundred steps by the step of `fit`. Then each call of its plan is timed, on one thread, by the
processor time of that thread, so that other programs on the machine count as little as possible. The tables are in
Markdown, as a chapter of the documentation has them. Equal calls share a row, and so do all calls below a share of
the time.

The limit of a call is the longer of two times: its flops at the peak of matrix products, and a copy of as many bytes as
it reads and writes. Both are measured beforehand.
"""

from __future__ import annotations

import argparse
import functools
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

import tinynet as tn
from benchmarks import networks
from benchmarks.contenders.tinynet_ import build
from benchmarks.workload import DATA, LEARNING_RATE, MODELS
from tinynet.inspection.profiling import StepProfile, profile_fit
from tinynet.inspection.table import Row, sgemm_peak

Array = np.ndarray
LAYERED = {
    "residual": "residual network, 28 x 28 x 1",
    "transformer": "transformer block, 48 x 64",
    "gru": "GRU, 50 steps",
}
NAMES = *MODELS, *LAYERED
_COPIES = 30


@dataclass(frozen=True)
class Calls:
    """Calls of a plan that do the same with arrays of the same shapes.

    Attributes
    ----------
    part, name, how, output : str
        What they are part of, the op, the way it is computed, and the shape of the first output.
    count : int
        How many there are.
    seconds, limit : float
        Of all of them.
    flops, moved : int
        Of all of them: flops, and bytes that are read and written.
    """

    part: str
    name: str
    how: str
    output: str
    count: int
    seconds: float
    limit: float
    flops: int
    moved: int


def example(name: str) -> tuple[tn.Model, Any, Array, Array, int]:
    """Return a network, its optimizer, samples, labels, and how many samples a step takes."""
    if name in LAYERED:
        model, optimizer, _ = networks.parts_of(name)
        return model, optimizer, *networks.data(name), networks.BATCHES[name]
    network = MODELS[name]
    (images, labels), _ = tn.datasets.mnist(source="sample")
    if network.data[0] == "colour":
        rng = np.random.default_rng(0)
        images, labels = rng.integers(1, 256, (1000, *DATA["colour"]), np.uint8), rng.permutation(labels)[:1000]
    return (
        build(name),
        tn.SGD(LEARNING_RATE),
        images.reshape(len(images), *DATA[network.data[0]]),
        labels,
        network.train_batches[0],
    )


def title(name: str) -> str:
    """Return what a network is, in words."""
    return LAYERED.get(name) or MODELS[name].title


def measure(name: str, repeats: int) -> StepProfile:
    """Train a network for a while, and time the calls of a step."""
    model, optimizer, x, y, batch = example(name)
    return profile_fit(model, x, y, batch, optimizer=optimizer, repeats=repeats, clock=time.thread_time)


@functools.cache
def _copy_seconds(size: int) -> float:
    """Return what a copy takes that reads and writes so many bytes together."""
    source, to = np.ones(size // 2, np.uint8), np.empty(size // 2, np.uint8)
    times = max(1, 2**22 // size)  # copies of a few bytes are timed by many

    def once() -> float:
        started = time.thread_time()
        for _ in range(times):
            np.copyto(to, source)
        return (time.thread_time() - started) / times

    return statistics.median(once() for _ in range(_COPIES))


def copy_seconds(size: int) -> float:
    """Return what a copy takes that reads and writes so many bytes, by the rate of the next power of two."""
    whole = 1 << max(16, (max(size, 1) - 1).bit_length())  # below, NumPy's call takes longer than the copy
    return _copy_seconds(whole) * size / whole


def limit(row: Row, peak: float) -> float:
    """Return the least seconds that a call could take: at the peak of products, or at the speed of a copy."""
    return max(row.cost.flops / peak, copy_seconds(row.moved))


def merged(rows: Iterable[Row], peak: float) -> list[Calls]:
    """Put equal calls together, those that take longest first."""
    found: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        shape = "x".join(map(str, row.outputs[0].shape)) or "1"
        found.setdefault((row.phase, row.name, row.cost.how, shape), []).append(row)
    calls = [
        Calls(
            *key,
            len(same),
            sum(row.seconds or 0 for row in same),
            sum(limit(row, peak) for row in same),
            sum(row.cost.flops for row in same),
            sum(row.moved for row in same),
        )
        for key, same in found.items()
    ]
    return sorted(calls, key=lambda one: -one.seconds)


def table(calls: list[Calls], peak: float, least: float = 0.0) -> list[str]:
    """Write calls as a Markdown table; those that take less than a share of the time in one row."""
    total = sum(one.seconds for one in calls)
    shown = [one for one in calls if one.seconds >= least * total]
    rest = calls[len(shown) :]
    lines = [
        "| call | us | share | of peak | limit, us | MFLOP | moved, kB | part | output |",
        "|---|---:|---:|---:|---:|---:|---:|---|---|",
    ]
    for one in shown:
        times = f"{one.count} times " if one.count > 1 else ""
        what = f"{times}`{one.name}` ({one.how})" if one.how else f"{times}`{one.name}`"
        lines.append(f"| {what} | {_figures([one], total, peak)} | {one.part} | {one.output} |")
    if rest:
        lines.append(f"| {sum(one.count for one in rest)} others | {_figures(rest, total, peak)} | | |")
    lines.append(f"| all {sum(one.count for one in calls)} | {_figures(calls, total, peak)} | | |")
    return lines


def _figures(calls: list[Calls], total: float, peak: float) -> str:
    seconds, flops = sum(one.seconds for one in calls), sum(one.flops for one in calls)
    limits, moved = sum(one.limit for one in calls), sum(one.moved for one in calls)
    of_peak = f"{flops / peak / seconds:.0%}" if flops > 0.005 * peak * seconds else ""
    return (
        f"{1e6 * seconds:,.1f} | {seconds / total:.0%} | {of_peak} | {1e6 * limits:,.1f} | {flops / 1e6:,.2f} | "
        f"{moved / 1e3:,.0f}"
    )


def summary(name: str, found: StepProfile, calls: list[Calls], peak: float) -> str:
    """Write the row of a network in the table of all."""
    whole, within = statistics.median(found.seconds), sum(one.seconds for one in calls)
    flops, limits = sum(one.flops for one in calls), sum(one.limit for one in calls)
    return (
        f"| {title(name)} | {found.batch_size} | {sum(one.count for one in calls)} | {1e6 * whole:,.0f} | "
        f"{1e6 * within:,.0f} | {flops / 1e6:,.1f} | {1e6 * flops / peak:,.0f} | {1e6 * limits:,.0f} | "
        f"{within / limits:.1f} |"
    )


def machine(peak: float, show: Callable[[str], object]) -> None:
    """Say what the limits are made of."""
    rates = ", ".join(
        f"{size >> 10:,} kB {size / _copy_seconds(size) / 1e9:.0f}" for size in (2**17, 2**20, 2**23, 2**26)
    )
    show(f"Peak of matrix products, one thread: {peak / 1e9:.0f} GFLOP/s. Copies that move so much, GB/s: {rates}.\n")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.time_spent", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--only", nargs="*", default=NAMES, choices=NAMES, metavar="NAME")
    parser.add_argument("--repeats", type=int, default=50, help="replays to take the median of (default: %(default)s)")
    parser.add_argument("--least", type=float, default=0.02, metavar="SHARE",
        help="calls below this share of the time are in one row (default: %(default)s)")  # fmt: skip
    arguments = parser.parse_args()
    tn.set_num_threads(1, fixed=True)
    with threadpool_limits(1):
        peak = sgemm_peak()
        machine(peak, print)
        rows = [
            "| network | batch | calls | step, us | its calls, us | MFLOP | at peak, us | limit, us | calls / limit |",
            "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
        ]
        for name in arguments.only:
            found = measure(name, arguments.repeats)
            calls = merged(found.plan.rows(), peak)
            rows.append(summary(name, found, calls, peak))
            print(
                f"## {title(name)}, batch {found.batch_size}\n",
                *table(calls, peak, arguments.least),
                "",
                sep="\n",
                flush=True,
            )
    print("## All\n", *rows, sep="\n")


if __name__ == "__main__":
    main()
