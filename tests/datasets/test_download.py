"""Downloads, from servers on this machine that misbehave in every way; nothing here needs a network."""

import gzip
import hashlib
import io
import os
import re
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.datasets.mnist_servers import (
    ARRAYS,
    CONTENTS,
    FILES,
    IMAGES,
    PACKED,
    absent,
    compressed_anew,
    dripping,
    endless,
    good,
    send,
    serve,
    silent,
    truncated,
    truncated_without_length,
    unpacked_on_the_way,
    web_page,
    wrong,
)
from tests.datasets.mnist_writers import STEMS, idx_bytes
from tinynet.datasets import load_mnist, loader, spec
from tinynet.datasets.download import cache_directory, download
from tinynet.datasets.files import read_dataset
from tinynet.datasets.spec import MNIST, RemoteFile
from tinynet.errors import DatasetError


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")


def only_the_four_files(cache):
    return sorted(path.name for path in cache.iterdir()) == sorted(CONTENTS)


@pytest.mark.parametrize("behave", [good, compressed_anew, unpacked_on_the_way])
def test_files_are_downloaded_once(behave, tmp_path, capfd):
    cache = tmp_path / "not" / "there"
    with serve(behave) as (url, asked):
        download(MNIST, cache, [url], files=FILES)
        assert asked == list(CONTENTS)
        download(MNIST, cache, [url], files=FILES)
        assert asked == list(CONTENTS)
    assert only_the_four_files(cache)
    np.testing.assert_array_equal(read_dataset(cache)["x_train"], ARRAYS["x_train"])
    assert capfd.readouterr() == ("", "")


BAD = {
    absent: "HTTP status 404 Client Error: Not Found",
    wrong: "wrong content (",
    web_page: "wrong content (26 bytes that begin with b'<html>Please log",
    truncated: "the connection broke off",
    truncated_without_length: "wrong content (",
    endless: "it sends more than",
    silent: "no data for 0.4 seconds",
    dripping: "no data for 0.4 seconds",
}


@pytest.mark.parametrize("bad", BAD)
def test_next_mirror_is_tried_after_any_failure(bad, tmp_path):
    with serve(bad) as (first, first_asked), serve(good) as (second, second_asked):
        download(MNIST, tmp_path, [first, second], timeout=1, files=FILES)  # enough for the good one on a busy machine
        assert first_asked == [IMAGES]  # the mirror that works comes first from then on
        assert second_asked == list(CONTENTS)
    assert only_the_four_files(tmp_path)
    np.testing.assert_array_equal(read_dataset(tmp_path)["y_test"], ARRAYS["y_test"])


@pytest.mark.parametrize("bad", BAD)
def test_failure_is_explained_and_leaves_nothing(bad, tmp_path):
    with serve(bad) as (url, _), pytest.raises(DatasetError) as caught:
        download(MNIST, tmp_path, [url], timeout=0.4 if bad in (silent, dripping) else 10, files=FILES)
    assert f"MNIST could not be downloaded (1 mirrors tried for {IMAGES})." in str(caught.value)
    assert f"\n  {url}: {BAD[bad]}" in str(caught.value)
    assert "set TINYNET_DATA to a directory" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_error_lists_every_mirror(tmp_path):
    with serve(absent) as (first, _), serve(wrong) as (second, _), pytest.raises(DatasetError) as caught:
        download(MNIST, tmp_path, [first, "http://127.0.0.1:9/", "nonsense://", second], files=FILES)
    message = str(caught.value)
    assert "(4 mirrors tried for" in message
    assert f"{first}: HTTP status 404" in message
    assert "http://127.0.0.1:9/: no connection: [Errno 111] Connection refused" in message
    assert "nonsense://: InvalidSchema" in message
    assert f"{second}: wrong content" in message


def test_silent_mirrors_share_the_time(tmp_path):
    began = time.perf_counter()
    with serve(silent) as (url, _), pytest.raises(DatasetError):
        download(MNIST, tmp_path, [url] * 6, timeout=0.5, files=FILES)
    assert time.perf_counter() - began < 3


def test_interrupted_download_goes_on_where_it_stopped(tmp_path):
    def fails_at_the_third(handler, name):
        (absent if name == FILES[2].name else good)(handler, name)

    with serve(fails_at_the_third) as (url, _), pytest.raises(DatasetError, match=FILES[2].name):
        download(MNIST, tmp_path, [url], files=FILES)
    (tmp_path / FILES[1].name).write_bytes(b"damaged since")
    with serve(good) as (url, asked):
        download(MNIST, tmp_path, [url], files=FILES)
        assert asked == [file.name for file in FILES[1:]]
    assert only_the_four_files(tmp_path)


def test_each_mirror_may_lack_a_file(tmp_path):
    def lacks(which):
        return lambda handler, name: (absent if name == FILES[which].name else good)(handler, name)

    with serve(lacks(0)) as (first, _), serve(lacks(1)) as (second, _):
        download(MNIST, tmp_path, [first, second], files=FILES)
    assert only_the_four_files(tmp_path)


def test_disk_that_fills_up_leaves_nothing(tmp_path, monkeypatch):
    def full(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with serve(good) as (url, _), pytest.raises(DatasetError, match=r"nothing can be written .*No space left"):
        download(MNIST, tmp_path, [url], files=FILES)
    assert list(tmp_path.iterdir()) == []


def test_cache_that_cannot_be_written_to_is_told_before_the_download(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_bytes(b"")
    cache = tmp_path / "file" / "tinynet"
    with serve(good) as (url, asked):
        with pytest.raises(DatasetError, match=r"nothing can be written to the cache(.|\n)*set XDG_CACHE_HOME"):
            download(MNIST, cache, [url], files=FILES)
        assert asked == []
    monkeypatch.delenv("TINYNET_DATA", raising=False)
    monkeypatch.delenv("TINYNET_OFFLINE", raising=False)
    monkeypatch.setattr(loader, "cache_directory", lambda: cache)
    with pytest.raises(DatasetError, match="nothing can be written"):
        load_mnist("full")
    assert load_mnist("auto").source.startswith("sample")
    assert capsys.readouterr().err.startswith("tinynet: MNIST could not be downloaded: nothing can be written to")


def test_progress_is_shown_on_a_terminal_alone(tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    def slow(handler, name):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(PACKED[name])))
        handler.end_headers()
        for at in range(0, len(PACKED[name]), 5000):
            handler.wfile.write(PACKED[name][at : at + 5000])
            time.sleep(0.1)

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with serve(slow) as (url, _):
        download(MNIST, tmp_path, [url], files=FILES[:1])
    assert IMAGES in terminal.getvalue()
    assert "kB" in terminal.getvalue()


def test_cache_is_where_the_system_keeps_caches(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_directory().name == "tinynet"


def test_checksums_are_those_of_the_files_that_the_reader_knows():
    for known in spec.SPECS.values():
        assert [file.name for file in known.files] == [f"{stem}.gz" for stem in STEMS.values()]
        assert all(re.fullmatch("[0-9a-f]{64}", file.sha256 or file.packed) for file in known.files)
        assert known.mirrors[0].startswith("https://")
        assert all(mirror.endswith("/") for mirror in known.mirrors)
        assert len(known.classes) == 10


def test_where_the_digest_of_the_compressed_file_is_known_it_alone_counts(tmp_path):
    packed = [RemoteFile(f.name, f.size, "", hashlib.sha256(PACKED[f.name]).hexdigest()) for f in FILES]
    with serve(compressed_anew) as (first, _), serve(good) as (second, _):
        download(MNIST, tmp_path, [first, second], files=packed)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == PACKED


@pytest.mark.full_mnist
@pytest.mark.skipif("TINYNET_DATA" not in os.environ, reason="needs full MNIST: set TINYNET_DATA to its directory")
def test_full_mnist_is_downloaded_and_loaded(tmp_path, monkeypatch):
    arrays = read_dataset(Path(os.environ["TINYNET_DATA"]))

    def real(handler, name):
        key = next(key for key, stem in STEMS.items() if name == f"{stem}.gz")
        send(handler, gzip.compress(idx_bytes(arrays[key]), 1))

    monkeypatch.delenv("TINYNET_DATA")
    monkeypatch.delenv("TINYNET_OFFLINE", raising=False)
    monkeypatch.setattr(loader, "cache_directory", lambda: tmp_path)
    with serve(real) as (url, asked):
        monkeypatch.setattr(loader, "_MNIST", replace(MNIST, mirrors=(url,)))
        for _ in range(2):
            data = load_mnist("full")
            assert data.source == f"full (60,000 + 10,000 images from {tmp_path})"
            np.testing.assert_array_equal(data.x_train, arrays["x_train"])
        assert asked == list(CONTENTS)
    assert only_the_four_files(tmp_path)
