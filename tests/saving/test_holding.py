"""A file is held by one run at a time: by its place, whatever it is called, until the lock is closed or gone."""

import errno
import os
import socket
from pathlib import Path

import pytest

from tinynet.errors import WriteError
from tinynet.saving import holding
from tinynet.saving.holding import hold


def test_a_place_is_held_once_by_whatever_name_and_is_free_again_when_it_is_closed(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "file")
    with hold(tmp_path / "file", "a table"), hold(tmp_path / "other", "a table"):
        with pytest.raises(WriteError, match=f"writes a checkpoint to {tmp_path / 'link'} now") as told:
            hold(tmp_path / "link", "a checkpoint")
        assert told.value.errno == errno.EBUSY
    hold(tmp_path / "link", "a checkpoint").close()


def test_a_system_without_such_names_holds_nothing_and_says_nothing(tmp_path, monkeypatch):
    class Socket(socket.socket):
        def bind(self, name):
            raise OSError(errno.EINVAL, "no abstract names")

    monkeypatch.setattr(socket, "socket", Socket)
    with hold(tmp_path / "file", "a table"), hold(tmp_path / "file", "a table"):
        pass


def test_a_forked_child_lets_go_of_what_its_parent_holds(tmp_path):
    with hold(tmp_path / "file", "a table") as lock:
        assert lock in holding._held
        child = os.fork()
        if child == 0:
            os._exit(lock.fileno() == -1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
        assert lock.fileno() >= 0


def test_devices_are_held_by_nobody():
    with hold(Path(os.devnull), "a table"), hold(Path(os.devnull), "a table"):
        pass
