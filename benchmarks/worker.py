"""The process of one contender: takes commands on its standard input, and answers, line by line, in JSON.

Started by `benchmarks.processes` as ``python -m benchmarks.worker NAME INPUTS THREADS``. Frameworks print what they
please; so the answers go to a copy of the standard output, and what is printed goes to the standard error.
"""

import json
import os
import sys
import time
import traceback
from pathlib import Path
from typing import IO, Any

import numpy as np

from benchmarks.contenders import load
from benchmarks.contenders.base import Contender, Runner
from benchmarks.workload import BATCH, Inputs, draw_batches

_WARM_UP = 10  # steps, at most, before the clock starts: other processes have had the caches meanwhile


class Worker:
    """A contender and its runners for the task at hand."""

    def __init__(self, contender: Contender) -> None:
        self.contender = contender
        self.runners: dict[str, Runner] = {}
        self.batch, self.samples = BATCH, len(contender.inputs.labels("digits"))

    def hello(self) -> dict[str, Any]:
        """Say which versions these are."""
        return {"versions": self.contender.versions(), "python": sys.version.split()[0]}

    def open(self, task: dict[str, Any], modes: list[str] | None, results: str) -> dict[str, Any]:
        """Make the runners of a task, and write what they must have in common with all others into files.

        Gives the file of each mode, and the errors of those that do not work.
        """
        self.close()
        self.batch = task.get("batch", BATCH)
        files, errors = {}, {}
        for mode, make in self.contender.modes(**task).items():
            if modes is not None and mode not in modes:
                continue
            try:
                runner = make()
                path = Path(results) / f"{len(files)}.npz"
                np.savez(path, **runner.check())
            except Exception as error:
                traceback.print_exc()
                errors[mode] = f"{type(error).__name__}: {error}".splitlines()[0]
                continue
            self.runners[mode], files[mode] = runner, str(path)
        return {"files": files, "errors": errors}

    def first(self, task: dict[str, Any], mode: str | None, steps: int) -> dict[str, Any]:
        """Make the first steps, unprepared; in the first mode if none is given."""
        makers = self.contender.modes(**task)
        runner = makers[mode or next(iter(makers))]()
        runner.run(draw_batches(self.samples, steps, task.get("batch", BATCH), seed=0))
        return {}

    def run(self, mode: str, steps: int, seed: int) -> dict[str, Any]:
        """Make some steps; returns the seconds that they took, of time and of the processor."""
        runner = self.runners[mode]
        indices = draw_batches(self.samples, steps, self.batch, seed)
        if not runner.own_clock:
            runner.run(draw_batches(self.samples, min(steps, _WARM_UP), self.batch, seed=1))
        runner.reset()
        started, used = time.perf_counter(), time.process_time()
        timed = runner.run(indices)
        seconds, cpu = time.perf_counter() - started, time.process_time() - used
        if runner.own_clock:
            steps, seconds = timed
            cpu = seconds
        return {"steps": steps, "seconds": seconds, "cpu": cpu}

    def memory(self) -> dict[str, Any]:
        """Return the most memory that the process ever had, in bytes."""
        return {"bytes": peak_memory()}

    def close(self) -> dict[str, Any]:
        """Forget the task."""
        self.runners.clear()
        self.contender.forget()
        return {}


def peak_memory() -> int:
    """Return the peak of resident memory in bytes.

    Linux hands ru_maxrss of the parent down to a child, so what the kernel notes for this program alone is taken.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        import resource

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024


def serve(requests: IO[str], answers: IO[str], name: str, inputs: str, threads: int) -> None:
    """Answer requests until there are no more."""

    def answer(content: dict[str, Any]) -> None:
        answers.write(json.dumps(content) + "\n")
        answers.flush()

    worker = None
    for line in requests:
        request = json.loads(line)
        try:
            if worker is None:  # with the first request, so that an import that fails has its answer too
                worker = Worker(load(name)(Inputs(inputs), threads))
            answer(getattr(worker, request.pop("do"))(**request))
        except ImportError as error:
            answer({"missing": str(error)})
        except Exception as error:
            traceback.print_exc()
            answer({"error": f"{type(error).__name__}: {error}"})


if __name__ == "__main__":
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    serve(sys.stdin, out, sys.argv[1], sys.argv[2], int(sys.argv[3]))
