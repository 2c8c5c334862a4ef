"""Hostile files cost little, and no damaged file gets past the checks or raises an error that is not ours."""

import io
import struct
import time
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest

from tests.datasets import fuzz_files
from tests.datasets.mnist_writers import STEMS, idx_bytes, make_arrays, mat_bytes, matrices, npz_bytes, write, write_idx
from tinynet.datasets.files import read_dataset
from tinynet.datasets.formats import MAX_BYTES
from tinynet.errors import FileFormatError


def zeros_bytes(size, head=b"", wbits=31):
    """Compress `head` and zeros, about a thousandfold, without the memory for them."""
    packer = zlib.compressobj(1, zlib.DEFLATED, wbits)
    chunks = [packer.compress(head)] + [packer.compress(bytes(2**20)) for _ in range(size // 2**20)]
    return b"".join((*chunks, packer.flush()))


def idx_bomb(tmp_path):
    directory = write_idx(tmp_path / "idx", make_arrays(), ".gz")
    write(directory / f"{STEMS['x_train']}.gz", zeros_bytes(300 * 2**20, idx_bytes(make_arrays()["x_train"])))
    return directory


def npz_bomb(tmp_path):
    # The directory claims 16 bytes where 300 MB come out.
    packed = zeros_bytes(300 * 2**20, wbits=-15)
    data = bytearray(npz_bytes(make_arrays(), np.savez_compressed))
    info = zipfile.ZipFile(io.BytesIO(data)).getinfo("x_train.npy")
    at = info.header_offset + 30 + struct.unpack("<H", data[26:28])[0] + struct.unpack("<H", data[28:30])[0]
    grown = len(packed) - info.compress_size
    data[at : at + info.compress_size] = packed
    central = data.find(b"PK\x01\x02")
    data[central + 20 : central + 24] = struct.pack("<I", len(packed))
    later = central
    while (later := data.find(b"PK\x01\x02", later + 1)) > 0:
        (offset,) = struct.unpack("<I", data[later + 42 : later + 46])
        data[later + 42 : later + 46] = struct.pack("<I", offset + grown)
    data[-6:-2] = struct.pack("<I", central)
    return write(tmp_path / "a.npz", data)


def npz_claim(tmp_path):
    arrays = {**make_arrays(), "x_train": np.zeros((100_000, 28, 28), np.uint8)}
    return write(tmp_path / "a.npz", npz_bytes(arrays, np.savez_compressed))


def mat_bomb(tmp_path):
    inner = mat_bytes({"train0": np.zeros((2, 784), np.uint8)})[128:]
    packed = zeros_bytes(300 * 2**20, inner, wbits=15)
    return write(
        tmp_path / "a.mat", mat_bytes(matrices(make_arrays()))[:128] + struct.pack("<II", 15, len(packed)) + packed
    )


def mat_claim(tmp_path):
    values = np.zeros((100_000, 784), np.uint8)
    return write(tmp_path / "a.mat", mat_bytes({"train0": values}, compressed=True))


def large_file(tmp_path):
    path = tmp_path / "a.mat"
    with path.open("wb") as file:
        file.truncate(2**40)
    return path


@pytest.mark.parametrize("make", [idx_bomb, npz_bomb, npz_claim, mat_bomb, mat_claim, large_file])
def test_hostile_files_cost_little_memory_and_time(make, tmp_path):
    path = make(tmp_path)
    tracemalloc.start()
    began = time.perf_counter()
    try:
        with pytest.raises(FileFormatError):
            read_dataset(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert time.perf_counter() - began < 1
    assert peak < 1.1 * MAX_BYTES


@pytest.mark.parametrize("form", fuzz_files.MAKERS)
def test_damaged_files_load_right_or_raise_an_error_of_ours(form, tmp_path):
    """`python tests/datasets/fuzz_files.py 100000` does more of it."""
    found = fuzz_files.fuzz(form, tmp_path / "files", cases=225, seed=1)
    assert found["error"] > 75
    assert found.total() == 225
