"""The parent's side of the workers: starts them, asks them, and watches that those at rest use no CPU."""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from benchmarks.contenders import environment

ROOT = Path(__file__).parents[1]
_PATIENCE = 900  # seconds for an answer; the first one of some contenders compiles much


class WorkerError(RuntimeError):
    """A worker could not do what it was asked."""


class MissingError(WorkerError):
    """A worker's framework is not installed."""


class Process:
    """The process of one contender.

    Parameters
    ----------
    name : str
        Which contender.
    inputs : path-like
        The file of the arrays that all share.
    threads : int
        How many it may use.
    python : str, optional
        The interpreter; this one by default.
    log : path-like
        Where to what it prints goes.
    extra : dict, optional
        Changes to its environment.
    clock : {"seconds", "cpu"}
        Whether runs are measured in time, or in time of the processor.
    """

    def __init__(
        self,
        name: str,
        inputs: Path,
        threads: int,
        log: Path,
        python: str = sys.executable,
        extra: dict[str, str] | None = None,
        clock: str = "seconds",
    ) -> None:
        self.name, self.threads, self.log, self.clock = name, threads, log, clock
        self.started = time.perf_counter()
        with log.open("a") as errors:
            self._process = subprocess.Popen(
                [python, "-m", "benchmarks.worker", name, str(inputs), str(threads)],
                cwd=ROOT,
                env=environment(name, threads) | (extra or {}),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def ask(self, do: str, **what: Any) -> dict[str, Any]:
        """Send a request, and wait for the answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        deadline = threading.Timer(_PATIENCE, self._process.kill)
        deadline.start()
        try:
            self._process.stdin.write(json.dumps({"do": do, **what}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            deadline.cancel()
        if not line:
            raise WorkerError(f"the process of {self.name} died with status {self._process.wait()}; see {self.log}")
        answer = json.loads(line)
        if "missing" in answer:
            raise MissingError(answer["missing"])
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer

    def open(self, task: dict[str, Any], modes: list[str] | None = None) -> tuple[dict[str, Any], dict[str, str]]:
        """Prepare a task; returns what each mode computed, for comparison, and the errors of those that failed."""
        with tempfile.TemporaryDirectory() as results:
            answer = self.ask("open", task=task, modes=modes, results=results)
            arrays = {}
            for mode, path in answer["files"].items():
                with np.load(path) as file:
                    arrays[mode] = dict(file)
        return arrays, answer["errors"]

    def run(self, mode: str, steps: int, seed: int) -> float:
        """Have some steps made; returns the seconds of one."""
        answer = self.ask("run", mode=mode, steps=steps, seed=seed)
        return answer[self.clock] / answer["steps"]

    def cpu_seconds(self) -> float | None:
        """Return the CPU time that the process has had so far, where the system tells."""
        try:
            fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def alive(self) -> bool:
        """Whether the process is still there."""
        return self._process.poll() is None

    def stop(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
            self._process.wait(timeout=10)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


class IdleWatch:
    """How much CPU the processes at rest use while another one computes."""

    def __init__(self) -> None:
        self.used: dict[str, float] = {}
        self.seconds: dict[str, float] = {}

    def block(self, at_rest: list[Process]) -> "_Block":
        """Watch over a block of work, in a with statement."""
        return _Block(self, at_rest)

    def shares(self) -> dict[str, float]:
        """Return for each contender the share of one core that it used at rest."""
        return {name: used / self.seconds[name] for name, used in self.used.items() if self.seconds[name]}


class _Block:
    def __init__(self, watch: IdleWatch, at_rest: list[Process]) -> None:
        self.watch, self.at_rest = watch, at_rest

    def __enter__(self) -> None:
        self.before = [process.cpu_seconds() for process in self.at_rest]
        self.started = time.perf_counter()

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        seconds = time.perf_counter() - self.started
        for process, before in zip(self.at_rest, self.before, strict=True):
            now = process.cpu_seconds()
            if before is not None and now is not None:
                self.watch.used[process.name] = self.watch.used.get(process.name, 0.0) + now - before
                self.watch.seconds[process.name] = self.watch.seconds.get(process.name, 0.0) + seconds
