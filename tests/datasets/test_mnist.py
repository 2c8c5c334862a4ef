"""The loader: which source is taken, and what is said when it cannot be."""

import hashlib
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.datasets.mnist_writers import STEMS, idx_bytes, make_arrays, npz_bytes, write, write_idx
from tinynet.datasets import load_mnist, loader, mnist
from tinynet.datasets.spec import MNIST
from tinynet.errors import ArgumentError, DatasetError, FileFormatError


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Give an empty cache, no configured directory and no network."""
    monkeypatch.delenv("TINYNET_DATA", raising=False)
    monkeypatch.setenv("TINYNET_OFFLINE", "1")
    monkeypatch.setattr(loader, "cache_directory", lambda: tmp_path / "cache")
    return tmp_path / "cache"


def make_full():
    """Make a set of the full size, in black."""
    return {
        "x_train": np.zeros((60_000, 28, 28), np.uint8),
        "y_train": np.zeros(60_000, np.uint8),
        "x_test": np.zeros((10_000, 28, 28), np.uint8),
        "y_test": np.zeros(10_000, np.uint8),
    }


@pytest.fixture
def black(monkeypatch):
    """Let the set in black be MNIST, by its digests."""
    digests = [hashlib.sha256(idx_bytes(array)).hexdigest() for array in make_full().values()]
    files = tuple(file._replace(sha256=digest) for file, digest in zip(MNIST.files, digests, strict=True))
    monkeypatch.setattr(loader, "_MNIST", replace(MNIST, files=files))


def test_sample_is_balanced_and_its_own_at_each_call(monkeypatch, capsys):
    monkeypatch.setenv("TINYNET_DATA", "absent")  # the sample never looks at it
    (x_train, y_train), (x_test, y_test) = mnist("sample")
    assert x_train.shape == (4000, 28, 28)
    assert x_test.shape == (1000, 28, 28)
    assert x_train.dtype == y_train.dtype == x_test.dtype == y_test.dtype == np.uint8
    np.testing.assert_array_equal(np.bincount(y_train), [400] * 10)
    np.testing.assert_array_equal(np.bincount(y_test), [100] * 10)
    assert x_train.max() == 255
    x_train[:] = 0
    assert mnist("sample")[0][0].max() == 255
    assert capsys.readouterr() == ("", "")


def test_auto_falls_back_to_the_sample_and_says_so_in_a_line(capsys):
    data = load_mnist()
    assert data.source == "sample (4,000 + 1,000 images embedded in tinynet)"
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "TINYNET_OFFLINE forbids" in err
    assert "using the embedded sample of 4,000 + 1,000 images" in err
    assert "set TINYNET_DATA to a directory" in err


def test_full_never_falls_back(cache, capsys):
    with pytest.raises(DatasetError, match=r"TINYNET_OFFLINE forbids(.|\n)*set TINYNET_DATA to a directory") as caught:
        mnist("full")
    assert str(cache) in str(caught.value)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("value", ["", "0"])
def test_downloads_happen_unless_they_are_forbidden(value, cache, monkeypatch, capsys):
    asked = []

    def download(spec, directory):
        asked.append(directory)
        raise DatasetError("no mirror answered.\n  details\nadvice")

    monkeypatch.setenv("TINYNET_OFFLINE", value)
    monkeypatch.setattr(loader, "download", download)
    load_mnist("auto")
    assert asked == [cache]
    assert capsys.readouterr().err.startswith("tinynet: no mirror answered; using the embedded sample")
    with pytest.raises(DatasetError, match="no mirror answered"):
        load_mnist("full")


def test_cache_is_used_when_it_holds_the_full_set(cache, black):
    write_idx(cache, make_full())
    for source in ("auto", "full"):
        data = load_mnist(source)
        assert data.source == f"full (60,000 + 10,000 images from {cache})"
        assert data.x_train.shape == (60_000, 28, 28)


@pytest.mark.parametrize("state", ["damaged", "partial"])
def test_bad_cache_is_downloaded_again(state, cache, black, monkeypatch):
    write_idx(cache, make_full())
    path = cache / STEMS["y_test"]
    path.write_bytes(b"damaged") if state == "damaged" else path.unlink()
    monkeypatch.delenv("TINYNET_OFFLINE")
    monkeypatch.setattr(loader, "download", lambda spec, directory: write_idx(directory, make_full()))
    assert load_mnist("full").source.startswith("full")


def test_configured_directory_is_used_before_the_cache(tmp_path, cache, monkeypatch, capsys):
    cache.mkdir()
    (cache / "mnist.npz").write_bytes(b"damaged")
    arrays = make_arrays()
    for path in (write_idx(tmp_path / "idx", arrays, ".gz"), write(tmp_path / "a.npz", npz_bytes(arrays))):
        monkeypatch.setenv("TINYNET_DATA", str(path))
        data = load_mnist()
        np.testing.assert_array_equal(data.x_test, arrays["x_test"])
        assert data.source == f"part (20 + 10 images from {path})"
    assert capsys.readouterr() == ("", "")


def test_home_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path / "mnist.npz", npz_bytes(make_arrays()))
    assert load_mnist("~").source == load_mnist(tmp_path).source
    monkeypatch.setenv("TINYNET_DATA", "~/mnist.npz")
    assert load_mnist().source == f"part (20 + 10 images from {tmp_path / 'mnist.npz'})"


@pytest.mark.parametrize("source", ["auto", "full"])
def test_configured_path_that_is_no_use_is_an_error_and_no_fallback(source, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TINYNET_DATA", str(tmp_path / "absent"))
    with pytest.raises(
        DatasetError,
        match=r"TINYNET_DATA=.*absent cannot be used\. It does not exist\. Unset it, or set it to a directory",
    ):
        mnist(source)
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("TINYNET_DATA", str(tmp_path / "empty"))
    with pytest.raises(DatasetError, match=r"TINYNET_DATA=.*empty cannot be used\. .*no MNIST files here"):
        mnist(source)
    monkeypatch.setenv("TINYNET_DATA", str(write(tmp_path / "mnist.npz", b"damaged")))
    with pytest.raises(FileFormatError, match=r"TINYNET_DATA=.*cannot be used\. .*mnist\.npz: not a complete npz file"):
        mnist(source)
    assert capsys.readouterr() == ("", "")


def test_full_refuses_a_part(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYNET_DATA", str(write_idx(tmp_path / "idx", make_arrays())))
    with pytest.raises(DatasetError, match=r"20 \+ 10 images, where source='full' needs 60,000 \+ 10,000"):
        mnist("full")


@pytest.mark.parametrize(
    "source", ["fulll", "no/such/path", Path("absent"), "", "a\0b", "~nobody-has-this-name/x", 5, None]
)
def test_unknown_source_is_an_argument_error(source):
    with pytest.raises(
        ArgumentError, match=r"neither 'auto', 'full' or 'sample' nor a path that exists\. As a path, give"
    ):
        mnist(source)


def test_path_is_used_and_its_errors_are_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYNET_DATA", "absent")  # a path given is preferred to it
    write_idx(tmp_path / "sample", make_arrays())
    monkeypatch.chdir(tmp_path)
    assert load_mnist("./sample").source == "part (20 + 10 images from sample)"
    assert load_mnist(Path("sample")).source == "part (20 + 10 images from sample)"
    assert load_mnist("sample").source.startswith("sample (4,000")
    with pytest.raises(FileFormatError, match=r"damaged\.mat"):
        mnist(write(tmp_path / "damaged.mat", b"damaged"))
    with pytest.raises(DatasetError, match=r"readme\.txt: not an \.npz or \.mat file"):
        mnist(write(tmp_path / "readme.txt", b""))


def test_repr_is_short():
    assert repr(load_mnist("sample")) == "Dataset(source='sample (4,000 + 1,000 images embedded in tinynet)')"


def test_import_and_sample_need_neither_network_nor_display_libraries():
    code = (
        "import sys, tinynet.datasets as d; d.mnist('sample'); print({'pooch', 'requests', 'rich'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"


@pytest.mark.full_mnist
@pytest.mark.skipif("TINYNET_DATA" not in os.environ, reason="needs full MNIST: set TINYNET_DATA to its directory")
def test_full_mnist(monkeypatch):
    monkeypatch.undo()  # the fixture hides TINYNET_DATA from the other tests
    data = load_mnist("full")
    assert data.source.startswith("full (60,000 + 10,000 images from ")
    np.testing.assert_array_equal(
        np.bincount(data.y_train), [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    )
    np.testing.assert_array_equal(np.bincount(data.y_test), [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009])
    assert int(data.x_train.sum(dtype=np.int64)) == 1567298545


def test_the_sample_is_read_from_a_package_in_a_zip(tmp_path):
    package = Path(loader.__file__).parents[1]
    with zipfile.ZipFile(tmp_path / "tinynet.zip", "w") as archive:
        for path in [*package.rglob("*.py"), package / "datasets" / "mnist_sample.npz"]:
            archive.write(path, path.relative_to(package.parent))
    code = "import tinynet as tn; print(tn.__file__, len(tn.datasets.digits().x_train))"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "tinynet.zip")}
    run = subprocess.run(
        [sys.executable, "-P", "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == [str(tmp_path / "tinynet.zip" / "tinynet" / "__init__.py"), "4000"]
