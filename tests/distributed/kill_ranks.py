"""Kill a process of a run at random, go on with another number of processes, and compare every bit with one process.

Run as ``python -m tests.distributed.kill_ranks --rounds 20``. In each round a run is killed again and again until it is
complete: one of its processes, or all by Ctrl-C. Nothing of it may be left over.
"""

import argparse
import os
import random
import signal
import tempfile
import time
from pathlib import Path

from tests.distributed.mpi import end, ranks, start
from tests.saving.kill_runs import compare, stamp

COMMAND = ["train", "softmax", "--data", "sample", "--batch-size", 256, "--micro-batches", 8, "--no-report", "--resume"]


def begin(folder, workers, epochs):
    """Start a run, or go on with it."""
    options = ["--epochs", epochs, "--checkpoint-seconds", 0.02, "--out", folder, "--timeout", 60]
    return start(workers, "tinynet", *COMMAND, *options, PYTHONUNBUFFERED="1")


def disturb(started, folder, chance):
    """Let a run save itself a few times, and kill one of its processes, or press Ctrl-C; returns what was done."""
    until = time.monotonic() + 60
    for _ in range(chance.randint(1, 3)):
        before = stamp(folder)
        while stamp(folder) == before and started.process.poll() is None and time.monotonic() < until:
            time.sleep(0.002)
    time.sleep(chance.uniform(0, 0.02))
    alive = ranks(started)
    if started.process.poll() is not None or not alive:
        return ""
    if chance.random() < 0.3:
        started.process.send_signal(signal.SIGINT)
        return "Ctrl-C"
    os.kill(chance.choice(alive), signal.SIGKILL)
    return "kill"


def rounds(place, count, epochs, seed=0, tell=lambda line: None):
    """Kill and resume runs until so many are complete; returns how often they were disturbed."""
    chance, disturbed = random.Random(seed), 0
    reference = place / "reference"
    assert end(begin(reference, 0, epochs)).code == 0
    for number in range(count):
        folder, done = place / str(number), []
        while True:
            workers = chance.choice([1, 2, 4] if len(done) < 3 else [0, 1, 2, 4])
            started = begin(folder, workers, epochs)
            what = disturb(started, folder, chance) if len(done) < 3 else ""
            ended = end(started)
            if ended.code == 0:
                break
            assert what, ended.output
            done.append(f"{workers} processes, {what}")
            disturbed += 1
        compare(folder, reference)
        tell(f"round {number}: {'; '.join(done) or 'not disturbed'}; complete with {workers or 'no'} processes")
    return disturbed


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=12)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = rounds(Path(folder), given.rounds, given.epochs, tell=lambda line: print(line, flush=True))
    print(f"{found} times disturbed, {given.rounds} runs complete, all with the bits of one process, nothing left over")
