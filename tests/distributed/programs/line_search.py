"""Trains by line search, as ``line_search.py folder jobs``; each job is ``[name, kind]``.

What each process found is in ``<rank>.json`` of the folder: a digest, the history, and the bytes that it sent.
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np

import tinynet as tn

X = np.random.default_rng(0).standard_normal((90, 12))
Y = (X.mean(1) > 0).astype(int)


def train(world, folder, name, kind):
    """Train: the "whole" run, one "stopped" after 4 of 8 steps, or that "resumed"; by "newton", or in float32."""
    hidden = [tn.Dense(6, "tanh")] if "newton" in kind else []
    dtype = "float32" if "float32" in kind else "float64"
    model = tn.Sequential([tn.Input((12,)), *hidden, tn.Dense(2)], seed=0, dtype=dtype)
    path, sent = Path(folder) / f"{name}.safetensors", world.sent
    history = model.fit(
        X,
        Y,
        epochs=4 if "stopped" in kind else 8,
        batch_size=None,
        optimizer=tn.Newton(weight_decay=0.1) if hidden else tn.GradientDescent(weight_decay=0.01),
        validation_data=(X[:20], Y[:20]),
        verbose=0,
        seed=0,
        class_weight="balanced",
        micro_batches=8,
        world=world,
        callbacks=[tn.Checkpoint(path, every_seconds=0.01)],
        resume=path if "resumed" in kind else None,
    )
    return [hashlib.sha256(model.theta.tobytes()).hexdigest()[:16], history.history, world.sent - sent]


if __name__ == "__main__":
    folder, jobs = Path(sys.argv[1]), json.loads(sys.argv[2])
    world = tn.distributed.world(timeout=100)
    found = [train(world, folder, *job) for job in jobs]
    (folder / f"{world.rank}.json").write_text(json.dumps(found))
