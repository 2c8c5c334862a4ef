"""The estimators of `tinynet.sklearn` beside the networks that scikit-learn has of its own.

    python -m benchmarks.estimators [--rounds 5] [--one-thread] [--only digits]

The same dense network, data, optimizer (Adam), batches and epochs, in float64, fitted in turns in one process. The
table has the median seconds of a fit, the median ratio within the rounds with its least and its largest, and the mean
scores on data that neither has seen.

By default both use all cores, and the clock on the wall counts. On a machine that others use, threads of BLAS wait for
each other: scikit-learn then takes many times as long. With ``--one-thread`` both use one thread, and the time of the
processor counts.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, NamedTuple

import numpy as np
from sklearn.datasets import load_digits, make_classification, make_regression
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

import tinynet as tn
from tinynet.sklearn import NetClassifier, NetRegressor

NEVER = 10_000  # epochs without improvement, so that both train for as long


class Task(NamedTuple):
    """What is learned: how much of it, by whom."""

    x: np.ndarray
    y: np.ndarray
    units: int
    epochs: int
    ours: Any
    theirs: Any


def tasks() -> dict[str, Task]:
    """Make the data."""
    digits = load_digits(return_X_y=True)
    table = make_classification(50_000, 30, n_informative=15, n_classes=4, random_state=0)
    numbers = make_regression(50_000, 30, noise=10, random_state=0)
    return {
        "digits, 1,797 x 64": Task(*digits, 100, 100, NetClassifier, MLPClassifier),
        "table, 50,000 x 30, 4 classes": Task(*table, 100, 10, NetClassifier, MLPClassifier),
        "table, 50,000 x 30, a number": Task(
            numbers[0], numbers[1] / numbers[1].std(), 100, 10, NetRegressor, MLPRegressor
        ),
    }


def fitted(estimator: Any, parts: list[np.ndarray], clock: Callable[[], float]) -> tuple[float, float]:
    """Fit an estimator; returns the seconds and the score."""
    x_train, x_test, y_train, y_test = parts
    started = clock()
    estimator.fit(x_train, y_train)
    return clock() - started, estimator.score(x_test, y_test)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.estimators", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each is fitted (default: %(default)s)")
    parser.add_argument("--one-thread", action="store_true", help="for both, in time of the processor")
    parser.add_argument("--only", default="", help="those whose name has this text in it")
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    print("| | tinynet, s | scikit-learn, s | ratio | score | score of scikit-learn |")
    print("|---|---:|---:|---:|---:|---:|")
    if options.one_thread:
        tn.set_num_threads(1)
    with threadpool_limits(1) if options.one_thread else nullcontext():
        for name, task in tasks().items():
            if options.only in name:
                print(compare(name, task, options.rounds, options.one_thread), flush=True)


def compare(name: str, task: Task, rounds: int, one_thread: bool) -> str:
    """Fit both in turns; returns the row of the table."""
    parts = train_test_split(StandardScaler().fit_transform(task.x), task.y, random_state=0)
    common = {"n_iter_no_change": NEVER}
    clock = time.process_time if one_thread else time.perf_counter
    ours, theirs = [], []
    for seed in range(rounds + 1):
        one = task.ours((task.units,), epochs=task.epochs, random_state=seed, **common)
        other = task.theirs(
            hidden_layer_sizes=(task.units,), max_iter=task.epochs, alpha=0, random_state=seed, **common
        )
        ours.append(fitted(one, parts, clock))
        theirs.append(fitted(other, parts, clock))
    seconds = [[s for s, _ in found[1:]] for found in (ours, theirs)]  # the first one builds kernels
    ratios = [theirs / ours for ours, theirs in zip(*seconds, strict=True)]
    scores = [statistics.mean(score for _, score in found[1:]) for found in (ours, theirs)]
    return (
        f"| {name} | {statistics.median(seconds[0]):.2f} | {statistics.median(seconds[1]):.2f} "
        f"| {statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f}) "
        f"| {scores[0]:.4f} | {scores[1]:.4f} |"
    )


if __name__ == "__main__":
    main()
