"""Runs that are killed, and disks that fail: never a damaged file, never a lost one, the same bits after resuming.

Each call by which a file is written fails once, or is the last that a killed process makes. That a process is killed is
played by an exception that nothing catches, after which no call changes the disk; real kills are in `kill_runs`.
"""

import errno
import itertools
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import tinynet as tn
from tests.saving import kill_runs
from tinynet.errors import WriteError
from tinynet.saving import files

CALLS = ("open", "write", "fsync", "replace", "close")
NAMES = {"best", "last", "log.csv"}


def train(folder, resume=False):
    """Train a small network, with all that writes files, and give it with its history."""
    x = np.random.default_rng(0).normal(size=(16, 4)).astype(np.float32)
    y = x[:, :3].argmax(axis=1)
    model = tn.Sequential([tn.Input((4,)), tn.Dense(3, "softmax")], seed=0)
    callbacks = [
        tn.Checkpoint(folder / "last", every_batches=1),
        tn.Checkpoint(folder / "best", best_only=True),
        tn.CSVLogger(folder / "log.csv"),
        tn.LearningRateSchedule.plateau(patience=1, factor=0.5),
    ]
    last = folder / "last" if resume and (folder / "last").exists() else None
    options = {"optimizer": tn.Adam(2.0), "validation_data": (x[:5], y[:5]), "seed": 3, "verbose": 0, "compiled": False}
    history = model.fit(x, y, epochs=2, batch_size=8, callbacks=callbacks, resume=last, **options)
    return model, history


class Killed(BaseException):
    """What ends a process that is killed."""


class Disk:
    """Lets the n-th of all calls that write fail, or be the last before the process is killed."""

    def __init__(self, monkeypatch, n, error=None, half=False):
        self.n, self.error, self.half, self.calls, self.dead = n, error, half, [], False
        failing = {name: self.failing(name, getattr(os, name)) for name in CALLS}
        monkeypatch.setattr(files, "os", SimpleNamespace(**vars(os) | failing))  # others, such as Numba, have theirs
        unlink = Path.unlink
        monkeypatch.setattr(Path, "unlink", lambda path, **options: None if self.dead else unlink(path, **options))

    def failing(self, name, function):
        def call(*arguments, **options):
            if self.dead:
                if name == "close":
                    return function(*arguments)
                raise Killed
            self.calls.append(name)
            if len(self.calls) == self.n and not (self.error and name == "close"):
                if name == "write" and self.half:
                    function(arguments[0], arguments[1][: len(arguments[1]) // 2])
                self.dead = self.error is None
                if name == "close":
                    function(*arguments)
                raise Killed if self.dead else OSError(self.error, os.strerror(self.error))
            return function(*arguments, **options)

        return call


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """A run left alone: its model, its history, and its calls."""
    folder = tmp_path_factory.mktemp("alone")
    with pytest.MonkeyPatch.context() as monkeypatch:
        disk = Disk(monkeypatch, 0)
        model, history = train(folder)
    assert {path.name for path in folder.iterdir()} == NAMES
    return model, history, disk.calls, folder


def assert_whole(folder):
    """All that is there is whole, and nothing is there besides but what a dead process may leave."""
    for path in folder.iterdir():
        if path.name in ("best", "last"):
            tn.load(path)
        elif path.name == "log.csv":
            lines = path.read_text().rpartition("\n")[0].splitlines()  # a row may be cut off at the end
            assert len({line.count(",") for line in lines}) == 1
        else:
            assert re.fullmatch(r"\.(best|last|log\.csv)\.\d+-[0-9a-f]{8}\.tmp", path.name)


def assert_ends_alike(folder, alone):
    model, history = train(folder, resume=True)
    np.testing.assert_array_equal(model.theta, alone[0].theta)
    assert history.history == alone[1].history
    for name in ("best", "last"):
        np.testing.assert_array_equal(tn.load(folder / name).theta, tn.load(alone[3] / name).theta)


def test_a_run_killed_at_any_point_at_which_it_writes_is_resumed_to_the_same_bits(alone, tmp_path, monkeypatch):
    calls = alone[2]
    assert set(calls) == set(CALLS)
    for n in range(1, len(calls) + 1):
        folder = tmp_path / str(n)
        folder.mkdir()
        with monkeypatch.context() as patched:
            Disk(patched, n, half=True)
            with pytest.raises(Killed):
                train(folder)
        assert_whole(folder)
        assert_ends_alike(folder, alone)


def test_a_disk_that_fails_at_any_point_is_told_and_the_run_is_resumed_to_the_same_bits(alone, tmp_path, monkeypatch):
    codes = itertools.cycle((errno.ENOSPC, errno.EACCES, errno.EIO, errno.EDQUOT))
    points = [n for n, name in enumerate(alone[2], 1) if name != "close"]
    for n, code in zip(points, codes, strict=False):
        folder = tmp_path / str(n)
        folder.mkdir()
        with monkeypatch.context() as patched:
            Disk(patched, n, code, half=True)
            with pytest.raises(
                WriteError, match=rf"could not write .*: {os.strerror(code)}; (nothing was|it is th)"
            ) as e:
                train(folder)
        assert e.value.errno == code
        assert {path.name for path in folder.iterdir()} <= NAMES  # no temporary file is left
        assert_whole(folder)
        assert_ends_alike(folder, alone)


# --- what killed processes leave


def dead_process():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_what_a_dead_process_has_left_is_removed_and_nothing_else(tmp_path):
    ours = f".last.{dead_process()}-0123abcd.tmp"
    others = [
        f".last.{os.getpid()}-0123abcd.tmp",  # of this process, which lives
        f".last.{os.getppid()}-0123abcd.tmp",
        f".best.{dead_process()}-0123abcd.tmp",  # for another file
        ".last.tmp",
        ".last.12-x.tmp",
        "last.5-0123abcd.tmp",
    ]
    for name in (ours, *others):
        (tmp_path / name).write_text("x")
    files.write_atomically(tmp_path / "last", b"new")
    assert {path.name for path in tmp_path.iterdir()} == {"last", *others}


def test_a_temporary_file_that_is_locked_is_in_use(tmp_path):
    import fcntl

    name = tmp_path / f".last.{dead_process()}-0123abcd.tmp"
    with name.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        files.write_atomically(tmp_path / "last", b"new")
        assert name.exists()
    files.write_atomically(tmp_path / "last", b"new")
    assert not name.exists()


def test_runs_into_one_directory_at_once_leave_whole_files(tmp_path):
    """Who comes second is refused, unless the first has ended by then; every file can be read at any time."""
    code = "import sys; from pathlib import Path; from tests.saving.test_faults import train; train(Path(sys.argv[1]))"
    where = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, sys.path)])}
    options = {"env": where, "stderr": subprocess.PIPE, "text": True}
    running = [subprocess.Popen([sys.executable, "-c", code, tmp_path], **options) for _ in range(2)]
    while any(process.poll() is None for process in running):
        for name in ("best", "last"):
            if (tmp_path / name).exists():
                tn.load(tmp_path / name)
    told = [process.communicate()[1] for process in running]
    assert 0 in [process.returncode for process in running]
    assert all("WriteError" in text for text, process in zip(told, running, strict=True) if process.returncode)
    assert {path.name for path in tmp_path.iterdir()} == NAMES


def test_a_run_that_is_killed_again_and_again_ends_in_the_same_bits(tmp_path):
    """In real processes, killed at random; `python tests/saving/kill_runs.py` does more of it."""
    found = kill_runs.kill_runs(tmp_path, "softmax", kills=2, epochs=40, seed=int.from_bytes(os.urandom(2), "little"))
    assert found.kills == 2
    assert found.complete >= 1
