"""What is added to a file is there as a whole or not at all, and a pipe that is read slowly gets all of it."""

import fcntl
import os
import resource
import threading
import time
from pathlib import Path

import pytest

from tinynet.errors import WriteError
from tinynet.saving import files


def test_a_row_that_the_disk_cuts_short_is_taken_back(tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(b"epoch,loss\n")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, hard))
    try:
        with pytest.raises(WriteError, match=f"could not write {path}: File too large; nothing was changed"):
            files.append(path, b"1," * 20)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == b"epoch,loss\n"
    files.append(path, b"1,0.5\n")
    assert path.read_bytes() == b"epoch,loss\n1,0.5\n"


def test_a_device_that_is_full_is_told_when_something_is_added():
    with pytest.raises(WriteError, match="could not write /dev/full: No space left on device; nothing was changed"):
        files.append("/dev/full", b"1,0.5\n")


def test_a_pipe_that_is_read_slowly_gets_all(tmp_path):
    pipe, content = tmp_path / "pipe", os.urandom(3 * 2**16)
    os.mkfifo(pipe)
    handle = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(handle, True)
    writer = threading.Thread(target=files.write_atomically, args=(pipe, content))
    writer.start()
    time.sleep(0.05)
    with os.fdopen(handle, "rb") as reader:
        assert reader.read() == content
    writer.join()


def test_a_file_is_locked_while_it_is_written(tmp_path, monkeypatch):
    """Other processes in other containers, where its process is not known, then do not take it for abandoned."""
    write, tried = files._write_all, []

    def look(handle, content):
        (beside,) = tmp_path.iterdir()
        with beside.open() as other:
            try:
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                tried.append(beside)
        write(handle, content)

    monkeypatch.setattr(files, "_write_all", look)
    files.write_atomically(tmp_path / "file", b"content")
    assert len(tried) == 1


def test_all_bits_of_a_mode_that_are_permissions_are_kept_and_no_others(tmp_path):
    path = tmp_path / "file"
    path.touch()
    path.chmod(0o4777)
    files.write_atomically(path, b"content")
    assert path.stat().st_mode & 0o7777 == 0o777


@pytest.mark.parametrize(("length", "kept"), [(200, True), (201, False)])
def test_names_that_leave_no_room_are_digests(length, kept):
    name = "é" * 100 + "x" * (length - 200)
    assert (files._short(name) == name) == kept
    assert len(files._short(Path(name).name)) <= 200


def test_no_handle_is_left_open(tmp_path):
    def handles():
        return len(list(Path("/proc/self/fd").iterdir()))

    stale = tmp_path / ".file.999999999-01234567.tmp"
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    before = handles()
    for _ in range(3):
        stale.touch()
        files.write_atomically(tmp_path / "file", b"content")
        files.append(tmp_path / "file", b"more")
        files.write_atomically(tmp_path / "pipe", b"content")
    assert handles() == before
    os.close(reader)


def test_what_a_process_of_another_user_writes_is_left_alone(tmp_path, monkeypatch):
    def refuse(process, signal):
        assert (process, signal) == (999999999, 0)
        raise PermissionError

    (tmp_path / ".file.999999999-01234567.tmp").touch()
    monkeypatch.setattr(os, "kill", refuse)
    files.write_atomically(tmp_path / "file", b"content")
    assert len(list(tmp_path.iterdir())) == 2
