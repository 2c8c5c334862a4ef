"""A parser of ``mnist_all.mat``, the MATLAB file with one uint8 matrix of images for each digit.

`scipy.io.loadmat` decompresses without a bound and reads every kind of MATLAB object that a file may hold. Twenty uint8
matrices need so little of the format that checking a file before loadmat sees it would take as much code as reading it.
Source: "MAT-File Format", MathWorks, chapter 1, "Level 5 MAT-File Format"; tests compare with `scipy.io.savemat`.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tinynet.datasets.formats import MAX_BYTES, ZLIB, Pixels, damaged, inflate, inflate_head

KEYS = tuple(f"{part}{digit}" for part in ("train", "test") for digit in range(10))

# Data types (mi), array classes (mx) and flags, under the specification's names.
_MI_INT8, _MI_UINT8, _MI_INT32, _MI_UINT32, _MI_MATRIX, _MI_COMPRESSED, _MI_UTF8 = 1, 2, 5, 6, 14, 15, 16
_MX_UINT8 = 9
_MX_NAMES = {1: "cell", 2: "struct", 4: "char", 5: "sparse", 6: "double", 7: "single", 8: "int8", 10: "int16"}
_COMPLEX, _LOGICAL = 0x0800, 0x0200

_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_MAX_VARIABLES = 1000
_HEAD = 512  # holds the header of a matrix with two axes and a name of 63 letters, the longest that MATLAB takes
_SAVE_AGAIN = "In MATLAB, load it and save it again with save('mnist_all.mat', '-v7')."


class _Header(NamedTuple):
    """What a matrix says of itself; its values follow at byte `end`."""

    name: str
    flags: int
    shape: tuple[int, ...]
    end: int


def parse_mat(data: bytes, name: str) -> dict[str, Pixels]:
    """Parse ``train0`` to ``train9`` and ``test0`` to ``test9``, each (n, 784), and join them in order of digits.

    Returns
    -------
    dict
        ``x_train`` (n, 28, 28), ``y_train`` (n,), ``x_test`` and ``y_test``, all uint8.
    """
    order = _byte_order(data, name)
    try:
        matrices = _read_matrices(data, order, name)
    except struct.error as error:
        raise damaged(name, "it breaks off inside a header", "a complete MAT-file") from error
    missing = [key for key in KEYS if key not in matrices]
    if missing:
        raise damaged(
            name,
            f"no variable {', '.join(missing)}",
            "train0 to train9 and test0 to test9",
            "Save them under these names.",
        )
    return {**_join(matrices, "train"), **_join(matrices, "test")}


def _join(matrices: dict[str, Pixels], part: str) -> dict[str, Pixels]:
    digits = [matrices[f"{part}{digit}"] for digit in range(10)]
    labels = np.repeat(np.arange(10, dtype=np.uint8), [len(images) for images in digits])
    images = np.empty((len(labels), 784), np.uint8)
    np.concatenate(digits, out=images)  # MATLAB's matrices have columns one after another, ours have rows
    return {f"x_{part}": images.reshape(-1, 28, 28), f"y_{part}": labels}


def _byte_order(data: bytes, name: str) -> str:
    expected = "a MATLAB v5 to v7 file"
    if _HDF5_MAGIC in (data[:8], data[512:520]):
        raise damaged(name, "a MATLAB v7.3 (HDF5) file", expected, _SAVE_AGAIN)
    order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
    if order is None or 0 in data[:4]:
        found = f"{len(data):,} bytes that begin with {data[:4].hex(' ')}" if data else "it is empty"
        raise damaged(name, found, f"{expected} (v4 is too old)", _SAVE_AGAIN)
    (version,) = struct.unpack_from(f"{order}H", data, 124)
    if version != 0x0100:
        raise damaged(name, f"MAT-file version 0x{version:04x}", f"{expected} (0x0100)", _SAVE_AGAIN)
    return order


class _Matrix(NamedTuple):
    """A matrix of the file, of which only the header has been read."""

    header: _Header
    head: bytes
    element: memoryview
    size: int
    compressed: bool


def _read_matrices(data: bytes, order: str, name: str) -> dict[str, Pixels]:
    matrices: dict[str, Pixels] = {}
    claimed = 0
    for matrix in _elements(data, order, name):
        variable = matrix.header.name
        if variable not in KEYS:
            continue
        if variable in matrices:
            raise damaged(name, f"two variables called {variable}", "one")
        label = f"{name}, variable {variable}"
        start = _check_values(matrix.head, matrix.header, matrix.size, order, label)
        claimed += matrix.size
        if claimed > MAX_BYTES:
            raise damaged(name, f"its matrices claim {claimed:,} bytes", f"at most {MAX_BYTES:,}")
        body = matrix.element
        if matrix.compressed:
            body = memoryview(inflate(matrix.element, ZLIB, 8 + matrix.size, label))[8:]
        rows, columns = matrix.header.shape
        values = np.frombuffer(body, np.uint8, count=rows * columns, offset=start)
        matrices[variable] = values.reshape(columns, rows).T
    return matrices


def _elements(data: bytes, order: str, name: str) -> Iterator[_Matrix]:
    """Yield the matrices of a file, in their order, with no more than their heads unpacked."""
    at = 128
    for _ in range(_MAX_VARIABLES):
        if at == len(data):
            return
        kind, size = struct.unpack_from(f"{order}II", data, at)
        element = memoryview(data)[at + 8 : at + 8 + size]
        if len(element) < size:
            found = f"an element at byte {at:,} that claims {size:,} bytes"
            raise damaged(name, found, f"at most the {len(element):,} that follow")
        at += 8 + size
        compressed = kind == _MI_COMPRESSED
        head = bytes(element[:_HEAD])
        if compressed:
            head = inflate_head(element, ZLIB, _HEAD, name)
            kind, size = struct.unpack_from(f"{order}II", head)
            head = head[8:]
        if kind != _MI_MATRIX:
            raise damaged(name, f"an element of type {kind}, ending at byte {at:,}", f"matrices (type {_MI_MATRIX})")
        yield _Matrix(_read_header(head, order, name), head, element, size, compressed)
    raise damaged(name, f"more than {_MAX_VARIABLES} variables", f"{len(KEYS)}")


def _tag(data: bytes, at: int, order: str) -> tuple[int, int, int, int]:
    """Read the tag of a part of a matrix: its type, its content's start and size, and where the next tag is."""
    kind, size = struct.unpack_from(f"{order}II", data, at)
    if kind >> 16:  # the small form: at most four bytes, inside the tag
        return kind & 0xFFFF, at + 4, kind >> 16, at + 8
    return kind, at + 8, size, at + 8 + size + -size % 8


def _read_header(head: bytes, order: str, name: str) -> _Header:
    flags_type, flags_at, _, at = _tag(head, 0, order)
    shape_type, shape_at, shape_size, at = _tag(head, at, order)
    name_type, name_at, name_size, at = _tag(head, at, order)
    if (flags_type, shape_type) != (_MI_UINT32, _MI_INT32) or name_type not in (_MI_INT8, _MI_UTF8):
        found = f"a matrix header with parts of types {flags_type}, {shape_type}, {name_type}"
        raise damaged(name, found, f"{_MI_UINT32}, {_MI_INT32}, {_MI_INT8}")
    (flags,) = struct.unpack_from(f"{order}I", head, flags_at)
    shape = struct.unpack_from(f"{order}{shape_size // 4}i", head, shape_at)
    return _Header(head[name_at : name_at + name_size].decode("latin-1"), flags, shape, at)


def _check_values(head: bytes, header: _Header, size: int, order: str, label: str) -> int:
    """Check that the matrix is (n, 784) of uint8, all there; returns the byte where its values start."""
    if header.flags & 0xFF != _MX_UINT8 or header.flags & (_COMPLEX | _LOGICAL):
        found = _MX_NAMES.get(header.flags & 0xFF, f"array class {header.flags & 0xFF}")
        found = "complex" if header.flags & _COMPLEX else "logical" if header.flags & _LOGICAL else found
        raise damaged(label, f"values of class {found}", "uint8", "In MATLAB, convert it by uint8(...) and save again.")
    if len(header.shape) != 2 or header.shape[0] < 1 or header.shape[1] != 784:
        raise damaged(label, f"shape {header.shape}", "(n, 784), an image a row", "Save it with that shape.")
    kind, start, count, _ = _tag(head, header.end, order)
    if kind != _MI_UINT8 or count != header.shape[0] * 784:
        found = f"{count:,} bytes of data type {kind}"
        raise damaged(label, found, f"{header.shape[0] * 784:,} of uint8 (type {_MI_UINT8}) for shape {header.shape}")
    if start + count > size:
        raise damaged(label, f"a matrix of {size:,} bytes", f"at least {start + count:,} for shape {header.shape}")
    return start
