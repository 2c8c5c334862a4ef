"""Measure training steps on a quiet machine and beside busy programs, with fixed numbers of threads and by default.

Run ``python -m benchmarks.busy`` in the root of the repository. By default, tinynet uses as many threads as other
programs leave cores free. A block of steps is made with each number of threads in turn, so that disturbances hit all
alike. What is quiet is measured: a block is repeated as long as other programs use more than a tenth of a core.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any, Self

from tinynet.fast.cores import FreeCores

SETTLE = 0.5  # seconds at the start of a block that do not count: the default needs up to 0.2 s to see a change
QUIET = 0.1  # cores that others may use on a quiet machine
PATIENCE = 600  # blocks that may be repeated to find the machine quiet


class Steps:
    """The callback that counts and times steps, and stops training."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.count = seconds, 0
        self.from_time = self.to_time = 0.0

    def on_batch_end(self, run: Any) -> None:
        """Note the time."""
        now = time.perf_counter()
        if not self.to_time:
            self.from_time = now + SETTLE
        elif not self.count:
            if now >= self.from_time:
                self.first, self.count = FreeCores().read(), 1
        else:
            self.count += 1
            if now >= self.from_time + self.seconds:
                self.last = FreeCores().read()
                run.stop("measured")
        self.to_time = now

    def answer(self) -> dict[str, float]:
        """Return the seconds of a step, and how many cores other programs used."""
        first, last = self.first, self.last
        if first is None or last is None:
            raise SystemExit("this system does not tell how busy its cores are; the benchmark needs Linux")
        wall = last.wall - first.wall
        ours, idle = last.own - first.own, last.idle - first.idle
        return {"seconds": wall / (self.count - 1), "others": len(first.cores) - (ours + idle) / wall}


def serve(name: str) -> None:
    """Answer each line on the standard input, a number of threads (0: the default) and seconds, with a measurement."""
    import tinynet as tn
    from tinynet.recipes import RECIPES

    recipe = RECIPES[name]
    (images, labels), _ = tn.datasets.mnist(source="sample")
    model, most = recipe.model(seed=0), tn.get_num_threads()
    for line in sys.stdin:
        threads, seconds = line.split()
        tn.set_num_threads(int(threads) or most, fixed=threads != "0")
        steps = Steps(float(seconds))
        model.fit(
            images, labels, epochs=10**6, batch_size=recipe.batch_size, optimizer=tn.SGD(1e-6), seed=0, verbose=0,
            callbacks=[steps],
        )  # fmt: skip
        print(json.dumps(steps.answer()), flush=True)


class Worker:
    """A model in a process of its own."""

    def __init__(self, name: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.busy", "--worker", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, threads: int, seconds: float) -> dict[str, float]:
        """Have a block of steps made."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{threads} {seconds}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("a worker died; its error stands above")
        return json.loads(line)

    def stop(self) -> None:
        """End the process."""
        self.process.communicate()


class BusyPrograms:
    """A context in which some other programs compute."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __enter__(self) -> Self:
        command = [sys.executable, "-c", "while True: pass"]
        self.processes = [subprocess.Popen(command) for _ in range(self.count)]
        return self

    def __exit__(self, *exception: object) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


@dataclass
class Row:
    """The blocks of one model beside some programs."""

    name: str
    programs: int
    seconds: dict[int, list[float]]  # of a step, for each number of threads

    def __str__(self) -> str:
        middle = {threads: statistics.median(times) for threads, times in self.seconds.items()}
        best = min(time for threads, time in middle.items() if threads)
        beside = f"beside {self.programs} busy" if self.programs else "quiet"
        cells = "".join(f"{1e3 * time:12.3f}" for time in middle.values())
        return f"{self.name:<8}{beside:<16}{cells}{middle[0] / best:16.2f}"


def measure(row: Row, worker: Worker, seconds: float) -> None:
    """Make one block of steps with each number of threads."""
    for threads, times in row.seconds.items():
        for _ in range(PATIENCE):
            found = worker.ask(threads, seconds)
            if row.programs or found["others"] < QUIET:
                break
        else:
            raise SystemExit("the machine is not quiet: other programs use its cores all the time")
        times.append(found["seconds"])


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.busy", description=__doc__)
    parser.add_argument("--models", nargs="+", default=["dense", "cnn"], help="(default: dense cnn)")
    parser.add_argument("--programs", nargs="+", type=int, default=[0, 2], help="busy beside it (default: 0 2)")
    parser.add_argument("--rounds", type=int, default=7, help="blocks of each kind (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=1.0, help="that count of a block (default: %(default)s)")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.worker:
        serve(arguments.worker)
        return 0
    import tinynet as tn

    most = tn.get_num_threads()
    numbers = [*(2**k for k in range(most.bit_length()) if 2**k < most), most, 0]
    workers = {name: Worker(name) for name in arguments.models}
    for worker in workers.values():
        worker.ask(0, 0.1)  # kernels are compiled
    rows = [Row(n, p, {k: [] for k in numbers}) for n in workers for p in arguments.programs]
    for number in range(arguments.rounds):
        for row in rows:
            with BusyPrograms(row.programs):
                measure(row, workers[row.name], arguments.seconds)
        print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr, flush=True)
    for worker in workers.values():
        worker.stop()
    print("Milliseconds of a training step (median of the blocks), by the number of threads")
    print(f"{'':<24}" + "".join(f"{n or 'default':>12}" for n in numbers) + f"{'default/best':>16}")
    print(*rows, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
