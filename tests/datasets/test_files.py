"""Files of every form load right, and a set whose files do not fit together is refused."""

import os

import numpy as np
import pytest

from tests.datasets.mnist_writers import (
    FORMS,
    STEMS,
    idx_bytes,
    make_arrays,
    mat_bytes,
    matrices,
    npz_bytes,
    write,
    write_idx,
)
from tinynet.datasets.files import read_dataset, read_files
from tinynet.datasets.spec import MNIST
from tinynet.errors import DatasetError, FileFormatError


@pytest.mark.parametrize("form", FORMS)
def test_each_form_loads_right(form, tmp_path):
    arrays = make_arrays()
    loaded = read_dataset(FORMS[form](tmp_path, arrays))
    assert list(loaded) == list(arrays)
    for key, values in loaded.items():
        np.testing.assert_array_equal(values, arrays[key], strict=True)
        assert values.flags.c_contiguous
        assert values.flags.writeable


def test_gzip_is_known_by_its_content_and_not_by_its_name(tmp_path):
    arrays = make_arrays()
    write_idx(tmp_path, arrays, ".gz")
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(idx_bytes(arrays["x_train"]))
    np.testing.assert_array_equal(read_dataset(tmp_path)["x_train"], arrays["x_train"])


def swap(directory, one, other):
    a, b = directory / STEMS[one], directory / STEMS[other]
    a_bytes = a.read_bytes()
    a.write_bytes(b.read_bytes())
    b.write_bytes(a_bytes)


def test_swapped_training_and_test_files_are_told(tmp_path):
    def small(n_train, n_test):  # as large as MNIST, but quick to write
        return {
            "x_train": np.zeros((n_train, 28, 28), np.uint8),
            "y_train": np.zeros(n_train, np.uint8),
            "x_test": np.zeros((n_test, 28, 28), np.uint8),
            "y_test": np.zeros(n_test, np.uint8),
        }

    write_idx(tmp_path, small(60_000, 10_000))
    swap(tmp_path, "y_train", "y_test")
    with pytest.raises(FileFormatError, match=r"10,000 labels; expected 60,000.*seem to be swapped"):
        read_dataset(tmp_path)
    swap(tmp_path, "x_train", "x_test")
    with pytest.raises(FileFormatError, match=r"10,000 images for training.*seem to be swapped"):
        read_dataset(tmp_path)


def test_preference_and_what_is_missing(tmp_path):
    arrays = make_arrays()
    with pytest.raises(DatasetError, match=r"no MNIST files here\. Expected a directory with the four IDX files"):
        read_dataset(tmp_path)
    write_idx(tmp_path, arrays)
    (tmp_path / STEMS["y_test"]).unlink()
    with pytest.raises(DatasetError, match="t10k-labels-idx1-ubyte is missing"):
        read_dataset(tmp_path)
    write(tmp_path / "mnist_all.mat", mat_bytes(matrices(arrays)))
    assert len(read_dataset(tmp_path)["x_train"]) == 20
    write(tmp_path / "mnist.npz", b"damaged, and never passed over for a file that comes later")
    with pytest.raises(FileFormatError, match=r"mnist\.npz"):
        read_dataset(tmp_path)


def test_other_paths_are_dataset_errors(tmp_path):
    with pytest.raises(DatasetError, match="there is no such file"):
        read_dataset(tmp_path / "absent")
    with pytest.raises(DatasetError, match=r"not an \.npz or \.mat file"):
        read_dataset(write(tmp_path / "train-images-idx3-ubyte", b""))
    os.mkfifo(tmp_path / "pipe.npz")  # opening it would wait for ever
    with pytest.raises(DatasetError, match="there is no such file"):
        read_dataset(tmp_path / "pipe.npz")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission_is_a_dataset_error(tmp_path):
    path = write(tmp_path / "mnist.npz", npz_bytes(make_arrays()))
    path.chmod(0)
    with pytest.raises(DatasetError, match=r"cannot be read .Permission denied"):
        read_dataset(path)


def test_a_file_that_cannot_be_read_is_a_dataset_error(tmp_path, monkeypatch):
    path = write(tmp_path / "mnist.npz", npz_bytes(make_arrays()))

    def refuse(self, *args):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "open", refuse)
    with pytest.raises(DatasetError, match=r"mnist\.npz: cannot be read .Permission denied.*Check its permissions"):
        read_dataset(path)


def test_the_newer_one_of_two_forms_is_taken_and_it_is_said(tmp_path):
    arrays = make_arrays()
    write_idx(tmp_path, arrays)
    other = {**arrays, "x_test": 255 - arrays["x_test"]}
    write_idx(tmp_path, other, ".GZ")
    path = tmp_path / f"{STEMS['x_test']}.GZ"
    for file in tmp_path.iterdir():
        os.utime(file, (1, 1))
    found = read_files(tmp_path, MNIST)
    np.testing.assert_array_equal(found.arrays["x_test"], arrays["x_test"])
    assert found.remarks == []
    os.utime(path, (2, 2))
    found = read_files(tmp_path, MNIST)
    np.testing.assert_array_equal(found.arrays["x_test"], other["x_test"])
    assert found.remarks == [f"{path.name} is newer than {STEMS['x_test']}, and was taken"]
