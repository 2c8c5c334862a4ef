"""Trains two networks against each other by steps of its own, as ``by_hand.py folder`` or ``by_hand.py folder case``.

What each process found is in ``<rank>.json`` of the folder: digests and losses, or the error that a case ends in.
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np

import tinynet as tn

X = np.random.default_rng(0).standard_normal((70, 6)).astype(np.float32)


def networks():
    """Make the same networks in all processes: what makes samples, and what tells them from others."""
    maker = [tn.Input((4,)), tn.Dense(8, "relu"), tn.BatchNorm(), tn.Dense(6)]
    judge = [tn.Input((6,)), tn.Dense(8, "relu"), tn.BatchNorm(), tn.Dropout(0.3), tn.Dense(1)]
    return tn.Sequential(maker, seed=0), tn.Sequential(judge, seed=1)


def train(world, compiled=True):
    """Make two updates in each step; returns a digest of all values, and the losses."""
    maker, judge = networks()

    def judged(x, z, level):
        return tn.ops.softplus(-judge(x)).mean() + tn.ops.softplus(judge(maker(z))).mean() * level

    def made(z):
        return tn.ops.softplus(-judge(maker(z) + tn.random.normal(maker(z).shape) * 0.1)).mean()

    shared = {"world": world, "compiled": compiled}
    first = tn.distributed.Step(judged, judge, tn.Adam(0.01), 8, others=[maker], **shared)
    second = tn.distributed.Step(made, maker, tn.SGD(0.1, momentum=0.9), 8, others=[judge], **shared)
    mode, losses, rng = tn.train_mode(seed=3), [], np.random.default_rng(5)
    for start in range(0, 70, 20):  # the last batch has 10 samples
        x = X[start : start + 20]
        with mode:
            losses.append(float(first(x, rng.standard_normal((len(x), 4)).astype(np.float32), 0.5)))
            losses.append(float(second(tn.random.normal((5, 4)))))
    memory = [leaf.memory.tobytes() for model in (maker, judge) for leaf in model.leaves.values()]
    return [hashlib.sha256(b"".join(memory)).hexdigest()[:16], losses]


def fail(world, case):
    """Let process 1 do something else than the others."""
    other, model = world.rank == 1, tn.Sequential([tn.Input((6,)), tn.Dense(1)], seed=0)
    before = model.theta.copy()

    def loss(x):
        if case == "raises" and other:
            raise ValueError("my own error")
        return tn.ops.log(x).mean() * model(x).mean() if case == "is not finite" else model(x).mean()

    if case == "has other values" and other:
        model.theta[0] += 1
    step = tn.distributed.Step(loss, model, tn.SGD(0.5 if case == "has another rate" and other else 0.1), 4, world)
    mode = tn.train_mode(seed=4 if case == "has another seed" and other else 3)
    x = np.abs(X[:16]) + 1
    if case == "is not finite":
        x[15] = 0
    try:
        for count in range(2):
            with mode:
                step(x[:8] if case == "has another batch" and other and count else x)
    except Exception as error:
        same = case == "has other values" or np.array_equal(before, model.theta) or case == "has another batch"
        return [f"{type(error).__name__}: {error}", bool(same)]


if __name__ == "__main__":
    folder, *cases = sys.argv[1:]
    everyone = tn.distributed.world(timeout=100)
    found = {case: fail(everyone, case) for case in cases} if cases else [train(everyone), train(everyone, False)]
    Path(folder, f"{everyone.rank}.json").write_text(json.dumps(found))
