"""The readers that are fuzzed, each with small valid files, how bytes reach it, and changes that get past checksums."""

import gzip
import io
import json
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

import tinynet as tn
from tests.datasets.mnist_writers import STEMS, idx_bytes, mat_bytes, matrices, npz_bytes, write_idx
from tests.fuzz import mutations
from tinynet.cli.logistic_run import open_any
from tinynet.cli.record import parameters_digest, read_json
from tinynet.cli.resumed import begun_with, differences
from tinynet.datasets.files import read_dataset
from tinynet.datasets.images import read_sample
from tinynet.datasets.preparation import Preparation
from tinynet.datasets.spec import MNIST
from tinynet.onnx.network.graph import OPERATORS
from tinynet.report.comparison import comparison_rows, comparison_table, history_of, incomparable, settings_of

CORPUS = Path(__file__).with_name("corpus")  # small files that were once a finding, and those that no test makes
RNG_SEED = 0


def small_arrays(n=2):
    """Images as MNIST has them, n for training and n for testing, some of whose pixels are zero."""
    rng = np.random.default_rng(RNG_SEED)
    arrays = {}
    for part in ("train", "test"):
        arrays[f"x_{part}"] = (rng.integers(0, 256, (n, 28, 28)) * (rng.random((n, 28, 28)) < 0.1)).astype(np.uint8)
        arrays[f"y_{part}"] = (np.arange(n) % 10).astype(np.uint8)
    return arrays


class Reader:
    """What is fuzzed.

    It is made with a directory of its own, to prepare what stays the same. ``seeds`` returns valid files, ``reads``
    the functions that read given bytes, ``change`` changes a file. Files that are written while it reads may be in
    ``may_write``.
    """

    longest, may_write, words = 8192, None, ()

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.prepare()

    def prepare(self):
        pass

    def written(self, name, data):
        path = self.folder / name
        path.write_bytes(data)
        return path


class Idx(Reader):
    """IDX files, plain or compressed, in the place of images and of labels."""

    change = staticmethod(mutations.change_gzip)

    def prepare(self):
        for key in ("x_train", "y_train"):
            write_idx(self.folder / key, small_arrays())

    def seeds(self):
        plain = [idx_bytes(small_arrays()[key]) for key in ("x_train", "y_train")]
        packed = [gzip.compress(data, mtime=0) for data in plain]
        members = gzip.compress(plain[1][:5], mtime=0) + gzip.compress(plain[1][5:], mtime=0) + bytes(3)
        return [*plain, *packed, members]

    def reads(self, data):
        for key in ("x_train", "y_train"):
            self.written(f"{key}/{STEMS[key]}", data)
            yield partial(read_dataset, self.folder / key)


class Npz(Reader):
    """One npz file of four arrays."""

    change = staticmethod(mutations.change_zip)

    def seeds(self):
        arrays = small_arrays()
        scaled = {key: a / 255 if key[0] == "x" else a.astype(np.int64) for key, a in arrays.items()}
        floats = {key: a.astype(np.float32) for key, a in arrays.items()}
        turned = {key: np.asfortranarray(a) for key, a in arrays.items()}
        return [
            npz_bytes(arrays, np.savez_compressed), npz_bytes(turned, np.savez_compressed), npz_bytes(arrays),
            npz_bytes(scaled, np.savez_compressed), npz_bytes(floats, np.savez_compressed),
        ]  # fmt: skip

    def reads(self, data):
        path = self.written("a.npz", data)
        yield partial(read_dataset, path)


class Mat(Reader):
    """A MATLAB file of twenty matrices."""

    longest = 40_000
    change = staticmethod(mutations.change_mat)

    def seeds(self):
        found = matrices(small_arrays(10))
        return [mat_bytes(found), mat_bytes(found, compressed=True), mat_bytes({"s": {"f": 1.5}, **found}, True)]

    def reads(self, data):
        path = self.written("a.mat", data)
        yield partial(read_dataset, path)


X, Y = np.random.default_rng(RNG_SEED).normal(size=(8, 6)).astype(np.float32), np.arange(8) % 3


def network():
    layers = [tn.Input((6,), shift=[0.5] * 6, scale=1 / 255), tn.Dense(4, "relu"), tn.Dense(3, "softmax")]
    return tn.Sequential(layers, seed=0)


def networks():
    """Models that between them have every kind of layer, argument and state."""
    tokens = [tn.Input((3,)), tn.Embedding(5, 4), tn.MultiHeadAttention(2, causal=True), tn.GRU(2)]
    images = [
        tn.Input((6, 6, 1)), tn.Conv2D(2, 3, activation="relu"), tn.BatchNorm(), tn.MaxPool(2), tn.Dropout(0.5),
        tn.Residual([tn.Conv2D(2, 1)]), tn.Flatten(), tn.Dense(2),
    ]  # fmt: skip
    shared = tn.Dense(3, "tanh")
    return [
        network(), tn.Sequential(images, seed=0), tn.Sequential(tokens, seed=0),
        tn.Sequential([tn.Input((3,)), shared, shared], seed=0, dtype="float64"),
    ]  # fmt: skip


class ModelFile(Reader):
    """A model file."""

    longest = 16_000
    words = (
        "tinynet.Sequential", "tinynet.Dense", "tinynet.Residual", "tinynet.ops.relu", "same", "layer", "arguments",
        "array", "items", "named", "float64", "frozen", "tinynet.ImportedModel", "tinynet.Conv2D",
    )  # fmt: skip

    def change(self, data, rng, plain):
        return mutations.change_model(data, rng, plain, self.words)

    def seeds(self):
        files = []
        for model in networks():
            model.save(self.folder / "seed")
            files.append((self.folder / "seed").read_bytes())
        return files

    def reads(self, data):
        path = self.written("model.safetensors", data)
        yield lambda: tn.load(path).theta


class CheckpointFile(ModelFile):
    """A checkpoint, from which a run of `fit` goes on."""

    words = ("array", "items", "model", "optimizer", "order", "callbacks", "vectors", "history", "PCG64", "batch")

    def prepare(self):
        self.may_write = self.folder / "written"
        self.may_write.mkdir(exist_ok=True)

    def train(self, epochs, **options):
        callbacks = [tn.Checkpoint(self.may_write / "last"), tn.EarlyStopping("loss")]
        common = {"batch_size": 4, "optimizer": tn.Adam(), "callbacks": callbacks, "seed": 0, "verbose": 0}
        return network().fit(X, Y, epochs=epochs, **common, **options)

    def seeds(self):
        files = []
        for epochs in (1, 2):
            self.train(epochs)
            files.append((self.may_write / "last").read_bytes())
        return files

    def reads(self, data):
        path = self.written("checkpoint.safetensors", data)
        yield lambda: self.train(2, resume=path)


class OnnxFile(Reader):
    """An ONNX file."""

    longest = 12_000
    words = (*OPERATORS, "If", "Loop", "float", "x", "axis", "perm", "axes", "shape")

    def change(self, data, rng, plain):
        return mutations.change_onnx(data, rng, plain, self.words)

    def seeds(self):
        files = [path.read_bytes() for path in sorted((Path(__file__).parents[1] / "onnx" / "files").glob("*.onnx"))]
        for model in networks():
            tn.onnx.save(model, self.folder / "seed.onnx")
            files.append((self.folder / "seed.onnx").read_bytes())
        return sorted((data for data in files if len(data) < self.longest), key=len)

    def reads(self, data):
        path = self.written("a.onnx", data)
        yield lambda: tn.onnx.load(path).theta


class Records(Reader):
    """metrics.json of a run, its settings.json, and experiment.json: each is tried as all of them."""

    longest = 12_000
    words = ("model", "data", "history", "val_loss", "classes", "preparation", "likeness", "variants", "seed", "loss")

    def change(self, data, rng, plain):
        return mutations.change_json(data, rng, plain, self.words)

    def prepare(self):
        self.model = network()
        for name in ("run", "begun"):
            (self.folder / name).mkdir(exist_ok=True)
            for file in ("best.safetensors", "last.safetensors"):
                self.model.save(self.folder / name / file)

    def seeds(self):
        files = []
        for path in sorted((CORPUS / "records").glob("valid-*.json")):
            record = json.loads(path.read_bytes())
            if "parameters" in record:
                record["parameters"]["sha256"] = parameters_digest(self.model)
            files.append(json.dumps(record).encode())
        return files

    def reads(self, data):
        run, begun = self.folder / "run", self.folder / "begun"
        self.written("run/metrics.json", data)
        self.written("begun/settings.json", data)
        yield lambda: self.compared(open_any(run).record)
        yield partial(begun_with, run)
        yield partial(begun_with, begun)
        yield lambda: differences(read_json(run / "metrics.json"), {"seed": 0, "hyper_parameters": {"epochs": 1}})

    def compared(self, record):
        records = {"a": record, "b": record}
        comparison_table(records)
        comparison_rows(records)
        incomparable(records)
        history_of(record)
        settings_of(record)


class Images(Reader):
    """An image of the user's, as a drawing, as a photograph, and in a directory of images."""

    longest = 4096
    change = staticmethod(mutations.change_image)

    def prepare(self):
        for name in ("a", "b"):
            (self.folder / "images" / name).mkdir(parents=True, exist_ok=True)
            for i in range(2):
                Image.fromarray(np.full((4, 5), 90 * i, np.uint8)).save(self.folder / "images" / name / f"{i}.png")

    def seeds(self):
        ink = np.zeros((12, 9), np.uint8)
        ink[3:9, 4] = 255
        colour = np.stack([ink, ink // 2, ink // 3], 2)
        files = [npy_bytes(a) for a in (ink, ink / 255, colour, ink[..., None].astype(np.float32), ink > 0)]
        images = [Image.fromarray(a) for a in (ink, colour, np.dstack([colour, ink]), ink.astype(np.uint16) * 257)]
        images += [images[0].convert("P"), images[0].convert("1"), images[0].convert("LA")]
        turned = Image.Exif()
        turned[0x0112] = 6
        for image in images:
            for kind in ("PNG", "GIF", "TIFF", "BMP", "WEBP", "JPEG"):
                buffer = io.BytesIO()
                try:
                    image.save(buffer, kind, exif=turned)
                except (OSError, TypeError):  # not every format has every kind of pixels
                    continue
                files.append(buffer.getvalue())
        buffer = io.BytesIO()
        images[0].save(buffer, "GIF", save_all=True, append_images=[images[4]])
        return [*files, buffer.getvalue()]

    def reads(self, data):
        path = self.written("image", data)
        yield partial(read_sample, path, MNIST.preparation)
        yield partial(read_sample, path, Preparation((8, 6, 3)))
        self.written("images/b/9.png", data)
        yield partial(tn.datasets.image_folder, self.folder / "images")


def npy_bytes(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


READERS = {
    "idx": Idx, "npz": Npz, "mat": Mat, "model": ModelFile, "checkpoint": CheckpointFile, "onnx": OnnxFile,
    "records": Records, "images": Images,
}  # fmt: skip
