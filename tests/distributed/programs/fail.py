"""Runs of which one process does something else than the others, as each argument says.

What each process found is in ``<rank>.json`` of the folder that is the first argument, by case: the error, and whether
the model was changed.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

import tinynet as tn

X = np.random.default_rng(0).standard_normal((64, 5)).astype(np.float32)


class Acting:
    """Acts within the second epoch."""

    def __init__(self, case):
        self.case = case

    def on_batch_end(self, run):
        """Do what the case says."""
        if (run.epoch, run.batch) == (1, 2) and other:
            act(self.case, run)
        if self.case == "hangs":
            world.timeout = 3.0  # from here on: the first batches load kernels

    def on_epoch_end(self, run):
        """Fail as a process does that cannot write."""
        if self.case == "disk is full" and not other and run.epoch == 2:
            raise OSError(28, "No space left on device")


def act(case, run):
    """Do what only one process does."""
    if case == "raises":
        raise ValueError("my own error")
    if case == "is killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if case == "hangs":
        time.sleep(1000)
    if case.startswith("is interrupted"):
        signal.raise_signal(signal.SIGINT)
    if case == "is interrupted twice":
        signal.raise_signal(signal.SIGINT)
    if case == "stops":
        run.stop("for no reason")
    if case == "changes the rate":
        run.optimizer.learning_rate = 0.5


def loss(output, labels):
    """Return minus infinity where there is a label 3."""
    return tn.ops.log((labels != 3).astype(output.dtype)).mean() + output.mean()


def train(case, model):
    """Train as the case says."""
    y = (X.sum(1) > 0).astype(int)
    options = {"epochs": 3, "batch_size": 16, "seed": 1, "micro_batches": 4, "verbose": 0, "world": world}
    if case == "has other labels" and other:
        y = 1 - y
    if case == "has trained before" and other:
        model.fit(X, y, epochs=1, seed=0, verbose=0)
    if case == "has another rate" and other:
        options["optimizer"] = tn.SGD(0.2)
    if case == "has no seed":
        options["seed"] = None
    if case == "has too few parts":
        options["micro_batches"] = 1
    if case == "has parts of no tree":
        options["micro_batches"] = 6
    if case == "is not finite":
        options["loss"] = loss
        y[3::16] = 3
    model.fit(X, y, callbacks=[Acting(case)], **options)
    if case == "leaves between fits" and other:
        sys.exit(3)
    if case == "is cut off between fits" and other:
        os._exit(7)
    if case.endswith("between fits"):
        model.fit(X, y, **options)


if __name__ == "__main__":
    folder, *cases = sys.argv[1:]
    early = cases == ["leaves before the world"]
    if early and os.environ["PMI_RANK"] == "1":
        sys.exit()
    world = tn.distributed.world(timeout=3 if early else 100)
    other = world.rank == 1
    found = {}
    for case in cases:
        model = tn.Sequential([tn.Input((5,)), tn.Dense(4, "relu"), tn.Dense(2)], seed=0)
        before = model.theta.copy()
        try:
            train(case, model)
        except BaseException as error:
            if len(cases) == 1:
                raise
            found[case] = [f"{type(error).__name__}: {error}", bool((model.theta != before).any())]
    Path(folder, f"{world.rank}.json").write_text(json.dumps(found))
