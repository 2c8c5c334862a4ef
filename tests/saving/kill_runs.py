"""Kill training runs at random, resume them until they are complete, and compare every bit with runs left alone.

Run as ``python tests/saving/kill_runs.py --kills 20`` for the reference CNN on the embedded sample.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import tinynet as tn


@dataclass
class Found:
    """What was done: processes killed, each of which had left a checkpoint, and runs that came to their end."""

    kills: int = 0
    complete: int = 0


def start(folder, model, epochs, seed, cache=None):
    """Start a run, or go on with it; with no kernels on disk if a cache is given, which is emptied first."""
    command = [sys.executable, "-m", "tinynet", "train", model, "--data", "sample", "--epochs", str(epochs)]
    command += ["--seed", str(seed), "--out", str(folder), "--resume", "--no-report", "--checkpoint-seconds", "0.05"]
    command += ["--threads", "1"]  # results do not depend on it, and other work on the machine disturbs less
    where = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONUNBUFFERED": "1"}
    if cache is not None:
        shutil.rmtree(cache, ignore_errors=True)
        where["NUMBA_CACHE_DIR"] = str(cache)
    return subprocess.Popen(command, env=where, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(folder, model, epochs, seed):
    """Let a run come to its end; returns its seconds, from when it said that it trains."""
    began = time.monotonic()
    with start(folder, model, epochs, seed) as process:
        for line in process.stdout:
            if line.startswith("SGD"):
                began = time.monotonic()
    assert process.returncode == 0
    return time.monotonic() - began


def stamp(folder):
    """Tell one checkpoint from the next."""
    path = folder / "last.safetensors"
    return path.stat().st_mtime_ns if path.exists() else None


def compare(folder, reference):
    """Compare two run directories, bit for bit."""
    for name in ("best", "last"):
        found, expected = (tn.load(path / f"{name}.safetensors").theta for path in (folder, reference))
        np.testing.assert_array_equal(found.view(np.uint32), expected.view(np.uint32))
    histories = [json.loads((path / "metrics.json").read_text())["history"] for path in (folder, reference)]
    assert histories[0] == histories[1]
    assert not [path.name for path in folder.iterdir() if path.suffix == ".tmp"]


def kill_runs(place, model, kills, epochs, seed=0, empty_cache=False, tell=lambda line: None):
    """Kill runs until there were so many kills, and complete each; returns what was done."""
    cache = place / "cache" if empty_cache else None
    chance, found = random.Random(seed), Found()
    reference = place / "reference"
    finish(place / "first", model, 1, seed)  # builds what is not on the disk yet
    seconds = finish(reference, model, epochs, seed)
    tell(f"left alone: {seconds:.1f} s")
    while found.kills < kills:
        folder = place / str(found.complete)
        while found.kills < kills:
            before = stamp(folder)
            with start(folder, model, epochs, seed, cache) as process:
                while process.poll() is None and stamp(folder) == before:  # so that each process makes some progress
                    time.sleep(0.01)
                time.sleep(chance.uniform(0, 0.4) * seconds)
                process.send_signal(signal.SIGKILL)
            if process.returncode == 0:
                break
            found.kills += 1
            for path in folder.glob("*.safetensors"):
                tn.load(path)  # whole, or an error
            tell(f"kill {found.kills}: {sorted(path.name for path in folder.iterdir())}")
        finish(folder, model, epochs, seed)
        compare(folder, reference)
        found.complete += 1
        tell(f"run {found.complete} is complete, and has the bits of the one left alone")
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="cnn")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--empty-cache", action="store_true", help="with no kernels on disk before each start")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        print(kill_runs(Path(place), **vars(arguments), tell=lambda line: print(line, flush=True)))


if __name__ == "__main__":
    main()
