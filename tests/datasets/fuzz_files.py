"""Damage files of every kind at random: each loads right or raises an error of ours, soon and in little room.

Run as ``python tests/datasets/fuzz_files.py 100000``.
"""

import argparse
import re
import resource
import tempfile
import time
import tracemalloc
from collections import Counter
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

import tinynet as tn
from tests.datasets.mnist_writers import FORMS, make_arrays
from tinynet.datasets.files import read_dataset
from tinynet.errors import CheckpointError, TinynetError
from tinynet.saving import modelfile

MOST_SECONDS, MOST_BYTES = 1.0, 256 * 2**20


def mutate(data, rng):
    """Damage a file as disks, networks and enemies do: flip bytes, cut, insert, repeat, lie about lengths."""
    data = bytearray(data)
    # Headers are where damage is interesting; half of it goes to the first and last bytes.
    ends = np.concatenate([np.arange(160), np.arange(len(data) - 320, len(data))])
    for _ in range(rng.integers(1, 4)):
        at = int(rng.choice(ends)) if rng.random() < 0.5 else int(rng.integers(len(data)))
        at = min(at, len(data) - 1)
        how = rng.integers(5)
        if how == 0:
            data[at] ^= 1 << rng.integers(8)
        elif how == 1:
            data[at] = rng.integers(256)
        elif how == 2:
            data[at : at + 4] = rng.choice([b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff", b"\0\0\1\0"])
        elif how == 3:
            del data[at : at + int(rng.integers(1, 100))]
        else:
            data[at:at] = data[: rng.integers(1, 40)]
        if not data:
            break
    return bytes(data[: rng.integers(len(data) + 1)] if rng.random() < 0.1 else data)


class Dataset:
    """Files of MNIST in one of the forms in which it is read."""

    def __init__(self, form, folder):
        self.form, self.arrays = form, make_arrays()
        folder.mkdir()
        self.path = FORMS[form](folder, self.arrays)
        self.target = self.path if self.path.is_file() else next(self.path.glob("train-images*"))
        self.original = self.target.read_bytes()

    def damage(self, rng):
        self.target.write_bytes(mutate(self.original, rng))

    def read(self):
        loaded = read_dataset(self.path)
        for part in ("train", "test"):
            x, y = loaded[f"x_{part}"], loaded[f"y_{part}"]
            assert x.dtype == y.dtype == np.uint8
            assert x.shape == (len(y), 28, 28)
            assert y.max() <= 9
        if self.form not in ("idx", "mat"):  # the others have checksums
            assert all(np.array_equal(loaded[key], self.arrays[key]) for key in self.arrays)


X, Y = np.random.default_rng(0).normal(size=(8, 6)).astype(np.float32), np.arange(8) % 3


def network():
    layers = [tn.Input((6,), shift=[0.5] * 6, scale=1 / 255), tn.Dense(4, "relu"), tn.Dense(3, "softmax")]
    return tn.Sequential(layers, seed=0)


class Checkpoint:
    """A checkpoint, loaded as a model."""

    def __init__(self, folder):
        folder.mkdir()
        self.path = folder / "last.safetensors"
        self.model, self.history = self.train()
        self.original = self.path.read_bytes()

    def train(self, **options):
        model = network()
        callbacks = [tn.Checkpoint(self.path), tn.EarlyStopping("loss")]
        common = {"epochs": 2, "optimizer": tn.Adam(), "callbacks": callbacks, "seed": 0, "verbose": 0}
        return model, model.fit(X, Y, **common, **options)

    def damage(self, rng):
        self.path.write_bytes(mutate(self.original, rng))

    def read(self):
        assert np.array_equal(tn.load(self.path).theta, self.model.theta)


class Resumed(Checkpoint):
    """A checkpoint of a complete run, resumed."""

    def read(self):
        model, history = self.train(resume=self.path)
        assert np.array_equal(model.theta, self.model.theta)
        assert history == self.history


class Forged(Checkpoint):
    """A checkpoint whose text was changed by someone who knows how to make its digests fit."""

    VALUES = ("0", "-1", "1e999", "NaN", "123456789012", "1" + "0" * 60, "null", "true", "[]", "{}", '"x"', '"float64"')

    def __init__(self, folder):
        super().__init__(folder)
        with safe_open(self.path, "numpy") as file:
            self.metadata = file.metadata()
            self.tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118

    def damage(self, rng):
        metadata = dict(self.metadata)
        for _ in range(rng.integers(1, 3)):
            key = str(rng.choice(["model", "run", "digests"]))
            values = list(re.finditer(r'-?\d[\d.e+-]*|"[^"]*"|null|true|false', metadata[key]))
            if values:
                found = values[rng.integers(len(values))]
                other = values[rng.integers(len(values))].group()
                value = other if rng.random() < 0.3 else str(rng.choice(self.VALUES))
                metadata[key] = metadata[key][: found.start()] + value + metadata[key][found.end() :]
        metadata["digest"] = modelfile._digest_of(metadata)
        save_file(self.tensors, self.path, metadata)

    def read(self):
        """What such a file says may be anything, but it is a model of the size that it says."""
        try:
            self.train(resume=self.path)
        except CheckpointError:
            assert tn.load(self.path).theta.size == self.model.theta.size


MAKERS = {
    form: lambda folder, form=form: Dataset(form, folder)
    for form in ("idx", "idx.gz", "npz", "npz compressed", "mat", "mat compressed")
}
MAKERS |= {"checkpoint": Checkpoint, "resumed checkpoint": Resumed, "forged checkpoint": Forged}


def fuzz(form, folder, cases, seed):
    """Read so many damaged files of a form; returns how many loaded right and how many errors there were."""
    file, rng, found = MAKERS[form](folder), np.random.default_rng(seed), Counter()
    file.read()
    tracemalloc.start()
    try:
        for case in range(cases):
            file.damage(rng)
            tracemalloc.reset_peak()
            before, began = tracemalloc.get_traced_memory()[0], time.process_time()
            try:
                file.read()
                found["loaded right"] += 1
            except TinynetError as error:
                found["error"] += 1 if str(folder) in str(error) else 0  # it names the file
            except BaseException as error:
                error.add_note(f"{form}, seed {seed}, case {case}")
                raise
            seconds, room = time.process_time() - began, tracemalloc.get_traced_memory()[1] - before
            assert seconds < MOST_SECONDS, f"{form}, seed {seed}, case {case} took {seconds:.2f} s"
            assert room < MOST_BYTES, f"{form}, seed {seed}, case {case} took {room:,} bytes"
    finally:
        tracemalloc.stop()
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", type=int)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    share = -(-arguments.cases // len(MAKERS))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for form in MAKERS:
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            found = fuzz(form, Path(folder) / "files", share, arguments.seed)
        print(f"{form}: {share:,} cases in {time.monotonic() - began:.0f} s: {dict(found)}", flush=True)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    print(f"{share * len(MAKERS):,} cases; the process grew by {grown} MB at most")


if __name__ == "__main__":
    main()
