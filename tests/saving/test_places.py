"""Where files go: links, modes and owners are kept, pipes are never replaced, and what cannot be is told beforehand."""

import errno
import os
import socket
import stat
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

import tinynet as tn
from tinynet.errors import ArgumentError, WriteError
from tinynet.saving import files, places
from tinynet.saving.holding import hold
from tinynet.saving.places import as_path, check_place, make_writable

X, Y = np.eye(2), np.array([0, 1])


def model():
    return tn.Sequential([tn.Input((2,)), tn.Dense(2)], seed=0)


def test_a_symbolic_link_stays_one_and_its_target_is_written(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "link"
    for target in ("elsewhere/there", "elsewhere/new"):
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        if target.endswith("there"):
            link.write_bytes(b"old")
        model().save(link)
        assert link.is_symlink()
        assert tn.load(tmp_path / target).theta.size == 6
    assert {path.name for path in (tmp_path / "elsewhere").iterdir()} == {"there", "new"}


def test_links_in_a_circle_are_an_error(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(WriteError, match="nothing was changed"):
        model().save(tmp_path / "a")
    assert (tmp_path / "a").is_symlink()


def test_the_mode_and_the_owner_of_a_file_are_kept(tmp_path):
    path = tmp_path / "secret"
    path.touch(mode=0o600)
    path.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(path, 1234, 2345)
    before = path.stat()
    model().save(path)
    after = path.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert after.st_size > 0


def test_another_hard_link_keeps_the_old_content(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    os.link(tmp_path / "a", tmp_path / "b")
    files.write_atomically(tmp_path / "a", b"new")
    assert ((tmp_path / "a").read_bytes(), (tmp_path / "b").read_bytes()) == (b"new", b"old")


def test_a_pipe_that_is_read_gets_the_content_and_one_that_is_not_is_an_error(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(WriteError, match="could not write"):
        files.write_atomically(pipe, b"content")
    found = []
    reader = threading.Thread(target=lambda: found.append(pipe.read_bytes()))
    reader.start()
    while not found:  # until the reader has opened it
        try:
            files.write_atomically(pipe, b"content")
        except WriteError:
            continue
        break
    reader.join()
    assert found == [b"content"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    files.write_atomically(os.devnull, b"content")
    assert Path(os.devnull).is_char_device()


@pytest.mark.parametrize("callback", [tn.Checkpoint, tn.CSVLogger])
@pytest.mark.parametrize("kind", ["pipe", "socket", "directory", "long", "circle", "mounted", "nowhere"])
def test_what_cannot_be_written_again_and_again_is_refused_before_training(tmp_path, monkeypatch, kind, callback):
    path = tmp_path / kind
    listening = socket.socket(socket.AF_UNIX)
    monkeypatch.chdir(tmp_path)  # the name of a socket is short
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        listening.bind(kind)
    elif kind == "directory":
        path.mkdir()
    elif kind == "long":
        path = tmp_path / ("x" * 300)
    elif kind == "circle":
        path.symlink_to("circle")
    elif kind == "mounted":
        path = tmp_path / "a name"
        path.touch()
        mounts = tmp_path / "mounts"
        mounts.write_text(f"1 2 0:3 / {str(path.resolve()).replace(' ', chr(92) + '040')} rw - ext4 x rw\n")
        monkeypatch.setattr(places, "_MOUNTS", mounts)
    else:
        path = tmp_path / "nowhere" / "file"
    network = model()
    before = network.theta.copy()
    with pytest.raises(WriteError, match=r"where (a checkpoint|the table) is to be"):
        network.fit(X, Y, epochs=1, verbose=0, callbacks=[callback(path)])
    listening.close()
    np.testing.assert_array_equal(network.theta, before)


def test_names_may_be_as_long_as_the_file_system_takes_them(tmp_path):
    path = tmp_path / ("é" * 127)
    stale = tmp_path / f".{files._short(path.name)}.999999999-01234567.tmp"
    stale.touch()
    model().fit(X, Y, epochs=1, verbose=0, callbacks=[tn.Checkpoint(path)])
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def failing_for_directories(code):
    def sync(handle):
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(code, os.strerror(code))

    return sync


def test_a_directory_that_cannot_be_synced_does_not_end_a_run(tmp_path, monkeypatch):
    for code in (errno.EINVAL, errno.ENOTSUP):
        monkeypatch.setattr(os, "fsync", failing_for_directories(code))
        model().save(tmp_path / "model")
    monkeypatch.setattr(os, "fsync", failing_for_directories(errno.EIO))
    with pytest.raises(WriteError, match="it is there, but might not be after a power failure"):
        model().save(tmp_path / "model")


def test_what_another_user_has_left_is_no_error(tmp_path, monkeypatch):
    stale = tmp_path / ".model.999999999-01234567.tmp"
    stale.touch()
    opened = os.open

    def refuse(path, *arguments, **options):
        if str(path) == str(stale):
            raise PermissionError(errno.EACCES, "not yours")
        return opened(path, *arguments, **options)

    monkeypatch.setattr(os, "open", refuse)
    model().save(tmp_path / "model")
    assert stale.exists()


def test_a_leading_tilde_is_the_home_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    network = model()
    network.save("~/model")
    callbacks = [tn.Checkpoint("~/last"), tn.CSVLogger("~/log.csv")]
    network.fit(X, Y, epochs=1, verbose=0, callbacks=callbacks)
    network.fit(X, Y, epochs=2, verbose=0, callbacks=callbacks, resume="~/last")
    assert {path.name for path in tmp_path.iterdir()} == {"model", "last", "log.csv"}
    assert tn.load("~/model").theta.size == 6
    for home in ("", "relative"):
        monkeypatch.setenv("HOME", home)
        with pytest.raises(ArgumentError, match="no home directory"):
            network.save("~/model")
    assert as_path("a file", "~model/x") == Path("~model/x")
    assert as_path("a file", b"a/~") == Path("a/~")


@pytest.mark.parametrize("lacking", [os.W_OK, os.X_OK])
def test_a_directory_must_be_one_to_write_to_and_to_enter(tmp_path, monkeypatch, lacking):
    check_place(tmp_path / "file", "a table")
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & lacking)
    with pytest.raises(WriteError, match=f"{tmp_path}, where a table is to be, is not a directory to write to"):
        check_place(tmp_path / "file", "a table")


def test_a_directory_is_made_with_those_above_it_and_tried(tmp_path, monkeypatch):
    for _ in range(2):
        make_writable(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    assert not list((tmp_path / "a" / "b").iterdir())

    def refuse(**place):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(places.tempfile, "TemporaryFile", refuse)
    with pytest.raises(OSError, match="Read-only"):
        make_writable(tmp_path / "a")


def test_what_is_mounted_is_known_where_the_system_tells(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    mounts = tmp_path / "mounts"
    monkeypatch.setattr(places, "_MOUNTS", mounts)
    check_place(tmp_path / "file", "a table")  # no such list
    mounts.write_text("1 2 0:3 /\n")
    check_place(tmp_path / "file", "a table")  # another kind of list
    mounts.write_text(f"1 2 0:3 {tmp_path / 'file'} / rw\n1 2 0:3 / {tmp_path} rw\n")
    check_place(tmp_path / "file", "a table")  # mounted from there, and the directory is mounted
    assert not places._is_mount_point(tmp_path)


WRITERS = {
    "checkpoint": tn.Checkpoint,
    "best": lambda path: tn.Checkpoint(path, "loss", best_only=True),
    "table": tn.CSVLogger,
}


@pytest.mark.parametrize("kind", WRITERS)
def test_a_file_to_which_another_run_writes_is_refused_before_training(kind, tmp_path):
    path = tmp_path / "file"
    (tmp_path / "link").symlink_to(path)
    options = {"epochs": 1, "seed": 0, "verbose": 0}
    refused, begun = [], os.pipe()

    def meanwhile(run):
        other, epochs = model(), []
        writers = [WRITERS[kind](tmp_path / "link"), epochs.append]
        with pytest.raises(WriteError, match=r"another run, or another callback of this one, writes .* to .*link now"):
            other.fit(X, Y, callbacks=writers, **options)
        assert epochs == []
        other.fit(X, Y, callbacks=[WRITERS[kind](tmp_path / "other")], **options)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of Python from 3.12 on: there are threads
            child = os.fork()
        if child == 0:  # which outlives the run, and does not keep the file
            os.write(begun[1], b"!")
            time.sleep(0.5)
            os._exit(0)
        os.read(begun[0], 1)  # from here on; it had the file when it was made
        refused.append(run)

    model().fit(X, Y, callbacks=[WRITERS[kind](path), meanwhile], **options)
    assert len(refused) == 1
    model().fit(X, Y, callbacks=[WRITERS[kind](path)], **options)
    os.wait()
    for end in begun:
        os.close(end)


def test_a_file_is_free_again_after_a_run_that_failed(tmp_path):
    def fail(run):
        raise OSError("the disk is gone")

    writers = [tn.Checkpoint(tmp_path / "file"), tn.CSVLogger(tmp_path / "table")]
    for _ in range(2):
        with pytest.raises(OSError, match="the disk is gone"):
            model().fit(X, Y, epochs=1, callbacks=[*writers, fail], verbose=0)
    model().fit(X, Y, epochs=1, callbacks=writers, verbose=0)


def test_the_null_device_takes_what_several_runs_write():
    with hold(Path(os.devnull), "a table"), hold(Path(os.devnull), "a table"):
        pass


@pytest.mark.parametrize("path", ["", None, 5, "a\0b", True], ids=repr)
def test_what_is_no_path_is_an_error_of_the_package(path):
    network = model()
    for use in (network.save, tn.load, tn.Checkpoint, tn.CSVLogger):
        with pytest.raises(ArgumentError, match="the path of"):
            use(path)
    if path is not None:
        with pytest.raises(ArgumentError, match="the path of a checkpoint"):
            network.fit(X, Y, epochs=1, verbose=0, resume=path)
