"""A run that fails anywhere ends with the error that came, keeps the steps it made, and goes on to the same bits."""

import shutil
import sys
import time

import numpy as np
import pytest

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


@pytest.mark.parametrize("jump", [-1e9, 1e9])
def test_a_clock_that_is_set_during_a_run_changes_nothing(tmp_path, monkeypatch, jump):
    whole = train(tmp_path)
    clock, epochs = time.time, []

    def set_clock(run):
        epochs.append(run.epoch)
        monkeypatch.setattr(time, "time", lambda: clock() + jump)

    found = train(tmp_path, set_clock, tn.Checkpoint(tmp_path / "timed", every_seconds=60))
    np.testing.assert_array_equal(found.theta, whole.theta)
