"""Trains a small network with all that makes a step depend on who computes it.

Run as ``fit.py folder jobs``; each job is ``[name, kind]``. What each process found is in ``<rank>.json`` of the
folder.
"""

import hashlib
import json
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np

import tinynet as tn

RNG = np.random.default_rng(0)
X = RNG.standard_normal((72, 8, 8, 1)).astype(np.float32)
Y = (X.mean((1, 2, 3)) > 0).astype(int)
VALIDATION = np.tile(X[:50], (12, 1, 1, 1)), np.tile(Y[:50], 12)  # three batches


def network():
    """Make the same network in all processes."""
    layers = [tn.Input((8, 8, 1)), tn.RandomShift(1), tn.Conv2D(4, 3, activation="relu"), tn.BatchNorm(), tn.MaxPool(2)]
    layers += [tn.Flatten(), tn.Dense(8, "relu"), tn.Dropout(0.3), tn.Dense(2)]
    model = tn.Sequential(layers, seed=0)
    model.layers[2].trainable = False
    return model


class Rows:
    """Samples that are read, with a note of which."""

    def __init__(self):
        self.read = set()

    def __len__(self):
        return len(X)

    def __getitem__(self, indices):
        self.read |= set(np.asarray(indices).tolist())
        return X[indices]


class Sent:
    """Notes how many bytes this process has sent."""

    def __init__(self, world):
        self.world, self.sent = world, []

    def on_batch_end(self, run):
        """Note it."""
        self.sent.append(self.world.sent)

    @property
    def most(self):
        """The most bytes of a step; between the last and the first one of an epoch is a validation, if there is one."""
        return max(after - before for before, after in pairwise(self.sent))


class Stop:
    """Ends a run within its second epoch."""

    def on_batch_end(self, run):
        """End it."""
        run.ending = run.epoch == 1 and run.batch == 2


def digest(model):
    """Tell the values of a model from others."""
    return hashlib.sha256(b"".join(leaf.memory.tobytes() for leaf in model.leaves.values())).hexdigest()[:16]


def train(world, folder, name, kind):
    """Train: "whole", "stopped" in its second epoch, "resumed" from there, or with samples that are "read"."""
    model, path, rows, sent = network(), Path(folder) / f"{name}.safetensors", Rows(), Sent(world)
    options = {"epochs": 3, "batch_size": 32, "seed": 1, "micro_batches": 8, "verbose": 0, "world": world}
    if kind == "read":
        x, options["shuffle"], options["batch_size"] = tn.Stream(rows, prefetch=False), False, 24
        options["callbacks"] = [sent]
    else:
        x, options["validation_data"], options["metrics"] = X, VALIDATION, ["accuracy", "f1"]
        options["resume"] = path if kind == "resumed" else None
        stop = [Stop()] if kind == "stopped" else []
        table = tn.CSVLogger(path.with_suffix(".csv"))
        options["callbacks"] = [sent, *stop, tn.Checkpoint(path, every_batches=1), table]
    history = model.fit(x, Y, optimizer=tn.Adam(0.01, clip_norm=0.1), **options)
    return [digest(model), history.history, len(rows.read), sent.most]


if __name__ == "__main__":
    folder, jobs = Path(sys.argv[1]), json.loads(sys.argv[2])
    world = tn.distributed.world(timeout=100)
    found = [train(world, folder, *job) for job in jobs]
    (folder / f"{world.rank}.json").write_text(json.dumps(found))
