"""Changes that get past checksums: a file is taken apart, something in it is changed, and it is sealed again.

Each takes the bytes, a `random.Random`, and ``plain``, which changes bytes in any way; what is not of its kind is left
to that.
"""

import copy
import gzip
import io
import json
import struct
import zipfile
import zlib

from tinynet.saving import modelfile

ODD = (
    None, True, False, 0, 1, -1, 2, 255, 2**31, 2**63, -(2**63), 10**30, 0.5, -0.0, 1e308, float("nan"), float("inf"),
    "", "x", "0", "nan", "é\0", "\ud800", "a" * 300, [], {}, [[]], [0] * 40, {"": 0},
)  # fmt: skip


def change_tree(tree, rng, words=()):
    """Change some values of nested lists and dictionaries: to odd ones, others of the tree, or none; rename, repeat."""
    tree = copy.deepcopy(tree)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        spots = list(_spots(tree))
        if not spots:
            return tree
        holder, key = rng.choice(spots)
        how = rng.randrange(8)
        if how < 3:
            holder[key] = rng.choice((*ODD, *words))
        elif how == 3:
            other, name = rng.choice(spots)
            holder[key] = copy.deepcopy(other[name])
        elif how == 4:
            del holder[key]
        elif how == 5 and isinstance(holder, dict):
            _, name = rng.choice(spots)
            holder[str(rng.choice((name, *words)))] = holder.pop(key)
        elif how == 6 and isinstance(holder, list):
            holder.insert(key, copy.deepcopy(holder[key]))
        else:
            holder[key] = _shaken(holder[key], rng)
    return tree


def _spots(tree):
    keys = tree.keys() if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ()
    for key in keys:
        yield tree, key
        yield from _spots(tree[key])


def _shaken(value, rng):
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, int):
        return value + rng.choice((-1, 1, 10, -value - 1, value, 2**32))
    if isinstance(value, float):
        return value * rng.choice((-1, 0, 2, 1e300, 1e-300))
    return [value] if rng.random() < 0.5 else str(value)


def change_json(data, rng, plain, words=()):
    """Change a JSON text."""
    try:
        tree = json.loads(data)
    except (ValueError, RecursionError):
        return plain(data)
    return json.dumps(change_tree([tree], rng, words)[:1])[1:-1].encode()  # what stands within the brackets


def change_gzip(data, rng, plain):
    """Change the content of a gzip file."""
    if data[:2] != b"\x1f\x8b" or rng.random() < 0.3:
        return plain(data)
    try:
        content = zlib.decompressobj(31).decompress(data, 2**20)
    except zlib.error:
        return plain(data)
    return gzip.compress(plain(content), mtime=0)


def change_zip(data, rng, plain):
    """Change the content of a member of a zip file."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {info.filename: archive.read(info) for info in archive.infolist() if info.file_size < 2**20}
    except Exception:
        return plain(data)
    if not members or rng.random() < 0.2:
        return plain(data)
    name = rng.choice(sorted(members))
    members[name] = plain(members[name])
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for member, content in members.items():
            archive.writestr(zipfile.ZipInfo(member), content, archive.compression)
    return buffer.getvalue()


def change_mat(data, rng, plain):
    """Change one element of a MATLAB file, within its compression."""
    elements, at = [], 128
    while at + 8 <= len(data):
        kind, size = struct.unpack_from("<II", data, at)
        elements.append((kind, data[at + 8 : at + 8 + size]))
        at += 8 + size
    if not elements or rng.random() < 0.2:
        return plain(data)
    chosen = rng.randrange(len(elements))
    kind, content = elements[chosen]
    if kind == 15:
        try:
            content = zlib.compress(plain(zlib.decompressobj().decompress(content, 2**20)))
        except zlib.error:
            return plain(data)
    else:
        content = plain(content)
    elements[chosen] = kind, content
    return data[:128] + b"".join(struct.pack("<II", kind, len(content)) + content for kind, content in elements)


def change_model(data, rng, plain, words=()):
    """Change what a model file says, and let its digests fit."""
    length = int.from_bytes(data[:8], "little")
    try:
        header = json.loads(data[8 : 8 + length])
        metadata = header["__metadata__"]
        key = rng.choice([*metadata, None, "model", "run"])
        if key is None:
            header = change_tree(header, rng)
        elif key in ("model", "run", "digests"):
            metadata[key] = json.dumps(change_tree([json.loads(metadata[key])], rng, words)[:1])[1:-1]
        else:
            metadata = header["__metadata__"] = change_tree(metadata, rng)
        if isinstance(header.get("__metadata__"), dict) and rng.random() < 0.95:
            metadata["digest"] = modelfile._digest_of(metadata)
        text = json.dumps(header).encode()
    except Exception:
        return plain(data)
    if rng.random() < 0.1:
        return plain(data)
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


def change_onnx(data, rng, plain, words=()):
    """Change what an ONNX file says, as the nested values that it stands for."""
    import onnx
    from google.protobuf.json_format import MessageToDict, ParseDict

    if rng.random() < 0.2:
        return plain(data)
    try:
        tree = MessageToDict(onnx.ModelProto.FromString(data))
        for _ in range(20):
            try:
                changed = change_tree(tree, rng, words)
                return ParseDict(changed, onnx.ModelProto(), ignore_unknown_fields=True).SerializeToString()
            except Exception:  # a change that no such file can hold
                continue
    except Exception:
        return plain(data)
    return plain(data)


def change_image(data, rng, plain):
    """Change an image; the checksums of a PNG fit again."""
    data = plain(data)
    signature = b"\x89PNG\r\n\x1a\n"
    if not data.startswith(signature) or rng.random() < 0.1:
        return data
    parts, at = [signature], len(signature)
    while at + 8 <= len(data):
        size = min(int.from_bytes(data[at : at + 4], "big"), max(0, len(data) - at - 8))
        body = data[at + 4 : at + 8 + size]
        parts += [data[at : at + 4], body, struct.pack(">I", zlib.crc32(body))]
        at += 12 + size
    return b"".join(parts)
