"""The estimators of `tinynet.sklearn` beside the networks that scikit-learn has of its own.

    python -m benchmarks.estimators [--rounds 5]

The same dense network, data, optimizer (Adam), batches and epochs, in float64, fitted in turns in one process. The
table has the median seconds of a fit, the median ratio within the rounds with its least and its largest, and the mean
scores on data that neither has seen.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from typing import Any, NamedTuple

import numpy as np
from sklearn.datasets import load_digits, make_classification, make_regression
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import StandardScaler

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


def fitted(estimator: Any, parts: list[np.ndarray]) -> tuple[float, float]:
    """Fit an estimator; returns the seconds and the score."""
    x_train, x_test, y_train, y_test = parts
    started = time.perf_counter()
    estimator.fit(x_train, y_train)
    return time.perf_counter() - started, estimator.score(x_test, y_test)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.estimators", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each is fitted (default: %(default)s)")
    rounds = parser.parse_args().rounds
    warnings.simplefilter("ignore", ConvergenceWarning)
    print("| | tinynet, s | scikit-learn, s | ratio | score | score of scikit-learn |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, task in tasks().items():
        parts = train_test_split(StandardScaler().fit_transform(task.x), task.y, random_state=0)
        common = {"n_iter_no_change": NEVER}
        ours, theirs = [], []
        for seed in range(rounds + 1):
            one = task.ours((task.units,), epochs=task.epochs, random_state=seed, **common)
            other = task.theirs(
                hidden_layer_sizes=(task.units,), max_iter=task.epochs, alpha=0, random_state=seed, **common
            )
            ours.append(fitted(one, parts))
            theirs.append(fitted(other, parts))
        seconds = [[s for s, _ in found[1:]] for found in (ours, theirs)]  # the first one builds kernels
        ratios = [theirs / ours for ours, theirs in zip(*seconds, strict=True)]
        scores = [statistics.mean(score for _, score in found[1:]) for found in (ours, theirs)]
        print(
            f"| {name} | {statistics.median(seconds[0]):.2f} | {statistics.median(seconds[1]):.2f} "
            f"| {statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f}) "
            f"| {scores[0]:.4f} | {scores[1]:.4f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
