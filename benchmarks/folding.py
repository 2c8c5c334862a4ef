"""What it gains that batch normalisations are folded into the layers before them in frozen predictors.

Run ``python -m benchmarks.folding`` in the root of the repository. Each network is predicted with twice, with and
without folding, moments apart; times are those of the processor, on one thread.
"""

import argparse
import time
from collections.abc import Sequence

import numpy as np

import tinynet as tn
from tinynet.nn import batch_norm

BATCH = 32


def normalised(filters: int, activation: bool = True) -> list[tn.Layer]:
    relu = [tn.ReLU()] if activation else []
    return [tn.Conv2D(filters, 3, padding="same", use_bias=False), tn.BatchNorm(), *relu]


def pooled_network() -> list[tn.Layer]:
    block = [*normalised(16), tn.MaxPool(2), *normalised(32), tn.MaxPool(2)]
    return [*block, tn.Flatten(), tn.Dense(10, "softmax")]


def residual_network() -> list[tn.Layer]:
    layers = normalised(16)
    for _ in range(3):
        layers += [tn.Residual([*normalised(16), *normalised(16, activation=False)]), tn.ReLU()]
    return [*layers, tn.GlobalAvgPool(), tn.Dense(10, "softmax")]


NETWORKS = {"CNN": pooled_network, "residual network": residual_network}


def predictors(layers: Sequence[tn.Layer], batch: np.ndarray) -> list[tn.CompiledFunction]:
    """Return a frozen predictor with folding, and one without; both are traced."""
    model, found = tn.Sequential([tn.Input((28, 28, 1), scale=1 / 255), *layers], seed=0), []
    own = batch_norm.folded
    try:
        for fold in (own, lambda *_: None):
            batch_norm.folded = fold
            found.append(tn.compile(model, freeze=True))
            found[-1](batch)
    finally:
        batch_norm.folded = own
    return found


def seconds(predictor: tn.CompiledFunction, batch: np.ndarray, calls: int) -> float:
    started = time.process_time()
    for _ in range(calls):
        predictor(batch)
    return (time.process_time() - started) / calls


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.folding", description=__doc__)
    parser.add_argument("--rounds", type=int, default=60, help="pairs of blocks (default: %(default)s)")
    arguments = parser.parse_args()
    tn.set_num_threads(1)
    batch = np.random.default_rng(0).integers(0, 256, (BATCH, 28, 28), dtype=np.uint8)
    for name, make in NETWORKS.items():
        both = predictors(make(), batch)
        calls = [len(p.plan(batch).calls) for p in both]
        each = max(1, round(0.02 / seconds(both[0], batch, 3)))
        pairs = np.empty((arguments.rounds, 2))
        for number in range(arguments.rounds):
            for which in (0, 1) if number % 2 else (1, 0):
                pairs[number, which] = seconds(both[which], batch, each)
        low, middle, high = np.quantile(pairs[:, 1] / pairs[:, 0], (0.05, 0.5, 0.95))
        print(
            f"{name}: {calls[1]} calls become {calls[0]}, {1e3 * np.median(pairs[:, 0]):.2f} ms; without folding "
            f"{middle:.2f} times as long (90 % of pairs from {low:.2f} to {high:.2f})"
        )


if __name__ == "__main__":
    main()
