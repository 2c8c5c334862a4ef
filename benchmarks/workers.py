"""Steps of the reference CNN by one and by two processes, beside two threads, and a simulation of many processes.

``python -m benchmarks.workers`` measures in turns, and prints a table for the page on several processes. A second table
is computed from the processor time of a micro-batch and of an update, for a network whose latency and bandwidth are
stated. It starts itself with ``mpiexec``, as ``python -m benchmarks.workers --step BATCH``.
``python -m benchmarks.workers --line-search`` measures steps of logistic regression by line search on 60,000 images;
``python -m benchmarks.workers --exchange``, exchanges of the gradient of the CNN, in shared memory and by messages.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import tinynet as tn
from tinynet.recipes import RECIPES, logistic_model, logistic_optimizer

BATCHES = (512, 2048, 8192)
MICRO_BATCHES = 8
NETWORKS = {"10 Gb/s, 30 us": (10e9 / 8, 30e-6), "100 Gb/s, 2 us": (100e9 / 8, 2e-6)}  # bytes a second, seconds


class Clock:
    """Notes when each step ends, and the processor time and the bytes that were sent so far."""

    def __init__(self, world):
        self.world, self.ends = world, []

    def on_batch_end(self, run):
        """Note it."""
        self.ends.append((time.perf_counter(), time.process_time(), self.world.sent))

    @property
    def steps(self):
        """Seconds, processor seconds and bytes of a step, in the middle; the first steps load kernels."""
        return np.median(np.diff(np.array(self.ends), axis=0)[1:], axis=0).tolist()


def measured(batch, micro_batches=MICRO_BATCHES):
    """Train for some steps; returns their seconds, processor seconds and bytes sent, in the middle."""
    world, steps = tn.distributed.world(), 8
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (batch, 28, 28, 1)).astype(np.uint8)
    y = np.arange(batch) % 10
    model, clock = RECIPES["cnn"].model(seed=0), Clock(world)
    model.fit(x, y, steps, batch, verbose=0, seed=0, micro_batches=micro_batches, world=world, callbacks=[clock])
    return clock.steps


def measured_line_search(parts):
    """Search along lines for some steps, on the sample of MNIST 15 times over; returns what `measured` returns."""
    world, steps = tn.distributed.world(), 33
    clock = Clock(world)
    (x, y), _ = tn.datasets.mnist(source="sample")
    x, y = np.tile(x, (15, 1, 1)), np.tile(y == 5, 15)
    logistic_model(x).fit(
        x,
        y,
        steps,
        None,
        logistic_optimizer(),
        "binary_cross_entropy",
        seed=0,
        verbose=0,
        micro_batches=parts,
        world=world,
        callbacks=[clock],
    )
    return clock.steps


def measured_exchanges(count):
    """Exchange vectors as long as the gradient, in turns; returns the seconds and processor seconds of each way."""
    world, found = tn.distributed.world(), {"memory": [], "messages": []}
    host, vector = world.host, np.ones(RECIPES["cnn"].model(seed=0).theta.size, np.float32)
    for _ in range(5):
        for way, its in found.items():
            world.host = host if way == "memory" else None
            world.share(0)
            before = time.perf_counter(), time.process_time()
            for _ in range(count):
                world.gather("exchange", {}, lambda left, right: left, [vector.copy()])
            its.append(np.subtract((time.perf_counter(), time.process_time()), before) / count)
    world.host = host
    return {way: np.median(its, axis=0).tolist() for way, its in found.items()}


def start(workers, threads, number, what="--step"):
    """Measure in processes of their own; returns what process 0 finds."""
    command = [sys.executable, "-m", "benchmarks.workers", what, str(number)]
    if workers > 1:
        command = [str(Path(sys.executable).parent / "mpiexec"), "-n", str(workers), *command]
    environment = {**os.environ, "NUMBA_NUM_THREADS": str(threads)}
    return json.loads(subprocess.check_output(command, env=environment, text=True))


def compared(rounds):
    """Print the steps a second of each kind, in turns."""
    kinds = {"1 process, 1 thread": (1, 1), "2 processes of 1 thread": (2, 1), "1 process, 2 threads": (1, 2)}
    found = {(batch, kind): [] for batch in BATCHES for kind in kinds}
    for _ in range(rounds):
        for batch, kind in found:
            found[batch, kind].append(start(*kinds[kind], batch))
    print(
        "| batch | processor ms a step: " + " | ".join(f"{kind}" for kind in kinds) + " | steps/s of each | kB sent |"
    )
    print("|---:|" + "---:|" * (len(kinds) + 2))
    for batch in BATCHES:
        rows = [found[batch, kind] for kind in kinds]
        processor = [statistics.median(seconds for _, seconds, _ in row) for row in rows]
        speeds = [statistics.median(1 / seconds for seconds, _, _ in row) for row in rows]
        shown = [*(f"{1000 * p:.0f}" for p in processor), ", ".join(f"{s:.2f}" for s in speeds)]
        print(f"| {batch:,} | {' | '.join(shown)} | {rows[1][0][2] / 1000:.0f} |", flush=True)


def compared_line_searches(rounds):
    """Print the processor time of a step by line search, in turns."""
    kinds = {"1 process": (1, 1), "1 process, 8 parts": (1, 8), "each of 2 processes, 8 parts": (2, 8)}
    found = {kind: [] for kind in kinds}
    for _ in range(rounds):
        for kind, (workers, parts) in kinds.items():
            found[kind].append(start(workers, 1, parts, "--line-search-step"))
    for kind, rows in found.items():
        processor, sent = (statistics.median(row[i] for row in rows) for i in (1, 2))
        print(f"{kind}: {1000 * processor:.1f} ms of processor time a step, {sent / 1000:.1f} kB sent")


def compared_exchanges(rounds):
    """Print how long an exchange takes."""
    for workers in (2, 4, 8):
        found = [start(workers, 1, 50, "--exchanges") for _ in range(rounds)]
        for way in ("memory", "messages"):
            seconds, processor = np.median([its[way] for its in found], axis=0)
            print(
                f"{workers} processes, by {way}: {1000 * seconds:.2f} ms, {1000 * processor:.2f} ms of processor time"
            )


def simulated(batch, workers, sample, update, vector, network):
    """Return the seconds of a step: the slowest part, an exchange up and down the tree, additions, and the update."""
    bandwidth, latency = network
    levels = workers.bit_length() - 1
    messages = 2 * levels * (latency + vector / bandwidth)
    return batch / workers * sample + messages + levels * vector / 10e9 + update


def simulation():
    """Measure the processor time of a sample and of the rest of a step, and print the speed-up."""
    (_, small, _), (_, large, _) = start(1, 1, 512), start(1, 1, 8192)
    sample = (large - small) / (8192 - 512)
    update = max(small - 512 * sample, 1e-4)
    print(f"\nA sample takes {1e6 * sample:.0f} us of a core, the rest of a step {1e3 * update:.2f} ms.")
    tables(sample, update)


def tables(sample, update):
    """Print the speed-up of 1 to 1,024 processes, from the seconds of a sample and of the rest of a step."""
    vector = 4 * RECIPES["cnn"].model(seed=0).theta.size
    for name, network in NETWORKS.items():
        print(f"\n{name}\n\n| batch | " + " | ".join(f"{1 << k}" for k in range(11)) + " |")
        print("|---:|" + "---:|" * 11)
        for batch in (512, 8192, 65536):
            alone = simulated(batch, 1, sample, update, vector, network)
            fits = [1 << k for k in range(11) if batch >> k]
            gains = [alone / simulated(batch, n, sample, update, vector, network) for n in fits]
            print(f"| {batch:,} | " + " | ".join([f"{gain:.1f}" for gain in gains] + [""] * (11 - len(gains))) + " |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--step", type=int)
    parser.add_argument("--line-search", action="store_true")
    parser.add_argument("--line-search-step", type=int)
    parser.add_argument("--exchange", action="store_true")
    parser.add_argument("--exchanges", type=int)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    inner = {measured: given.step, measured_line_search: given.line_search_step, measured_exchanges: given.exchanges}
    for measure, number in inner.items():
        if number:
            result = measure(number)
            if tn.distributed.world().rank == 0:
                print(json.dumps(result))
    if any(inner.values()):
        sys.exit()
    if given.exchange:
        compared_exchanges(given.rounds)
    elif given.line_search:
        compared_line_searches(given.rounds)
    else:
        compared(given.rounds)
        simulation()
