"""Each kind of damage to an IDX, npz or MATLAB file is named, with the file, what was expected and what to do."""

import gzip
import io
import struct
import zipfile

import numpy as np
import pytest
import scipy.io

from tests.datasets.mnist_writers import STEMS, idx_bytes, make_arrays, mat_bytes, matrices, npz_bytes, write, write_idx
from tinynet.datasets.files import read_dataset, read_files
from tinynet.datasets.spec import MNIST
from tinynet.errors import FileFormatError

IMAGES, LABELS = idx_bytes(make_arrays()["x_train"]), idx_bytes(make_arrays()["y_train"])
PACKED = gzip.compress(IMAGES)

IDX_DAMAGE = {
    "empty": (b"", "it is empty; expected an IDX file of images"),
    "a web page": (b"<!DOCTYPE html>", "begins with 3c 21 44 4f"),
    "short header": (IMAGES[:9], "breaks off after 9 bytes"),
    "truncated": (IMAGES[:-1], "15,695 bytes; expected 15,696"),
    "too long": (IMAGES + b"\0", "15,697 bytes; expected 15,696"),
    "float32": (idx_bytes(np.zeros((20, 28, 28), ">f4"), 0x0D), "IDX file of float32; expected uint8"),
    "unknown type": (b"\0\0\x77" + IMAGES[3:], "unknown type 0x77"),
    "labels": (LABELS, "an IDX file of labels; expected an IDX file of images. .* swapped: rename them"),
    "two axes": (b"\0\0\x08\x02" + IMAGES[4:], "array with 2 axes; expected 3 for images"),
    "no images": (idx_bytes(np.zeros((0, 28, 28), np.uint8)), "an empty array"),
    "a lie": (IMAGES[:4] + b"\xff" * 12 + IMAGES[16:], "claims shape .4294967295, "),
    "other images": (idx_bytes(np.zeros((20, 27, 28), np.uint8)), "images of 27 x 28 pixels; expected 28 x 28"),
    "19 images": (idx_bytes(np.zeros((19, 28, 28), np.uint8)), "20 labels; expected 19, one for each image in"),
    "gzip truncated": (PACKED[:-20], "breaks off after it gave"),
    "gzip without its end": (
        PACKED[:-4],
        "breaks off after it gave 15,696 bytes; expected 15,696 bytes and their checksum",
    ),
    "gzip in its header": (PACKED[:5], "it is empty"),
    "gzip with a wrong checksum": (PACKED[:-8] + b"\0" * 8, "corrupt .*incorrect data check"),
    "gzip garbled": (PACKED[:12] + b"\xff" * 50 + PACKED[62:], "corrupt"),
    "gzip and more": (PACKED + b"more", "4 stray bytes"),
    "gzip of gzip": (gzip.compress(PACKED), "begins with 1f 8b"),
    "gzip of more": (gzip.compress(IMAGES + b"\0"), "gives more than 15,696 bytes"),
    "gzip of less": (gzip.compress(IMAGES[:-1]), "breaks off after it gave 15,695 bytes"),
}


@pytest.mark.parametrize("damage", IDX_DAMAGE)
def test_idx_damage_is_named(damage, tmp_path):
    data, message = IDX_DAMAGE[damage]
    write_idx(tmp_path, make_arrays())
    path = write(tmp_path / STEMS["x_train"], data)
    with pytest.raises(FileFormatError, match=message) as caught:
        read_dataset(tmp_path)
    assert str(path) in str(caught.value)


def replaced(key, change, save=np.savez):
    arrays = make_arrays()
    return npz_bytes({**arrays, key: change(arrays[key])}, save)


def rezipped(method=zipfile.ZIP_STORED, change=None):
    archive, buffer = zipfile.ZipFile(io.BytesIO(npz_bytes(make_arrays()))), io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as copy:
        for name in archive.namelist():
            copy.writestr(name, change(archive.read(name)) if change else archive.read(name))
    return buffer.getvalue()


NPZ = npz_bytes(make_arrays())
NPZ_DAMAGE = {
    "empty": (b"", "begins with nothing"),
    "truncated": (NPZ[:-1], "not a complete npz file .it begins with 50 4b 03 04"),
    "a comment that breaks off": (NPZ[:-2] + b"\x02\0!", "no plain zip directory ends it"),
    "a flipped pixel": (NPZ[:1000] + b"\xff" + NPZ[1001:], "Bad CRC-32"),
    "no y_test": (npz_bytes({"x_train": np.zeros(3)}), "no array y_train, x_test, y_test .it holds 'x_train.npy'"),
    "floats from 0 to 2": (replaced("x_train", lambda x: x / 127.5), "x_train: broken numbers from 0 to 2; exp"),
    "negative floats": (replaced("x_train", lambda x: x - 1.0), "x_train: numbers from -1 to 254; exp"),
    "NaN": (replaced("x_train", lambda x: np.where(x == x.max(), np.nan, x)), "x_train: NaN or infinite values"),
    "large labels": (replaced("y_test", lambda y: y + np.int16(1000)), "y_test: numbers from 1000 to 1009"),
    "broken labels": (replaced("y_test", lambda y: y / 10), "y_test: broken numbers from 0 to 0.9; expected whole"),
    "labels from 1": (replaced("y_train", lambda y: y + 1), "y_train: labels from 1 to 10; expected 0 to 9. Sub"),
    "47 classes": (replaced("y_train", lambda y: y + 37), "label 46 .*10 classes; for data of your own"),
    "objects": (replaced("y_test", lambda y: y.astype(object)), "array y_test: dtype object"),
    "flat images": (replaced("x_test", lambda x: x.reshape(-1, 784)), r"shape \(10, 784\); expected \(n, 28, 28\)"),
    "one-hot labels": (replaced("y_test", lambda y: np.eye(10)[y]), r"shape \(10, 10\).* y.argmax\(axis=1\)"),
    "a column of labels": (replaced("y_test", lambda y: y[:, None]), r"shape \(10, 1\).* y\[:, 0\]"),
    "no images": (replaced("x_test", lambda x: x[:0]), r"shape \(0, 28, 28\)"),
    "label 10": (replaced("y_test", lambda y: np.maximum(y, 9) + (y == 9)), "y_test: the label 10 at index 9"),
    "label missing": (replaced("y_train", lambda y: y[1:]), "19 labels; expected 20"),
    "short array": (rezipped(change=lambda data: data[:-1]), "15,679 bytes of values; expected 15,680"),
    "not npy": (rezipped(change=lambda data: data[6:]), "its header cannot be read"),
    "no header": (rezipped(change=lambda data: data[:20]), "its header cannot be read"),
    "npy version 3": (rezipped(change=lambda data: data[:6] + b"\x03\0" + data[8:]), "npy version .3, 0"),
    "a huge int": (
        rezipped(change=lambda _: b"\x93NUMPY\x01\0\xa0\x0f" + b"{'descr':'|u1','fortran_order':False,'shape':(0x%s,)}"
                 .replace(b"%s", b"f" * 3900).ljust(4000)),
        r"shape \(0xfff",
    ),
    "deep header": (rezipped(change=lambda _: b"\x93NUMPY\x01\0\xa0\x0f" + b"-" * 4000), "header cannot be read"),
    "LZMA": (rezipped(zipfile.ZIP_LZMA), "zip method 14"),
    "large directory": (NPZ[:-10] + struct.pack("<I", 10**6) + NPZ[-6:], "a zip directory of 1,000,000 bytes"),
    "zip64": (NPZ[:-22] + b"PK\x06\x07" + bytes(16) + NPZ[-22:], "no plain zip directory"),
}  # fmt: skip


@pytest.mark.parametrize("damage", NPZ_DAMAGE)
def test_npz_damage_is_named(damage, tmp_path):
    data, message = NPZ_DAMAGE[damage]
    path = write(tmp_path / "mnist.npz", data)
    with pytest.raises(FileFormatError, match=message) as caught:
        read_dataset(tmp_path)
    assert str(path) in str(caught.value)


def test_floats_and_wide_integers_are_taken_where_nothing_is_lost(tmp_path):
    arrays = make_arrays()
    others = {
        "x_train": arrays["x_train"] / 255,
        "y_train": arrays["y_train"].astype(np.int64),
        "x_test": np.asfortranarray(arrays["x_test"].astype(">f4")),
        "y_test": arrays["y_test"].astype(float),
    }
    found = read_files(write(tmp_path / "a.npz", npz_bytes(others, np.savez_compressed)), MNIST)
    for key, values in arrays.items():
        np.testing.assert_array_equal(found.arrays[key], values, strict=True)
    assert found.remarks == [
        "x_train: float64, from 0 to 1, taken as 0 to 255",
        "y_train: int64, taken as uint8",
        "x_test: >f4, taken as uint8",
        "y_test: float64, taken as uint8",
    ]


@pytest.mark.parametrize("form", ["npz", "idx"])
def test_images_of_zeros_and_ones_become_black_and_white(form, tmp_path):
    arrays = make_arrays()
    masks = {key: (values > 127).astype(np.uint8) if key[0] == "x" else values for key, values in arrays.items()}
    if form == "npz":
        write(tmp_path / "mnist.npz", npz_bytes(masks))
    else:
        write_idx(tmp_path, masks)
    found = read_files(tmp_path, MNIST)
    for key in ("x_train", "x_test"):
        np.testing.assert_array_equal(found.arrays[key], np.uint8(255) * masks[key], strict=True)
        assert f"{key}: uint8, from 0 to 1, taken as 0 to 255" in found.remarks


def test_a_zip_with_a_comment_is_read(tmp_path):
    path = write(tmp_path / "a.npz", NPZ)
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"made on a Sunday"
    np.testing.assert_array_equal(read_dataset(path)["x_test"], make_arrays()["x_test"])


def test_members_of_gzip_one_after_the_other_and_zeros_behind_them_are_read(tmp_path):
    write_idx(tmp_path, make_arrays())
    parts = [IMAGES[:100], IMAGES[100:5000], b"", IMAGES[5000:]]
    write(tmp_path / STEMS["x_train"], b"".join(map(gzip.compress, parts)) + bytes(512))
    np.testing.assert_array_equal(read_dataset(tmp_path)["x_train"], make_arrays()["x_train"])


def test_npz_with_one_name_twice_is_refused(tmp_path):
    path = write(tmp_path / "a.npz", NPZ)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("x_train.npy", b"another")
    with pytest.raises(FileFormatError, match="two members with one name"):
        read_dataset(path)


def variables(**changes):
    return {**matrices(make_arrays()), **changes}


MAT = mat_bytes(matrices(make_arrays()))
MAT_DAMAGE = {
    "empty": (b"", "it is empty; expected a MATLAB v5 to v7 file"),
    "header alone": (MAT[:128], "no variable train0, train1"),
    "short header": (MAT[:100], "expected a MATLAB v5 to v7 file"),
    "v7.3": (MAT[:124] + b"\x00\x02IM" + bytes(384) + b"\x89HDF\r\n\x1a\n", r"MATLAB v7.3 \(HDF5\).*save.*-v7"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(100), "v7.3"),
    "version": (MAT[:124] + b"\x00\x03IM" + MAT[128:], "version 0x0300"),
    "truncated": (MAT[:-1], "an element at byte .* that claims"),
    "truncated in a tag": (MAT[:132], "breaks off inside a header"),
    "no train3": (mat_bytes({k: v for k, v in variables().items() if k != "train3"}), "no variable train3; expected"),
    "float64": (mat_bytes(variables(test0=np.zeros((2, 784)))), "variable test0: values of class double"),
    "int8": (mat_bytes(variables(test0=np.zeros((2, 784), np.int8))), "class int8; expected uint8"),
    "logical": (mat_bytes(variables(test0=np.zeros((2, 784), bool))), "class logical"),
    "cell": (mat_bytes(variables(test0=np.array([[1, "a"]], object))), "class cell"),
    "three axes": (mat_bytes(variables(test0=np.zeros((2, 28, 28), np.uint8))), r"shape \(2, 28, 28\)"),
    "transposed": (mat_bytes(variables(test0=np.zeros((784, 2), np.uint8))), r"shape \(784, 2\); expected \(n, 784\)"),
    "no images": (mat_bytes(variables(test0=np.zeros((0, 784), np.uint8))), r"shape \(0, 784\)"),
    "twice": (MAT + mat_bytes({"train0": variables()["train0"]})[128:], "two variables called train0"),
    "no matrix": (MAT + struct.pack("<II", 9, 0), "an element of type 9"),
    "many variables": (MAT + mat_bytes({"a": 1})[128:] * 1000, "more than 1000 variables"),
    "compressed, garbled": (MAT + struct.pack("<II", 15, 8) + b"garbage!", "compressed data is corrupt"),
}


@pytest.mark.parametrize("damage", MAT_DAMAGE)
def test_mat_damage_is_named(damage, tmp_path):
    data, message = MAT_DAMAGE[damage]
    path = write(tmp_path / "mnist_all.mat", data)
    with pytest.raises(FileFormatError, match=message) as caught:
        read_dataset(tmp_path)
    assert str(path) in str(caught.value)


def test_mat_v4_is_told_how_to_be_saved_again(tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", {"train0": np.zeros((2, 784))}, format="4")
    with pytest.raises(FileFormatError, match=r"v4 is too old.*save"):
        read_dataset(tmp_path / "a.mat")


def test_npz_header_of_python_2_loads_without_a_warning(tmp_path):
    arrays = make_arrays()
    data = rezipped(change=lambda npy: npy.replace(b"(20, 28, 28), ", b"(20L, 28, 28),"))
    assert b"(20L, 28, 28)" in data
    loaded = read_dataset(write(tmp_path / "a.npz", data))
    np.testing.assert_array_equal(loaded["x_train"], arrays["x_train"])
