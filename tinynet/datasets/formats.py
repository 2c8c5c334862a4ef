"""Parsers of the IDX and npz formats: bytes in, fresh uint8 arrays out.

The bytes may be damaged or hostile, so nothing that they say of themselves is believed unchecked: every size is
compared with the data that is there, every decompression has a bound, and nothing is ever unpickled. Each way to be
wrong is a :class:`~tinynet.errors.FileFormatError` that says what was found, what was expected and what to do.
"""

import io
import math
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tinynet.errors import FileFormatError

Pixels = npt.NDArray[np.uint8]
Kind = Literal["images", "labels"]

# All of MNIST is 55 MB, in whichever format: anything larger is not MNIST, and is refused before it takes memory.
MAX_BYTES = 64 * 2**20

GZIP_MAGIC = b"\x1f\x8b"
GZIP, ZLIB = 31, 15  # the wbits argument of zlib.decompressobj

_TYPE_NAMES = {0x08: "uint8", 0x09: "int8", 0x0B: "int16", 0x0C: "int32", 0x0D: "float32", 0x0E: "float64"}
_NDIM: dict[Kind, int] = {"images": 3, "labels": 1}
_EXPECTED: dict[Kind, tuple[str, str]] = {
    "images": ("(n, 28, 28)", "Save the array with that shape, as x.reshape(-1, 28, 28) has it."),
    "labels": ("(n,)", "Save class numbers, y.argmax(axis=1) of rows with a 1 at the class, y[:, 0] of a column."),
}
_MAX_NPY_HEADER = 4096  # NumPy writes 128 bytes
_MAX_ZIP_DIRECTORY = 2**16  # four members take about 250 bytes
_MAX_ZIP_END = 22 + 2**16  # the end record, with the longest comment
_CHUNK = 2**16  # bytes that are decompressed at a time
_MAX_MEMBERS = 10_000  # of a gzip file


def damaged(name: str, found: str, expected: str, advice: str = "Replace it by a good copy.") -> FileFormatError:
    """Make the error for a file that is not what it should be."""
    return FileFormatError(f"{name}: {found}; expected {expected}. {advice}")


def inflate_head(data: bytes | memoryview, wbits: int, size: int, name: str) -> bytes:
    """Decompress the first `size` bytes, or all if there are fewer; a gzip file may begin with short members."""
    head, rest = b"", bytes(data[: size + 4096])
    try:
        while True:
            stream = zlib.decompressobj(wbits)
            head += stream.decompress(rest, size - len(head))
            rest = stream.unused_data
            if len(head) >= size or wbits != GZIP or rest[:2] != GZIP_MAGIC:
                return head
    except zlib.error as error:
        raise damaged(name, f"the compressed data is corrupt ({error})", "valid compressed data") from error


def inflate(data: bytes | memoryview, wbits: int, size: int, name: str) -> bytes:
    """Decompress a stream that must hold exactly `size` bytes and end where `data` ends.

    A gzip file may consist of several members, one after the other, and end in zeros, as tapes and block devices leave
    them (RFC 1952, section 2.2, and the manual of gzip).
    """
    view, expected = memoryview(data), f"{size:,} bytes and their checksum"
    stream, members = zlib.decompressobj(wbits), 1
    pieces: list[bytes] = []
    at, total = 0, 0
    while at < len(view) and not stream.eof:
        chunk = view[at : at + _CHUNK]
        try:
            pieces.append(stream.decompress(chunk, size + 1 - total))  # one byte to spare, so that too much shows
        except zlib.error as error:
            raise damaged(name, f"the compressed data is corrupt ({error})", expected) from error
        total += len(pieces[-1])
        if total > size:
            raise damaged(name, f"the compressed data gives more than {size:,} bytes", expected)
        at += len(chunk) - len(stream.unconsumed_tail) - len(stream.unused_data)
        if stream.eof and wbits == GZIP and view[at : at + 2] == GZIP_MAGIC and members < _MAX_MEMBERS:
            stream, members = zlib.decompressobj(wbits), members + 1
    if total < size or not stream.eof:
        raise damaged(name, f"the compressed data breaks off after it gave {total:,} bytes", expected)
    rest = view[at:]
    if rest and (wbits != GZIP or any(rest)):
        raise damaged(name, f"{len(rest):,} stray bytes after the compressed data", "none")
    return b"".join(pieces)


def parse_idx(data: bytes, kind: Kind, name: str) -> Pixels:
    """Parse an IDX file of images (n, rows, columns) or labels (n,), gzipped or not.

    The format: two zero bytes, a type code, the number of axes; each axis as a big-endian uint32; the values in C
    order. Whether the file is gzipped is seen from its first bytes: browsers may unpack it and keep the name.
    """
    ndim = _NDIM[kind]
    packed = data[:2] == GZIP_MAGIC
    head = inflate_head(data, GZIP, 4 + 4 * ndim, name) if packed else data[: 4 + 4 * ndim]
    _check_idx_magic(head, kind, name)
    if len(head) < 4 + 4 * ndim:
        raise damaged(name, f"the IDX header breaks off after {len(head)} bytes", f"{4 + 4 * ndim}")
    shape = struct.unpack(f">{ndim}I", head[4:])
    size = 4 + 4 * ndim + math.prod(shape)
    if size > MAX_BYTES:
        raise damaged(name, f"its header claims shape {shape}", f"at most {MAX_BYTES:,} bytes")
    body = inflate(data, GZIP, size, name) if packed else data
    if len(body) != size:
        raise damaged(name, f"{len(body):,} bytes", f"{size:,}, as its header claims shape {shape}")
    if 0 in shape:
        raise damaged(name, f"an empty array of shape {shape}", f"at least one of the {kind}")
    return np.frombuffer(body, np.uint8, offset=4 + 4 * ndim).reshape(shape).copy()


def _check_idx_magic(head: bytes, kind: Kind, name: str) -> None:
    expected = f"an IDX file of {kind}, beginning with 00 00 08 {_NDIM[kind]:02x}"
    if len(head) < 4 or head[:2] != b"\0\0":
        raise damaged(name, f"it begins with {head[:4].hex(' ')}" if head else "it is empty", expected)
    if head[2] != 0x08:
        dtype = _TYPE_NAMES.get(head[2], f"unknown type 0x{head[2]:02x}")
        raise damaged(name, f"an IDX file of {dtype}", "uint8 (type 0x08)", "Save it again as uint8.")
    if head[3] != _NDIM[kind]:
        other: Kind = "labels" if kind == "images" else "images"
        if head[3] == _NDIM[other]:
            advice = "The files of images and labels seem to be swapped: rename them."
            raise damaged(name, f"an IDX file of {other}", f"an IDX file of {kind}", advice)
        raise damaged(name, f"an IDX array with {head[3]} axes", f"{_NDIM[kind]} for {kind}")


def parse_npz(data: bytes, kinds: dict[str, Kind], name: str) -> tuple[dict[str, Pixels], list[str]]:
    """Parse the named arrays of an npz file, each with as many axes as its kind has; others are left unread.

    Returns
    -------
    dict
        uint8 arrays. Other numbers are taken where they are whole and from 0 to 255, and images from 0 to 1.
    list of str
        What was made of arrays that were not uint8, in words.
    """
    _check_zip_directory(data, name)
    remarks: list[str] = []
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = _members(archive.infolist(), kinds, name)
            arrays = {key: _parse_member(archive, info, kinds[key], f"{name}, array {key}", remarks)
                      for key, info in members.items()}  # fmt: skip
    except FileFormatError:
        raise
    except Exception as error:  # zipfile raises a dozen classes on damaged archives, from struct.error to RuntimeError
        raise damaged(name, f"the zip archive cannot be read ({error})", "a valid npz file") from error
    return arrays, remarks


def _check_zip_directory(data: bytes, name: str) -> None:
    # zipfile makes an object for each entry of the directory before we see any: a hostile one would take minutes.
    end = data.rfind(b"PK\x05\x06", max(0, len(data) - _MAX_ZIP_END))
    comment = int.from_bytes(data[end + 20 : end + 22], "little")
    if end < 0 or end + 22 + comment != len(data) or data[max(0, end - 20) : end][:4] == b"PK\x06\x07":
        begins = f"begins with {data[:4].hex(' ') or 'nothing'}, and no plain zip directory ends it"
        raise damaged(name, f"not a complete npz file (it {begins})", "a zip archive as np.savez writes it")
    size = int.from_bytes(data[end + 12 : end + 16], "little")
    if size > _MAX_ZIP_DIRECTORY:
        raise damaged(name, f"a zip directory of {size:,} bytes", f"at most {_MAX_ZIP_DIRECTORY:,}")


def _members(infos: list[zipfile.ZipInfo], keys: Iterable[str], name: str) -> dict[str, zipfile.ZipInfo]:
    names = [info.filename for info in infos]
    missing = [key for key in keys if f"{key}.npy" not in names]
    if missing:
        held = ", ".join(map(ascii, names[:10]))[:200] or "nothing"
        found, advice = f"no array {', '.join(missing)} (it holds {held})", "Save the arrays under these names."
        raise damaged(name, found, ", ".join(keys), advice)
    members = {key: infos[names.index(f"{key}.npy")] for key in keys}
    if len(set(names)) < len(names):
        raise damaged(name, "two members with one name", "each array once")
    for key, info in members.items():
        # LZMA and BZIP2 could claim gigabytes for their dictionaries; np.savez writes neither.
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise damaged(name, f"{key} is compressed by zip method {info.compress_type}", "stored or deflated data")
    return members


def _parse_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, kind: Kind, name: str, remarks: list[str]) -> Pixels:
    """Parse one array, a piece at a time: what a file claims of its size is never taken for granted."""
    with archive.open(info) as member:
        shape, fortran_order, dtype, start = npy_header(member.read(_MAX_NPY_HEADER), name)
    if dtype.kind not in "biuf":
        raise damaged(name, f"dtype {str(dtype)[:80]}", "uint8", "Save it again with .astype(np.uint8).")
    if len(shape) != _NDIM[kind] or not all(type(length) is int and 0 < length < MAX_BYTES for length in shape):
        expected, advice = _EXPECTED[kind]
        raise damaged(name, f"{kind} of shape {shape_text(shape)}", expected, advice)
    count = math.prod(shape)
    if count > MAX_BYTES:
        raise damaged(name, f"its header claims shape {shape_text(shape)}", f"at most {MAX_BYTES:,} values")
    if info.file_size - start != count * dtype.itemsize:
        found = f"{info.file_size - start:,} bytes of values"
        raise damaged(name, found, f"{count * dtype.itemsize:,} for {shape}")
    factor = 1
    if dtype != np.uint8:
        factor = _scale_of(_values(archive, info, start, dtype), kind, name)
        scaled = ", from 0 to 1, taken as 0 to 255" if factor > 1 else ", taken as uint8"
        remarks.append(f"{name.rpartition(' ')[2]}: {dtype}{scaled}")
    out = np.empty(shape, np.uint8, "F" if fortran_order else "C")
    flat, at = out.ravel("K"), 0  # a view of it, in the order of the file
    for piece in _values(archive, info, start, dtype):
        flat[at : at + len(piece)] = piece if dtype == np.uint8 else np.rint(piece.astype(np.float64) * factor)
        at += len(piece)
    if at < count:
        raise damaged(name, f"{at * dtype.itemsize:,} bytes of values", f"{count * dtype.itemsize:,} for {shape}")
    return np.ascontiguousarray(out)


def _values(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, start: int, dtype: np.dtype[Any]
) -> Iterator[npt.NDArray[Any]]:
    """Read the values of an array in pieces; zipfile checks the sum of the whole at the end."""
    with archive.open(info) as member:
        member.read(start)
        while data := member.read(_CHUNK * dtype.itemsize):
            yield np.frombuffer(data[: len(data) - len(data) % dtype.itemsize], dtype)


def _scale_of(pieces: Iterable[npt.NDArray[Any]], kind: Kind, name: str) -> int:
    """Return the factor by which numbers that are not uint8 become it: 255 for images from 0 to 1, otherwise 1."""
    low, high, whole = math.inf, -math.inf, True
    for piece in pieces:
        if piece.dtype.kind == "f" and not np.isfinite(piece).all():
            raise damaged(name, "NaN or infinite values", "0 to 255, or 0 to 1 for images", "Clean the data.")
        low, high = min(low, float(piece.min())), max(high, float(piece.max()))
        whole = whole and (piece.dtype.kind != "f" or bool((piece == np.rint(piece)).all()))
    if kind == "images" and low >= 0 and high <= 1:
        return 255
    if low < 0 or high > 255 or not whole:
        expected = "whole numbers from 0 to 255" + (", or numbers from 0 to 1" if kind == "images" else "")
        raise damaged(name, f"{'' if whole else 'broken '}numbers from {low:g} to {high:g}", expected, "Scale them.")
    return 1


def npy_header(data: bytes, name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Read the header of an npy array: its shape, whether it is in Fortran order, its dtype, where the values begin."""
    stream = io.BytesIO(data[:_MAX_NPY_HEADER])
    headers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # NumPy warns of headers that Python 2 wrote; they are fine
            version = np.lib.format.read_magic(stream)
            if version not in headers:
                raise ValueError(f"npy version {version}")
            shape, fortran_order, dtype = headers[version](stream, max_header_size=_MAX_NPY_HEADER)
    except Exception as error:  # the header is a Python literal: parsing it raises a dozen classes, RecursionError too
        raise damaged(name, f"its header cannot be read ({str(error)[:80]})", "an npy array") from error
    return shape, fortran_order, dtype, stream.tell()


def shape_text(shape: tuple[int, ...]) -> str:
    """Write a shape that may be nonsense: an int of thousands of digits cannot be written in decimal."""
    return f"({', '.join(hex(length) if abs(length) > MAX_BYTES else str(length) for length in shape)})"[:80]
