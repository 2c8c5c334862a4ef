"""Writers of the files that the readers are tested with: small, random, in every form."""

import gzip
import io
import struct

import numpy as np
import scipy.io

STEMS = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}


def make_arrays():
    rng = np.random.default_rng(0)
    arrays = {}
    for part, n in (("train", 20), ("test", 10)):
        # Half of the pixels are zero, so that compression has something to do; labels ascend, as a .mat file has them.
        arrays[f"x_{part}"] = (rng.integers(0, 256, (n, 28, 28)) * rng.integers(0, 2, (n, 28, 28))).astype(np.uint8)
        arrays[f"y_{part}"] = np.sort(np.arange(n) % 10).astype(np.uint8)
    return arrays


def idx_bytes(array, code=0x08):
    return bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def npz_bytes(arrays, save=np.savez):
    buffer = io.BytesIO()
    save(buffer, **arrays)
    return buffer.getvalue()


def matrices(arrays):
    found = {}
    for part in ("train", "test"):
        for digit in range(10):
            found[f"{part}{digit}"] = arrays[f"x_{part}"][arrays[f"y_{part}"] == digit].reshape(-1, 784)
    return found


def mat_bytes(variables, compressed=False):
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, variables, do_compression=compressed)
    return buffer.getvalue()


def element(order, kind, content):
    return struct.pack(f"{order}II", kind, len(content)) + content + bytes(-len(content) % 8)


def big_endian_mat_bytes(variables):
    data = b"MATLAB 5.0 MAT-file, written on a SPARC".ljust(124) + b"\x01\x00MI"
    for name, values in variables.items():
        parts = (
            element(">", 6, struct.pack(">II", 9, 0)),
            element(">", 5, struct.pack(">ii", *values.shape)),
            element(">", 1, name.encode()),
            element(">", 2, values.tobytes(order="F")),
        )
        data += element(">", 14, b"".join(parts))
    return data


def write_idx(directory, arrays, suffix="", dotted=False):
    directory.mkdir(exist_ok=True)
    for key, stem in STEMS.items():
        name = stem.replace("-idx", ".idx") if dotted else stem
        data = idx_bytes(arrays[key])
        (directory / f"{name}{suffix}").write_bytes(gzip.compress(data) if suffix else data)
    return directory


def write(path, data):
    path.write_bytes(data)
    return path


FORMS = {
    "idx": lambda tmp, a: write_idx(tmp / "idx", a),
    "idx.gz": lambda tmp, a: write_idx(tmp / "idx", a, ".gz"),
    "dotted": lambda tmp, a: write_idx(tmp / "idx", a, "", dotted=True),
    "dotted.gz": lambda tmp, a: write_idx(tmp / "idx", a, ".gz", dotted=True),
    "npz": lambda tmp, a: write(tmp / "any.npz", npz_bytes(a)),
    "npz compressed": lambda tmp, a: write(tmp / "any.NPZ", npz_bytes(a, np.savez_compressed)),
    "npz fortran": lambda tmp, a: write(tmp / "a.npz", npz_bytes({k: np.asfortranarray(v) for k, v in a.items()})),
    "npz directory": lambda tmp, a: write(tmp / "mnist.npz", npz_bytes(a)).parent,
    "npz with more": lambda tmp, a: write(tmp / "a.npz", npz_bytes({**a, "more": np.array([None])})),
    "mat": lambda tmp, a: write(tmp / "any.mat", mat_bytes(matrices(a))),
    "mat compressed": lambda tmp, a: write(tmp / "any.mat", mat_bytes(matrices(a), compressed=True)),
    "mat big-endian": lambda tmp, a: write(tmp / "any.mat", big_endian_mat_bytes(matrices(a))),
    "mat directory": lambda tmp, a: write(tmp / "mnist_all.mat", mat_bytes(matrices(a))).parent,
    "mat with more": lambda tmp, a: write(tmp / "a.mat", mat_bytes({"s": {"f": 1.5}, "t": "é", **matrices(a)}, True)),
}
