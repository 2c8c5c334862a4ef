"""Minimises objectives that several processes compute, as ``objective.py folder`` or ``objective.py folder case ...``.

What each process found is in ``<rank>.json`` of the folder: digests and losses, or the error that a case ends in.
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np

import tinynet as tn

X = np.random.default_rng(0).standard_normal((90, 12))
Y = (X.mean(1) > 0).astype(int)
WEIGHTS = np.where(np.arange(90) < 20, 0.0, 1.0 + X[:, 0] ** 2)


def minimised(world, hidden, compiled=True):
    """Search along lines; returns a digest of the point, and numbers on the way."""
    layers = [tn.Dense(6, "tanh")] if hidden else []
    model = tn.Sequential([tn.Input((12,)), *layers, tn.Dense(2)], seed=0, dtype="float64")
    options = {"sample_weight": WEIGHTS, "micro_batches": 8, "compiled": compiled, "world": world}
    objective = tn.Objective(model, X, Y, l2=0.1, **options)
    optimizer = tn.Newton() if hidden else tn.GradientDescent()
    theta, records = optimizer.minimize(objective, model.theta, steps=5)
    losses = [record.loss for record in records]
    return [hashlib.sha256(theta.tobytes()).hexdigest()[:16], losses, objective.value(theta)]


def fail(world, case):
    """Let process 1 do something else than the others."""
    other, x = world.rank == 1, X.copy()
    if case == "has other samples" and other:
        x[3] += 1
    try:
        model = tn.Sequential([tn.Input((12,)), tn.Dense(2)], seed=0, dtype="float64")
        l2 = 0.2 if case == "has another l2" and other else 0.1
        parts = 1 if case == "has too few parts" else 4
        objective = tn.Objective(model, x, Y, l2=l2, micro_batches=parts, world=world)
        if case == "raises" and other:
            objective._parts[3].value_and_gradient = None
        theta = model.theta + (case == "asks elsewhere" and other)
        if case == "asks for something else" and other:
            objective.value(theta)
        objective.value_and_gradient(theta)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    folder, *cases = sys.argv[1:]
    everyone = tn.distributed.world(timeout=100)
    if cases:
        found = {case: fail(everyone, case) for case in cases}
    else:
        found = [minimised(everyone, hidden=True), minimised(everyone, False), minimised(everyone, False, False)]
    Path(folder, f"{everyone.rank}.json").write_text(json.dumps(found))
