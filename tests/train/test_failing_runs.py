"""A run that fails anywhere ends with the error that came, keeps the steps it made, and goes on to the same bits."""

import ast
import itertools
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from numba import config

import tinynet as tn
from tinynet.errors import DataError, WriteError

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(24, 4)).astype(np.float32), RNG.integers(0, 3, 24)


def train(folder, *callbacks, x=X, resume=None, compiled=False):
    model = tn.Sequential([tn.Input((4,)), tn.Dense(5, "relu"), tn.Dropout(0.2), tn.Dense(3, "softmax")], seed=0)
    options = {"optimizer": tn.Adam(), "validation_data": (X, Y), "seed": 1, "verbose": 0, "compiled": compiled}
    callbacks = [tn.Checkpoint(folder / "last", every_batches=1), *callbacks]
    try:
        model.fit(x, Y, epochs=3, batch_size=8, callbacks=callbacks, resume=resume, **options)
    except BaseException as error:
        error.model = model
        raise
    return model


def same_after_resuming(folder, whole, **options):
    last = folder / "last"
    return np.array_equal(train(folder, resume=last if last.exists() else None, **options).theta, whole.theta)


ALLOCATING = ("array", "concatenate", "copy", "empty", "empty_like", "full", "stack", "zeros", "zeros_like")


class Memory:
    """NumPy for all of tinynet's code, whose n-th new array is one too many."""

    def __init__(self, monkeypatch):
        self.calls, self.fails_at = 0, 0
        for name, module in list(sys.modules.items()):
            if name.startswith("tinynet.") and not name.startswith("tinynet.fast.kernels") and hasattr(module, "np"):
                monkeypatch.setattr(module, "np", self)

    def __getattr__(self, name):
        found = getattr(np, name)
        return (lambda *args, **kwargs: self.call(found, *args, **kwargs)) if name in ALLOCATING else found

    def call(self, function, *args, **kwargs):
        self.calls += 1
        if self.calls == self.fails_at:
            raise MemoryError("Unable to allocate 8 GiB")
        return function(*args, **kwargs)


@pytest.mark.slow
@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "eager"])
def test_memory_that_ends_at_any_array_costs_no_more_than_the_step(tmp_path, monkeypatch, compiled):
    thetas = []

    class Note:
        def on_train_begin(self, run):
            thetas.append(run.model.theta.copy())

        on_batch_end = on_train_begin

    whole = train(tmp_path, Note(), compiled=compiled)
    memory = Memory(monkeypatch)
    train(tmp_path, compiled=compiled)
    total = memory.calls
    assert total > 100
    for n in np.linspace(1, total, 8).astype(int):
        folder = tmp_path / str(n)
        folder.mkdir()
        memory.calls, memory.fails_at = 0, n
        with pytest.raises(MemoryError, match="8 GiB") as told:
            train(folder, compiled=compiled)
        memory.fails_at = 0
        kept = tn.load(folder / "last").theta if (folder / "last").exists() else thetas[0]
        left = told.value.model.theta if hasattr(told.value, "model") else thetas[0]
        made, saved = (next(i for i, step in enumerate(thetas) if np.array_equal(step, x)) for x in (left, kept))
        assert made - saved in (0, 1)
        assert same_after_resuming(folder, whole, compiled=compiled)


class Source:
    """Samples as a network would hand them out, that fails at the n-th time of asking."""

    shape, dtype = X.shape, X.dtype

    def __init__(self, fails_at):
        self.left = fails_at

    def __len__(self):
        return len(X)

    def __getitem__(self, indices):
        self.left -= 1
        if self.left == 0:
            raise ConnectionError("the server has gone")
        return X[indices]


@pytest.mark.parametrize("fails_at", [1, 2, 3])
def test_a_source_of_data_that_fails_is_told_with_its_error(tmp_path, fails_at):
    (tmp_path / "whole").mkdir()
    whole = train(tmp_path / "whole", x=Source(-1))
    with pytest.raises(DataError, match=r"x cannot be read at samples .*the server has gone"):
        train(tmp_path, x=Source(fails_at))
    assert same_after_resuming(tmp_path, whole, x=Source(-1))


def test_a_directory_that_is_removed_under_a_run_is_told_and_the_model_is_kept(tmp_path):
    folder, seen = tmp_path / "run", []
    folder.mkdir()

    def remove(run):
        seen.append(run.model.theta.copy())
        if run.epoch == 2:
            shutil.rmtree(folder)

    with pytest.raises(WriteError, match=r"could not write .*last.*Check that the directory exists") as told:
        train(folder, remove)
    np.testing.assert_array_equal(told.value.model.theta, seen[-1])
    told.value.model.save(tmp_path / "kept")


OF_THE_DAY = {
    "time": {"time", "time_ns", "localtime", "gmtime", "ctime", "strftime"},
    "datetime": {"now", "utcnow", "today"},
}
THAT_TRAINS = "core", "fast", "fullbatch", "nn", "ops", "optim", "saving", "train"


def test_training_reads_no_clock_that_can_be_set():
    """Times are differences of clocks that only go on. (The date of a run is written by its command.)"""
    read = []
    for path in (path for folder in THAT_TRAINS for path in (Path(tn.__file__).parent / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute):
                of = node.value.id if isinstance(node.value, ast.Name) else node.value.attr
                read += [f"{path}: {of}.{node.attr}"] * (node.attr in OF_THE_DAY.get(of, ()))
            if isinstance(node, ast.ImportFrom) and node.module in OF_THE_DAY:
                assert not {alias.name for alias in node.names} & OF_THE_DAY["time"], path
    assert read == []


@pytest.mark.parametrize("leap", [0, 1e9])
@pytest.mark.parametrize("name", ["perf_counter", "monotonic"])
def test_a_clock_that_stands_still_or_leaps_changes_no_bit(tmp_path, monkeypatch, name, leap):
    """As of a machine that slept: checkpoints come early or late, and sessions with the kernels end early or late."""
    whole, looks = train(tmp_path, compiled=True), itertools.count()
    monkeypatch.setattr(time, name, lambda: leap * next(looks))
    timed = tn.Checkpoint(tmp_path / "timed", every_seconds=60)
    np.testing.assert_array_equal(train(tmp_path, timed, compiled=True).theta, whole.theta)
    resumed = train(tmp_path, timed, resume=tmp_path / "last", compiled=True)
    np.testing.assert_array_equal(resumed.theta, whole.theta)


KILLED = """
import sys
import numpy as np
import tinynet as tn
from tinynet.fast.kernels import build

rng = np.random.default_rng(0)
x, y = rng.normal(size=(24, 4)).astype(np.float32), rng.integers(0, 3, 24)
model = tn.Sequential([tn.Input((4,)), tn.Dense(5, "relu"), tn.Dense(3, "softmax")], seed=0)
before = model.theta.copy()
fit = lambda: model.fit(x, y, epochs=2, batch_size=8, optimizer=tn.SGD(0.1), seed=1, verbose=0)
if sys.argv[1:] == ["killed"]:
    build._helper().process.kill()
    try:
        fit()
    except tn.errors.KernelBuildError as error:
        print(str(error).splitlines()[0])
    assert np.array_equal(model.theta, before)
fit()
print(model.theta.tobytes().hex())
"""


@pytest.mark.slow
@pytest.mark.skipif(bool(config.DISABLE_JIT or config.BOUNDSCHECK), reason="kernels are built in another process here")
def test_a_run_whose_builder_of_kernels_is_killed_has_made_no_step_and_can_be_made_again(tmp_path):
    """With an empty cache, and with the kernels that the second call built."""
    outputs = []
    for arguments in (["killed"], []):
        done = subprocess.run(
            [sys.executable, "-c", KILLED, *arguments],
            env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        )
        outputs.append(done.stdout.splitlines())
    (said, first), (second,) = outputs
    assert "killed by signal 9" in said
    assert first == second
