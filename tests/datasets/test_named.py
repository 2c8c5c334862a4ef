"""The datasets that are known by name: each is read from files in its format, and strangers are told."""

import dataclasses
import hashlib

import numpy as np
import pytest

import tinynet as tn
from tests.datasets.mnist_writers import STEMS, idx_bytes, make_arrays, mat_bytes, matrices, npz_bytes, write, write_idx
from tinynet.datasets import identity, loader, spec
from tinynet.errors import ArgumentError, DatasetError, FileFormatError

ARRAYS = make_arrays()
NAMES = tuple(spec.SPECS)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Give an empty cache, no configured directories and no network."""
    for known in spec.SPECS.values():
        monkeypatch.delenv(known.variable, raising=False)
    monkeypatch.setenv("TINYNET_OFFLINE", "1")
    monkeypatch.setattr(loader, "cache_directory", lambda: tmp_path / "cache")
    return tmp_path / "cache"


@pytest.fixture
def small(monkeypatch):
    """Let a dataset be small, by its sizes and digests: of the compressed files in a folder, or of the contents."""

    def shrink(known, folder=None, arrays=ARRAYS):
        files = []
        for file, key in zip(known.files, STEMS, strict=True):
            content = hashlib.sha256(idx_bytes(arrays[key])).hexdigest()
            packed = folder and hashlib.sha256((folder / file.name).read_bytes()).hexdigest()
            files.append(file._replace(packed=packed) if folder else file._replace(sha256=content))
        order = {p: identity._digest_in_order(arrays[f"x_{p}"], arrays[f"y_{p}"]) for p in ("train", "test")}
        order = {} if folder else order
        changed = dataclasses.replace(known, files=tuple(files), sizes=(20, 10), any_order=order)
        monkeypatch.setitem(spec.SPECS, known.name, changed)
        if known is spec.MNIST:
            monkeypatch.setattr(loader, "_MNIST", changed)
        return changed

    return shrink


def other(arrays=ARRAYS):
    """Arrays that are not the dataset: the images transposed."""
    return {key: a.swapaxes(1, 2) if a.ndim == 3 else a for key, a in arrays.items()}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_each_is_read_from_its_idx_files_and_unpacks_into_pairs(name, suffix, tmp_path):
    path = write_idx(tmp_path / "idx", ARRAYS, suffix)
    data = tn.datasets.load(name, source=path)
    (x_train, y_train), (x_test, y_test) = data
    for key, values in zip(ARRAYS, (x_train, y_train, x_test, y_test), strict=True):
        np.testing.assert_array_equal(values, ARRAYS[key], strict=True)
    known = spec.SPECS[name]
    assert (data.name, data.title, data.classes, data.noun) == (name, known.title, known.classes, known.noun)
    assert (data.origin, data.shape, data.genuine) == (str(path), (28, 28, 1), None)
    assert data.source == f"part (20 + 10 images from {path})"


def test_kmnist_is_read_from_its_four_npz_files(tmp_path):
    for key, name in spec.KMNIST.pairs.items():
        write(tmp_path / name, npz_bytes({"arr_0": ARRAYS[key]}, np.savez_compressed))
    data = tn.datasets.load("kmnist", tmp_path)
    np.testing.assert_array_equal(data.x_test, ARRAYS["x_test"])
    assert data.classes[:2] == ("o", "ki")
    (tmp_path / spec.KMNIST.pairs["y_test"]).unlink()
    with pytest.raises(DatasetError, match=r"no KMNIST files here\. Expected .*kmnist-train-imgs\.npz"):
        tn.datasets.load("kmnist", tmp_path)


@pytest.mark.parametrize("name", NAMES[1:])
def test_each_has_an_archive_a_variable_and_a_cache_of_its_own(name, tmp_path, cache, monkeypatch, capsys):
    known = spec.SPECS[name]
    write(tmp_path / f"{name}.npz", npz_bytes(ARRAYS))
    monkeypatch.setenv("TINYNET_DATA", "/absent")  # which is of MNIST alone
    with pytest.raises(DatasetError, match=f"{known.title} is not in the cache {cache / name}, and TINYNET_OFFLINE"):
        tn.datasets.load(name)
    monkeypatch.setenv(known.variable, str(tmp_path))
    assert tn.datasets.load(name).origin == str(tmp_path)
    monkeypatch.setenv(known.variable, str(tmp_path / "absent"))
    with pytest.raises(DatasetError, match=f"{known.variable}=.*absent cannot be used"):
        tn.datasets.load(name)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("name", NAMES[1:])
def test_a_full_cache_is_used_and_a_stranger_in_it_is_not(name, cache, small):
    folder = write_idx_in(cache / name, ARRAYS)
    small(spec.SPECS[name], folder)
    data = tn.datasets.load(name)
    assert (data.genuine, data.source) == (True, f"full (20 + 10 images from {folder})")
    write_idx_in(folder, other())
    with pytest.raises(DatasetError, match="is not in the cache"):
        tn.datasets.load(name)


def write_idx_in(folder, arrays):
    folder.mkdir(parents=True, exist_ok=True)
    return write_idx(folder, arrays, ".gz")


FORMS = {
    "idx": lambda folder, arrays: write_idx(folder, arrays),
    "idx.gz": lambda folder, arrays: write_idx(folder, arrays, ".gz"),
    "npz": lambda folder, arrays: write(folder / "any.npz", npz_bytes(arrays)),
    "mat": lambda folder, arrays: write(folder / "any.mat", mat_bytes(matrices(arrays))),
}


@pytest.mark.parametrize("form", FORMS)
def test_strangers_under_the_names_of_mnist_are_told_and_recorded(form, tmp_path, small, capsys):
    small(spec.MNIST)
    path = FORMS[form](tmp_path, ARRAYS)
    assert tn.datasets.load("mnist", path).genuine
    assert capsys.readouterr().err == ""
    path = FORMS[form](tmp_path, other())
    data = tn.datasets.load("mnist", path)
    assert data.genuine is False
    assert data.source == f"other images than those of MNIST (20 + 10 images from {path})"
    err = capsys.readouterr().err
    assert err.startswith(f"tinynet: {path}: the files have the names and the sizes of MNIST, but are not MNIST: the ")
    assert err.count("\n") == 1


def test_full_demands_the_dataset_itself(tmp_path, small, monkeypatch):
    small(spec.MNIST)
    monkeypatch.setenv("TINYNET_DATA", str(write_idx(tmp_path / "idx", other())))
    with pytest.raises(DatasetError, match=r"but are not MNIST: .*, as source='full' demands\. Name their path"):
        tn.datasets.mnist("full")
    assert tn.datasets.load_mnist().genuine is False


def test_another_order_of_the_same_images_is_the_same_dataset(tmp_path, small):
    small(spec.MNIST)
    order = {"train": np.random.default_rng(0).permutation(20), "test": np.arange(10)[::-1]}
    mixed = {key: array[order[key[2:]]] for key, array in ARRAYS.items()}
    assert tn.datasets.load("mnist", write(tmp_path / "a.npz", npz_bytes(mixed))).genuine
    mixed["y_train"] = mixed["y_train"][::-1]
    assert tn.datasets.load("mnist", write(tmp_path / "a.npz", npz_bytes(mixed))).genuine is False


def test_the_files_of_another_dataset_are_named(tmp_path, small, capsys):
    small(spec.MNIST)
    folder = write_idx_in(tmp_path / "fashion", other())
    small(spec.FASHION_MNIST, folder)
    assert tn.datasets.load("mnist", folder).genuine is False
    assert "but are not MNIST: these are the files of Fashion-MNIST; they are taken" in capsys.readouterr().err


def test_a_form_of_which_no_digests_are_known_is_neither_right_nor_wrong(tmp_path, small, capsys):
    folder = write_idx_in(tmp_path / "packed", ARRAYS)
    small(spec.KMNIST, folder)
    assert tn.datasets.load("kmnist", write(tmp_path / "a.npz", npz_bytes(other()))).genuine is None
    assert capsys.readouterr().err == ""


def test_floats_are_said_in_the_source(tmp_path):
    path = write(tmp_path / "a.npz", npz_bytes({**ARRAYS, "x_test": ARRAYS["x_test"] / 255}))
    data = tn.datasets.load("mnist", path)
    assert data.source == f"part (20 + 10 images from {path}; x_test: float64, from 0 to 1, taken as 0 to 255)"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("cifar",), f"'cifar' is neither one of {', '.join(NAMES)}, digits nor a path"),
        (("",), "'' is neither one of"),
        ((5,), "'5' is neither one of"),
        (("kmnist", "sample"), "source='sample' is neither 'auto' or 'full' nor a path that exists"),
        (("mnist", "auto", 28), "images of MNIST have a size already"),
        ((".", "full"), "source='full' is of datasets with a name"),
    ],
)
def test_what_is_no_dataset_is_refused(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        tn.datasets.load(*arguments)


def test_digits_are_the_sample(capsys):
    data = tn.datasets.digits()
    assert data.digest() == tn.datasets.load("digits").digest() == tn.datasets.load_mnist("sample").digest()
    assert (data.genuine, data.origin) == (True, "sample")


def test_other_labels_and_sizes_are_refused_with_the_name_of_the_dataset(tmp_path):
    wide = {key: a.repeat(2, axis=2) if a.ndim == 3 else a for key, a in ARRAYS.items()}
    with pytest.raises(FileFormatError, match=r"28 x 56 pixels; expected 28 x 28\. Images like those of Fashion-MNIST"):
        tn.datasets.load("fashion_mnist", write_idx(tmp_path / "a", wide))
    with pytest.raises(DatasetError, match=r"not an \.npz file"):
        tn.datasets.load("kmnist", write(tmp_path / "a.mat", b""))


def test_specs_cannot_be_changed_by_accident():
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.MNIST.title = "other"


# --- spirals


def test_spirals_need_no_file_and_are_decided_by_their_seed():
    data = tn.datasets.spirals(300, classes=3)
    assert (data.x_train.shape, data.x_test.shape, data.x_train.dtype) == ((300, 2), (300, 2), np.float32)
    np.testing.assert_array_equal(np.bincount(data.y_train), [100] * 3)
    assert data.digest() == tn.datasets.spirals(300, classes=3).digest() != tn.datasets.spirals(300, 3, seed=1).digest()
    radius = np.hypot(*tn.datasets.spirals(300, noise=0).x_train.T)
    assert radius.max() <= 1


@pytest.mark.parametrize("arguments", [(1,), (10, 1), (10, 257), (10, 2, -1.0)])
def test_spirals_out_of_range_are_refused(arguments):
    with pytest.raises(ArgumentError, match="spirals"):
        tn.datasets.spirals(*arguments)
