"""A ledger of the fusions: what each costs in statements, and what it gains in training and prediction that have it.

Run ``python -m benchmarks.fusions`` in the root of the repository, on a machine that does nothing else. Each step is
planned twice, with all fusions and with all but one, and the two are timed in turns, moments apart. It prints a table
and writes docs/benchmarks/fusions.md.
"""

import argparse
import ast
import inspect
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

import tinynet as tn
from benchmarks.compare import machine
from benchmarks.contenders.tinynet_ import build
from benchmarks.workload import DATA, MODELS
from tests.count_lines import count
from tinynet.fast import fuse, fusions
from tinynet.fast.bindings import updates as updates_binding
from tinynet.fast.kernels import conv_pool, fused, matvec, winograd
from tinynet.fast.match import Fusion
from tinynet.fast.threads import kernel_gate
from tinynet.recipes import RECIPES, logistic_model, logistic_optimizer
from tinynet.train.step import make_step
from tinynet.train.task import find_task

OUT = Path(__file__).parents[1] / "docs" / "benchmarks" / "fusions.md"
BATCH = 32
_BLOCK = 0.05  # seconds, about, of a block of steps: after shorter ones of another plan, caches are cold
_DRAWS = 2000  # of the bootstrap
_KERNELS = (conv_pool, fused, matvec, winograd)  # files of kernels that serve fusions alone

# What binds the kernels of a fusion, where its own file does not.
_BOUND_BY: dict[ModuleType, Any] = {fusions.in_place: updates_binding, fusions.descend: updates_binding.bind_descent}

FILES: dict[str, ModuleType] = {
    name: module for name, module in vars(fusions).items() if isinstance(getattr(module, "FUSION", None), Fusion)
}


class Planned(NamedTuple):
    """A step of training that is planned."""

    calls: list[str]  # the names of its ops
    run: Callable[[int], None]  # make so many steps


class Gain(NamedTuple):
    """How many times as long a step takes without a fusion."""

    ratio: float
    low: float
    high: float
    calls: tuple[int, int]  # with it and without


@contextmanager
def using(chosen: Sequence[Fusion]) -> Iterator[None]:
    """Fuse by some fusions alone."""
    before, fuse.FUSIONS = fuse.FUSIONS, tuple(chosen)
    try:
        yield
    finally:
        fuse.FUSIONS = before


# --- the workloads


def _trained(recipe: str, optimizer: tn.Optimizer) -> Planned:
    """Plan the step of `fit` of a reference model."""
    (images, labels), _ = tn.datasets.mnist(source="sample")
    model, task = RECIPES[recipe].model(seed=0), find_task(RECIPES[recipe].loss, None)
    step = make_step(optimizer, model, task, images, labels, mode=tn.train_mode(seed=0), compiled=True)
    batches = np.random.default_rng(0).integers(0, len(images), (64, BATCH))
    step(batches[0])

    def run(steps: int) -> None:
        with kernel_gate():
            for i in range(steps):
                step(batches[i % len(batches)])

    return Planned([call.name for call in step.compiled.plans[0].calls], run)


def _searched() -> Planned:
    """Plan the steps of the logistic regression with a line search, which are begun anew each time."""
    (images, labels), _ = tn.datasets.mnist(source="sample")
    objective = tn.Objective(logistic_model(images), images, labels == 5, "binary_cross_entropy")
    optimizer = logistic_optimizer()

    def run(steps: int) -> None:
        w = np.zeros(784)
        for _ in range(steps):
            optimizer.step(objective, w)

    run(3)
    return Planned([call.name for plan in objective._plans.values() for call in plan.calls], run)


def _read(network: str) -> Planned:
    """Plan what a frozen predictor of a network of the comparison does with a batch."""
    predictor = tn.compile(build(network), freeze=True)
    images = np.random.default_rng(0).integers(1, 256, (BATCH, *DATA[MODELS[network].data[0]]), np.uint8)
    plan = predictor.plan(images)

    def run(steps: int) -> None:
        for _ in range(steps):
            predictor(images)

    run(1)
    return Planned([call.name for call in plan.calls], run)


WORKLOADS: dict[str, Callable[[], Planned]] = {
    "CNN step": lambda: _trained("cnn", tn.SGD(0.01)),
    "dense step": lambda: _trained("dense", tn.SGD(0.01)),
    "softmax step": lambda: _trained("softmax", tn.SGD(0.01)),
    "dense step, Adam": lambda: _trained("dense", tn.Adam()),
    "dense step, RMSprop": lambda: _trained("dense", tn.RMSprop()),
    "line-search step": _searched,
    "strided convolutions read": lambda: _read("strided"),
    "wide network reads": lambda: _read("mlp"),
}


# --- what a fusion gains


def gain(workload: Callable[[], Planned], left_out: Fusion, rounds: int) -> Gain | None:
    """Time a step with all fusions and with all but one; None where that makes no difference to the calls."""
    with using(fusions.FUSIONS):
        whole = workload()
    with using([f for f in fusions.FUSIONS if f is not left_out]):
        without = workload()
    if whole.calls == without.calls:
        return None
    steps = max(1, round(_BLOCK / _seconds(whole, 3)))
    pairs = np.empty((rounds, 2))
    for number in range(-1, rounds):  # the first is for practice
        order = (0, 1) if number % 2 else (1, 0)
        for which in order:
            pairs[number, which] = _seconds((whole, without)[which], steps)
    low, high = np.quantile(_bootstrap(pairs), (0.05, 0.95))
    return Gain(_ratio(pairs), float(low), float(high), (len(whole.calls), len(without.calls)))


def _seconds(planned: Planned, steps: int) -> float:
    """Time steps; returns the seconds of one: processor time on one thread, where other programs matter little."""
    clock = time.process_time if tn.get_num_threads() == 1 else time.perf_counter
    started = clock()
    planned.run(steps)
    return (clock() - started) / steps


def _ratio(pairs: np.ndarray) -> float:
    whole, without = np.median(pairs, axis=0)
    return float(without / whole)


def _bootstrap(pairs: np.ndarray) -> list[float]:
    """Draw the pairs again and again, each time as many as there are, and return the ratio of each drawing."""
    rng = np.random.default_rng(0)
    return [_ratio(pairs[rng.integers(0, len(pairs), len(pairs))]) for _ in range(_DRAWS)]


# --- what it costs


def statements(module: ModuleType) -> tuple[int, int]:
    """Count the statements of the file of a fusion, and those of the kernels that it alone, or with others, enters."""
    source, rooms = inspect.getsource(module), [module]
    entering = source
    if module in _BOUND_BY:
        entering += inspect.getsource(_BOUND_BY[module])
        rooms.append(updates_binding)
    return count(source), sum(_of_kernels(file, entering, rooms) for file in _KERNELS)


def _of_kernels(file: ModuleType, entering: str, rooms: Sequence[ModuleType]) -> int:
    """Count the statements of what a text uses of a file of kernels, with all that this needs in the file."""
    names = {name for room in rooms for name, value in vars(room).items() if value is file}
    attributes = [n for n in ast.walk(ast.parse(entering)) if isinstance(n, ast.Attribute)]
    wanted = {n.attr for n in attributes if isinstance(n.value, ast.Name) and n.value.id in names}
    source = inspect.getsource(file)
    defined = {n.name: n for n in ast.parse(source).body if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    found: set[str] = set()
    while wanted:
        name = wanted.pop()
        if name in defined and name not in found:
            found.add(name)
            wanted |= {n.id for n in ast.walk(defined[name]) if isinstance(n, ast.Name)}
    return sum(count(ast.unparse(defined[name])) for name in found)


# --- the ledger


def ledger(rounds: int, only: Sequence[str]) -> list[str]:
    """Measure, and return the rows of a table."""
    rows = [
        "| fusion | statements | of kernels | workload | calls, with and without | time without it, 90 % interval |",
        "|---|---:|---:|---|---|---|",
    ]
    for name, module in FILES.items():
        if only and name not in only:
            continue
        own, kernels = statements(module)
        for title, workload in WORKLOADS.items():
            found = gain(workload, module.FUSION, rounds)
            if found is not None:
                took = f"{found.ratio:.3f} ({found.low:.3f} to {found.high:.3f})"
                calls = f"{found.calls[0]}, {found.calls[1]}"
                rows.append(f"| {name} | {own} | {kernels} | {title} | {calls} | {took} |")
                print(rows[-1], flush=True)
    return rows


def page(rows: Sequence[str], rounds: int, threads: int) -> str:
    """Write the ledger as a page."""
    facts = machine()
    how = "in time of the processor, on one thread" if threads == 1 else f"on {threads} threads"
    where = f"{facts['CPU']}, {facts['cores']} cores, {facts['system']}, Python {facts['Python']}"
    return f"""# What each fusion costs and gains

Written by `python -m benchmarks.fusions`. A step, or a prediction, is planned with
all fusions, and with all but one; the two are timed in turns,
{rounds} times each, {how}. The last column
is the median time without the fusion over the median time with all of them: 1.10 is a
tenth slower without it. Its interval is that of a bootstrap over the pairs. What a fusion does not change has no row.

Statements are those of the file of the fusion, and those of the kernels that it enters in files that serve fusions
alone; some of these serve several.

Measured on: {where}.

{chr(10).join(rows)}
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fusions", description=__doc__)
    parser.add_argument("--rounds", type=int, default=40, help="pairs of blocks (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="of the kernels (default: %(default)s)")
    parser.add_argument("--only", nargs="*", default=[], choices=[*FILES], metavar="FUSION", help="some fusions only")
    parser.add_argument("--out", type=Path, default=OUT, help="default: docs/benchmarks/fusions.md")
    arguments = parser.parse_args()
    tn.set_num_threads(arguments.threads)
    rows = ledger(arguments.rounds, arguments.only)
    arguments.out.write_text(page(rows, arguments.rounds, arguments.threads), "utf-8")
    print(f"wrote {arguments.out}")


if __name__ == "__main__":
    main()
