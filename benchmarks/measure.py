"""The measurement itself: one task, all contenders in alternation, so that noise of the machine hits all alike.

Ratios are taken within a round, where the two figures were measured moments apart, and only then summed up.
"""

import contextlib
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.stats import quantile_test

from benchmarks.processes import IdleWatch, Process, WorkerError

BASELINE = "tinynet"
APART = ("fit",)  # modes that are not rivals of the contender's other modes, and get a row of their own
# How far contenders may be apart. Convolutions are divided by their largest value before they are compared.
TOLERANCES = {"outputs": 1e-4, "losses": 1e-3, "output": 1e-4, "input gradient": 1e-4, "weight gradient": 1e-4}
_HOPELESS = 2.0  # times as slow as the contender's best mode in the first round: not followed any further
_SETTLE = 0.15  # seconds before a block: those of OpenBLAS look out for work for a tenth of a second
_MOST_STEPS = 20_000

Result = dict[str, Any]


def compare(processes: Mapping[str, Process], task: dict[str, Any], rounds: int, seconds: float, watch: IdleWatch,
            modes: Mapping[str, list[str]] | None = None) -> Result:  # fmt: skip
    """Measure a task.

    Parameters
    ----------
    processes : mapping of str to Process
        The contenders, the baseline among them.
    task : dict
        What each is asked to do.
    rounds : int
        How often each is measured.
    seconds : float
        About how long a block of work takes.
    watch : IdleWatch
        Told who is at rest.
    modes : mapping of str to list of str, optional
        The modes to try, for contenders where not all are.

    Returns
    -------
    dict
        For each contender: for each mode the seconds of a step by round and its differences from the baseline; the
        best mode; the modes that were too slow to follow; and errors.
    """
    opened = {name: _Opened(process) for name, process in processes.items()}
    reference = opened[BASELINE].open(task, None)
    for name, contender in opened.items():
        if name != BASELINE:
            contender.open(task, reference, (modes or {}).get(name))
    for contender in opened.values():
        contender.calibrate(seconds, 10 if task["kind"] == "train" else 2)
    names = list(opened)
    for number in range(-1, rounds):  # the first is for practice, and finds the hopeless
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            at_rest = [process for other, process in processes.items() if other != name]
            time.sleep(_SETTLE)
            with watch.block(at_rest):
                opened[name].round(number)
    for process in processes.values():
        with contextlib.suppress(WorkerError):  # one that died has said so already
            process.ask("close")
    results = {name: contender.result() for name, contender in opened.items()}
    if results[BASELINE]["best"] is None:
        raise WorkerError(f"nothing to compare with: {results[BASELINE]['errors']}")
    return results


class _Opened:
    """A contender with a task before it."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.steps: dict[str, int] = {}
        self.rounds: dict[str, list[float]] = {}
        self.differences: dict[str, dict[str, float]] = {}
        self.errors: dict[str, str] = {}
        self.slow: dict[str, float] = {}

    def open(
        self, task: dict[str, Any], reference: dict[str, np.ndarray] | None, modes: list[str] | None = None
    ) -> dict[str, np.ndarray]:
        """Prepare the task, and compare what each mode computes with the reference; returns what the first one did."""
        try:
            found, self.errors = self.process.open(task, modes)
        except WorkerError as error:
            if reference is None:
                raise
            found, self.errors = {}, {"all": str(error)}
        if reference is None:
            reference = next(iter(found.values()), {})
        for mode, arrays in found.items():
            self.differences[mode] = apart = {name: difference(a, reference[name]) for name, a in arrays.items()}
            wrong = {name: value for name, value in apart.items() if not value <= TOLERANCES[name]}
            if wrong:
                self.errors[mode] = "differs from tinynet: " + ", ".join(f"{k} by {v:.2g}" for k, v in wrong.items())
            else:
                self.rounds[mode] = []
        return reference

    def calibrate(self, seconds: float, steps: int) -> None:
        """Find out how many steps fill a block, and make one: some contenders compile for that number of steps."""
        for mode in list(self.rounds):
            tries = [self._run(mode, steps, seed=0) for _ in range(3 if mode not in APART else 1)]
            quickest = min((one for one in tries if one is not None), default=None)
            if quickest is not None and mode in self.rounds:
                self.steps[mode] = int(min(max(seconds / quickest, 3), _MOST_STEPS))
                self._run(mode, self.steps[mode], seed=1)

    def round(self, number: int) -> None:
        """Measure each mode once."""
        found = {mode: self._run(mode, self.steps[mode], seed=number + 2) for mode in list(self.rounds)}
        if number >= 0:
            for mode, one in found.items():
                if one is not None:
                    self.rounds[mode].append(one)
            return
        rivals = {mode: one for mode, one in found.items() if one is not None and mode not in APART}
        best = min(rivals.values(), default=0.0)
        for mode in [mode for mode, one in rivals.items() if one > _HOPELESS * best]:
            self.slow[mode] = rivals[mode]
            del self.rounds[mode]

    def _run(self, mode: str, steps: int, seed: int) -> float | None:
        try:
            return self.process.run(mode, steps, seed)
        except WorkerError as error:
            self.errors[mode] = str(error)
            self.rounds.pop(mode, None)
            return None

    def result(self) -> Result:
        """Return what was found."""
        rivals = {mode: float(np.median(found)) for mode, found in self.rounds.items() if mode not in APART and found}
        return {
            "best": min(rivals, key=lambda mode: rivals[mode]) if rivals else None,
            "seconds": self.rounds,
            "steps": self.steps,
            "differences": self.differences,
            "not followed": self.slow,
            "errors": self.errors,
        }


def difference(a: np.ndarray, b: np.ndarray) -> float:
    """Return the largest difference of two arrays; of their means where one of them is nothing but a mean."""
    if a.shape != b.shape:
        a, b = a.mean(keepdims=True), b.mean(keepdims=True)
    return float(np.abs(a.astype(np.float64) - b.astype(np.float64)).max())


def quartiles(values: list[float]) -> tuple[float, float, float]:
    """Return the median, and the quartiles below and above it."""
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
    return float(middle), float(low), float(high)


def median_interval(values: list[float]) -> tuple[float, float, float]:
    """Return the median, and the ends of its 90 % confidence interval, which are order statistics.

    It assumes nothing of how the values are distributed. Of fewer than five values there is no such interval: its ends
    are then NaN.
    """
    interval = quantile_test(values, p=0.5).confidence_interval(0.9)
    return float(np.median(values)), float(interval.low), float(interval.high)


def ratios(result: Result, name: str, mode: str) -> list[float]:
    """Return for each round how many times as long as the baseline's best mode this one takes."""
    baseline = result[BASELINE]
    ours = baseline["seconds"][baseline["best"]]
    return [theirs / mine for theirs, mine in zip(result[name]["seconds"][mode], ours, strict=True)]
