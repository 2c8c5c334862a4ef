"""What is measured: training steps, inference, convolutions, growth with the batch, start-up, memory."""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks.contenders import ENTRIES, environment
from benchmarks.measure import APART, BASELINE, compare
from benchmarks.processes import IdleWatch, Process, WorkerError
from benchmarks.workload import BATCH, CONVS, MODELS

Result = dict[str, Any]
_SCALED = ("tinynet", "torch")
_CNN = {"kind": "train", "model": "cnn", "data": "digits", "batch": BATCH}
_MEMORY_STEPS = 300


@dataclass
class Session:
    """What a run has: its settings, the contenders' processes, and the results so far."""

    inputs: Path
    logs: Path
    names: list[str]
    pythons: dict[str, str]
    threads: int
    rounds: int
    seconds: float
    quick: bool
    clock: str = "seconds"  # or "cpu"
    watch: IdleWatch = field(default_factory=IdleWatch)
    processes: dict[tuple[str, int], Process] = field(default_factory=dict)
    results: dict[str, Result] = field(default_factory=dict)

    def start(self, name: str, threads: int | None = None, extra: dict[str, str] | None = None) -> Process:
        """Start a process."""
        log = self.logs / f"{name}.log"
        return Process(name, self.inputs, threads or self.threads, log, self.python(name), extra, self.clock)

    def python(self, name: str) -> str:
        """Return the interpreter of a contender."""
        return self.pythons.get(name, sys.executable)

    def process(self, name: str, threads: int) -> Process:
        """Return the process of a contender that is kept for all comparisons with that many threads."""
        known = self.processes.get((name, threads))
        if known is None or not known.alive():
            self.processes[name, threads] = self.start(name, threads)
        return self.processes[name, threads]

    def compared(self, task: dict[str, Any], names: list[str] | None = None, threads: int | None = None,
                 modes: dict[str, list[str]] | None = None) -> Result:  # fmt: skip
        """Measure a task with some contenders, or all."""
        chosen = [name for name in self.names if name in (names or self.names)]
        processes = {name: self.process(name, threads or self.threads) for name in chosen}
        return compare(processes, task, self.rounds, self.seconds, self.watch, modes)

    def leading(self, name: str, count: int) -> list[str] | None:
        """Return the best modes of training the CNN, if they are known yet."""
        found = self.results.get(f"step/cnn/digits/{BATCH}", {}).get("contenders", {}).get(name)
        if not found:
            return None
        medians = {mode: statistics.median(t) for mode, t in found["seconds"].items() if t and mode not in APART}
        return sorted(medians, key=lambda mode: medians[mode])[:count] or None

    def close(self) -> None:
        """End all processes."""
        for process in self.processes.values():
            process.stop()
        self.processes.clear()


Measurement = tuple[str, Callable[[Session], Result]]


def measurements(quick: bool) -> Iterator[Measurement]:
    """Return all that can be measured, by name."""
    for model, network in MODELS.items():
        for data, batch in product(network.data, network.train_batches):
            task = {"kind": "train", "model": model, "data": data, "batch": batch}
            yield f"step/{model}/{data}/{batch}", lambda s, task=task: {"contenders": s.compared(task)}
    for model, network in MODELS.items():
        for batch in network.predict_batches:
            task = {"kind": "predict", "model": model, "batch": batch}
            yield f"inference/{model}/{batch}", lambda s, task=task: {"contenders": s.compared(task)}
    for case in list(CONVS)[: 2 if quick else None]:
        task = {"kind": "convolve", "case": case}
        yield (
            f"conv/{case}",
            lambda s, task=task: {"contenders": s.compared(task)} | {"flops": CONVS[task["case"]].flops},
        )
    for batch in (1, 32, 256) if quick else (1, 4, 16, 32, 64, 128, 256, 512, 1024):
        for threads in (1, 2):
            yield f"scaling/cnn/{batch}/{threads}", _Scaled(_CNN | {"batch": batch}, threads)
    yield "memory/cnn", memory
    yield "startup/import", imports
    yield "startup/first", first_steps


@dataclass
class _Scaled:
    """A training step with another size of batch or number of threads; only the better modes of a peer are tried."""

    task: dict[str, Any]
    threads: int

    def __call__(self, session: Session) -> Result:
        modes = {name: session.leading(name, 2) for name in _SCALED if name != BASELINE}
        known = {name: found for name, found in modes.items() if found}
        return {"contenders": session.compared(self.task, list(_SCALED), self.threads, known)}


def memory(session: Session) -> Result:
    """Measure the peak of memory of processes that train the CNN, each in its best mode."""
    found: Result = {}
    for name in session.names:
        mode = (session.leading(name, 1) or [None])[0]
        with session.start(name) as process:
            try:
                process.ask("hello")
                imported = process.ask("memory")["bytes"]
                process.ask("first", task=_CNN, mode=mode, steps=_MEMORY_STEPS)
                found[name] = {"mode": mode, "imported": imported, "bytes": process.ask("memory")["bytes"]}
            except WorkerError as error:
                found[name] = {"error": str(error)}
    return {"processes": found, "steps": _MEMORY_STEPS}


def imports(session: Session) -> Result:
    """Time ``import`` of each package in fresh processes, numba and numpy among them for comparison."""
    chosen = {"numpy": BASELINE, "numba": BASELINE} | {ENTRIES[name].module: name for name in session.names}
    seconds: dict[str, list[float]] = {module: [] for module in chosen}
    for number in range(-1, session.rounds):  # the first brings the files into memory
        for module, name in chosen.items():
            code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
            done = subprocess.run(
                [session.python(name), "-c", code],
                env=environment(name, session.threads),
                capture_output=True,
                text=True,
                check=False,
            )
            if number >= 0 and not done.returncode:
                seconds[module].append(float(done.stdout.split()[-1]))
    return {"seconds": {module: found for module, found in seconds.items() if found}}


def first_steps(session: Session) -> Result:
    """Time from the start of a process to the end of the first step of training the CNN."""
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as empty:
        caches = (
            None
            if session.quick
            else {"NUMBA_CACHE_DIR": f"{empty}/numba", "TORCHINDUCTOR_CACHE_DIR": f"{empty}/inductor"}
        )
        starts = [(name, None, name) for name in session.names if name not in ("sklearn", "onnxruntime", "openvino")]
        if "torch" in session.names:
            starts.insert(1, ("torch", "compiled", "torch, compiled"))
        for number in range(min(session.rounds, 5)):
            for name, mode, title in starts:
                cold = caches is not None and number == 0 and title in (BASELINE, "torch, compiled")
                key = f"{title}, empty cache" if cold else title
                started = time.perf_counter()
                with session.start(name, extra=caches) as process:
                    try:
                        process.ask("first", task=_CNN, mode=mode, steps=1)
                        found.setdefault(key, []).append(time.perf_counter() - started)
                    except WorkerError as error:
                        print(f"  {title}: {error}")
    return {"seconds": found}
