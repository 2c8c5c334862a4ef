"""Model files: what is saved comes back bit for bit, and what is no such file is refused and says why."""

import copy
import errno
import json
import os
import resource
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import tinynet as tn
from tests.small_network import SMALL_X
from tinynet.checks import defined_in
from tinynet.errors import ArgumentError, CheckpointError, MissingFileError, TinynetError, WriteError
from tinynet.saving import files, modelfile


def samples(*shape):
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


def names(directory):
    return [path.name for path in directory.iterdir()]


def stack(seed=0, **options):
    """A model with two parameters, for files to be damaged."""
    return tn.Sequential([tn.Input((4,), scale=1 / 255), tn.Dense(3, "softmax", name="out")], seed=seed, **options)


class Residual(tn.Layer):
    """A layer of the user's, with a layer inside and an argument."""

    def __init__(self, factor=1.0, name=None):
        super().__init__(name)
        self.factor = factor

    def build(self, input_shape, rng):
        self.inner = tn.Dense(input_shape[-1], "tanh")
        self.offset = self.add_parameter("offset", input_shape, "glorot_uniform")

    def forward(self, x):
        return x + self.inner(x) * self.factor + self.offset


class Net(tn.Model):
    """A model of the user's, with an argument."""

    def __init__(self, width, seed=None):
        super().__init__(input_shape=(4,), seed=seed)
        self.hidden = tn.Dense(width, "relu")
        self.residual = Residual(0.5)
        self.out = tn.Dense(2)

    def forward(self, x):
        return self.out(self.residual(self.hidden(x)))


class Noted(tn.Dense):
    """A layer that keeps anything."""

    def __init__(self, note):
        super().__init__(2)
        self.note = note


class Dense(tn.Layer):
    """A layer of the user's that is called like one of tinynet's."""

    def forward(self, x):
        return x * 2


def softplus(x):
    return tn.ops.logaddexp(x, 0.0)


def relu(x):
    """Called like an op of tinynet's, and leaky."""
    return tn.ops.where(x > 0, x, 0.1 * x)


def convolutional():
    layers = [tn.Input((9, 9, 1), scale=1 / 255), tn.Conv2D(3, (3, 2), stride=(1, 2), padding="same")]
    layers += [tn.ReLU(), tn.MaxPool(2, stride=1), tn.Flatten(), tn.Dense(5, "sigmoid", use_bias=False), tn.Softmax()]
    return tn.Sequential(layers, seed=0, name="conv")


def shared():
    dense = tn.Dense(4, "tanh")
    return tn.Sequential([tn.Input((4,), scale=0.01), dense, tn.ReLU(), dense, tn.Dense(2)], seed=0)


def nested():
    inner = tn.Sequential([tn.Dense(5, "relu"), tn.Sequential([tn.Dense(4)], name="core")], name="inner")
    return tn.Sequential([tn.Input((4,), scale=0.01), inner, inner, tn.Dense(2)], seed=0)


def standardised():
    rng = np.random.default_rng(0)
    return tn.Sequential([tn.Input((4,), shift=rng.normal(size=4), scale=rng.random(4)), tn.Dense(3)], seed=0)


MODELS = {
    "stack": (stack, {}),
    "convolutional": (convolutional, {}),
    "shared layers": (shared, {}),
    "nested models": (nested, {}),
    "array shift and scale": (standardised, {}),
    "float64": (lambda: stack(dtype="float64"), {}),
    "astype float64": (lambda: standardised().astype("float64"), {}),
    "a generator for a seed": (lambda: stack(seed=None, rng=np.random.default_rng(1)), {}),
    "input_shape": (lambda: tn.Sequential([tn.Dense(2)], input_shape=(4,), seed=0), {}),
    "a user's model": (lambda: Net(6, seed=0), {"Net": Net, "Residual": Residual}),
    "a user's layer": (
        lambda: tn.Sequential([tn.Input((4,)), Residual(factor=0.25), Residual()], seed=0),
        {"Residual": Residual},
    ),
    "a user's layer called as one of tinynet's": (
        lambda: tn.Sequential([tn.Input((4,)), Dense(), tn.Dense(3)], seed=0),
        {"Dense": Dense},
    ),
    "a function": (
        lambda: tn.Sequential([tn.Input((4,), scale=0.01), tn.Dense(3, softplus)], seed=0),
        {"softplus": softplus},
    ),
    "a function called as an op of tinynet's": (
        lambda: tn.Sequential([tn.Input((4,)), tn.Dense(3, relu), tn.Dense(3, tn.ops.relu)], seed=0),
        {"relu": relu},
    ),
    "ops": (lambda: tn.Sequential([tn.Input((4,)), tn.Dense(3, tn.ops.tanh), tn.Dense(2, tn.ops.softmax)], seed=0), {}),
}


@pytest.mark.parametrize("case", MODELS)
def test_a_loaded_model_predicts_the_same_bits(case, tmp_path):
    make, custom = MODELS[case]
    model = make()
    x = samples(7, *model.input.shape)
    path = tmp_path / "model.safetensors"
    model.save(path)
    loaded = tn.load(path, custom_layers=custom)
    assert type(loaded) is type(model)
    assert loaded.name == model.name
    assert list(loaded.parameters) == list(model.parameters)
    assert loaded.dtype == model.dtype
    np.testing.assert_array_equal(loaded.theta, model.theta)
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))


def test_a_loaded_model_trains_on_as_the_one_that_was_saved(tmp_path):
    x, y = samples(16, 4), np.arange(16) % 3
    model = stack()
    model.save(tmp_path / "m")
    loaded = tn.load(str(tmp_path / "m"))
    for each in (model, loaded):
        each.fit(x, y, epochs=2, batch_size=4, seed=0, verbose=0)
    np.testing.assert_array_equal(loaded.theta, model.theta)


def test_the_file_is_plain_safetensors(tmp_path):
    model = stack()
    model.save(tmp_path / "m")
    tensors = load_file(tmp_path / "m")
    assert sorted(tensors) == ["out.bias", "out.weight"]
    np.testing.assert_array_equal(tensors["out.weight"], model.parameters["out.weight"].data)
    with safe_open(tmp_path / "m", "numpy") as file:
        assert file.metadata()["format"] == "tinynet-model"
        assert file.metadata()["version"] == "2"


def test_saving_leaves_nothing_but_the_file(tmp_path):
    path = tmp_path / "model.safetensors"
    stack(seed=1).save(path)
    stack(seed=2).save(path)
    assert names(tmp_path) == ["model.safetensors"]
    np.testing.assert_array_equal(tn.load(path).theta, stack(seed=2).theta)
    umask = os.umask(0o022)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (tn.Dense(2, lambda x: x), "'dense' .*argument activation: a <lambda> cannot be put into a model file"),
        (Noted({1, 2}), "'dense' .*argument note: a set cannot be put into a model file; a file holds numbers, texts"),
    ],
    ids=["lambda", "set"],
)
def test_what_a_file_cannot_hold_is_refused_before_it_is_written(layer, message, tmp_path):
    with pytest.raises(ArgumentError, match=message):
        tn.Sequential([tn.Input((4,)), layer]).save(tmp_path / "m")
    assert not names(tmp_path)


def test_a_layer_made_with_stars_is_refused(tmp_path):
    class Starred(tn.Layer):
        def __init__(self, *sizes, name=None):
            super().__init__(name)

        def forward(self, x):
            return x

    with pytest.raises(ArgumentError, match=r"a layer made with \*args or \*\*kwargs cannot be saved; name its argum"):
        tn.Sequential([tn.Input((4,)), Starred(1, 2), tn.Dense(1)]).save(tmp_path / "m")


def test_without_the_room_that_saves_an_error_says_what_to_import(tmp_path, monkeypatch):
    monkeypatch.setattr(tn.Model, "save", defined_in("tinynet.saving.model"))
    monkeypatch.setattr(tn.Run, "resume", defined_in("tinynet.saving.checkpoint"))
    with pytest.raises(ArgumentError, match=r"is done by tinynet\.saving\.model, which is not there; import it"):
        stack().save(tmp_path / "m")
    with pytest.raises(ArgumentError, match=r"is done by tinynet\.saving\.checkpoint"):
        stack().fit(samples(6, 4), np.arange(6) % 3, verbose=0, resume=tmp_path / "m")


# --- files that are none, or not whole


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "model.safetensors"
    stack().save(path)
    return path


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(
        MissingFileError, match=f"there is no model file {tmp_path / 'none'}; give the path of one that"
    ):
        tn.load(tmp_path / "none")
    assert issubclass(MissingFileError, TinynetError)
    assert issubclass(MissingFileError, FileNotFoundError)


def test_a_directory_is_told_with_the_model_files_in_it(tmp_path):
    with pytest.raises(MissingFileError, match=f"{tmp_path} is a directory, not a model file, and has none"):
        tn.load(tmp_path)
    for name in ("last.safetensors", "best.safetensors", "metrics.json"):
        (tmp_path / name).touch()
    with pytest.raises(
        MissingFileError, match=r"but has best\.safetensors and last\.safetensors; give the path of one"
    ):
        tn.load(tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"\x00", b"hello, this is a text file\n" * 10, b"PK\x03\x04" + bytes(100), b"\xff" * 64]
)
def test_other_files_are_refused(content, tmp_path):
    path = tmp_path / "m"
    path.write_bytes(content)
    with pytest.raises(
        CheckpointError, match=f"{path} is not a safetensors file, or a damaged one: .*; copy it again from"
    ):
        tn.load(path)


@pytest.mark.parametrize("kept", [0.0, 0.01, 0.5, 0.9, 0.999])
def test_a_file_that_was_cut_off_is_refused(kept, saved):
    content = saved.read_bytes()
    saved.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(CheckpointError, match="is not a safetensors file, or a damaged one"):
        tn.load(saved)


def test_no_flipped_bit_of_the_header_gets_through_as_anything_but_an_error_of_ours(saved):
    content = bytearray(saved.read_bytes())
    length = 8 + int.from_bytes(content[:8], "little")
    loaded = 0
    for i in range(0, length, 3):
        content[i] ^= 1 << (i % 7)
        saved.write_bytes(content)
        try:
            tn.load(saved)
            loaded += 1  # such as another seed or name, which nothing contradicts
        except CheckpointError:
            pass
        content[i] ^= 1 << (i % 7)
    assert loaded < length // 3 / 4


@pytest.mark.parametrize("metadata", [None, {}, {"format": "pt"}])
def test_a_safetensors_file_of_others_is_refused(metadata, tmp_path):
    save_file({"weight": np.zeros(3)}, tmp_path / "m", metadata)
    with pytest.raises(
        CheckpointError, match="is a safetensors file, but not a model of tinynet's: its metadata has n"
    ):
        tn.load(tmp_path / "m")


def rewrite(path, change_metadata=None, change_tensors=None):
    """Change a good file, and write it anew, with digests that fit: as someone would who means it."""
    tensors = load_file(path)
    with safe_open(path, "numpy") as file:
        metadata = file.metadata()
    if change_metadata:
        change_metadata(metadata)
    if change_tensors:
        change_tensors(tensors)
    metadata["digests"] = json.dumps({name: modelfile._digest(array.tobytes()) for name, array in tensors.items()})
    metadata["digest"] = modelfile._digest_of(metadata)
    save_file(tensors, path, metadata)


def test_a_newer_format_asks_for_a_newer_tinynet(saved):
    for version in ("4", "123456789"):
        rewrite(saved, lambda metadata, version=version: metadata.update(version=version))
        with pytest.raises(
            CheckpointError, match=f"has format version {version}, but this tinynet reads up to 3; update"
        ):
            tn.load(saved)


def test_files_of_the_first_version_have_no_digests_but_for_those_of_runs(saved):
    def old(change):
        tensors = load_file(saved)
        with safe_open(saved, "numpy") as file:
            metadata = {k: v for k, v in file.metadata().items() if k not in ("digest", "digests")}
        save_file(tensors, saved, metadata | {"version": "1"} | change)

    old({})
    np.testing.assert_array_equal(tn.load(saved).theta, stack().theta)
    old({"run": "{}"})
    with pytest.raises(CheckpointError, match="its metadata are not those that were written"):
        tn.load(saved)


@pytest.mark.parametrize("digests", ["", "[]", '{"out.bias": 3}', "[" * 100_000, None])
def test_digests_that_are_none_are_damage(digests, saved):
    tensors = load_file(saved)
    with safe_open(saved, "numpy") as file:
        metadata = {k: v for k, v in file.metadata().items() if k != "digests"}
    metadata |= {} if digests is None else {"digests": digests}
    save_file(tensors, saved, metadata | {"digest": modelfile._digest_of(metadata)})
    with pytest.raises(CheckpointError, match=r"the values of out\..* are not those that were written"):
        tn.load(saved)


def test_a_header_that_is_too_long_is_neither_written_nor_read(saved, monkeypatch):
    header = int.from_bytes(saved.read_bytes()[:8], "little")
    monkeypatch.setattr(modelfile, "_MOST_HEADER", header - 1)
    with pytest.raises(CheckpointError, match=f"bytes, and speaks of a header of {header:,}"):
        tn.load(saved)
    with pytest.raises(ArgumentError, match=f"have {header:,} bytes, more than a file can hold"):
        stack().save(saved)
    monkeypatch.setattr(modelfile, "_MOST_HEADER", header)
    stack().save(saved)
    np.testing.assert_array_equal(tn.load(saved).theta, stack().theta)


def test_a_file_that_cannot_be_read_is_told(saved, monkeypatch):
    def refuse(path, *arguments, **options):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(CheckpointError, match=f"{saved} cannot be read: Permission denied"):
        tn.load(saved)


def test_names_in_custom_layers_that_the_file_does_not_have_raise_no_doubt(saved):
    describe(saved, lambda d: layers(d)[1].update(layer=7))
    for custom in ({"Unused": Net}, {"tinynet.Dense": Net}, None):
        with pytest.raises(CheckpointError, match="the file names 7") as told:
            tn.load(saved, custom_layers=custom)
        assert "custom_layers what was saved" not in str(told.value)


@pytest.mark.parametrize("version", ["", "0", "one", "-1", "1.5", "²", "٣", "1234567890"])
def test_a_version_that_is_no_number_is_damage(version, saved):
    rewrite(saved, lambda metadata: metadata.update(version=version))
    with pytest.raises(CheckpointError, match=f"is damaged: its format version is '{version}', which is not a whole"):
        tn.load(saved)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("out.bias"), r"it lacks \['out\.bias'\] and has \[\] besides"),
        (lambda t: t.update(more=np.zeros(1, np.float32)), r"it lacks \[\] and has \['more'\] besides"),
        (lambda t: t.update({"out.b": t.pop("out.bias")}), r"it lacks \['out\.bias'\] and has \['out\.b'\] besides"),
        (lambda t: t.update({"out.bias": np.zeros(4, np.float32)}), r"out\.bias has shape \[4\] .*expected \[3\]"),
        (lambda t: t.update({"out.bias": np.zeros((3, 1), np.float32)}), r"shape \[3, 1\] .*expected \[3\] in float32"),
        (lambda t: t.update({"out.bias": np.zeros(3)}), "dtype F64, expected .* in float32"),
        (lambda t: t.update({"out.bias": np.zeros(3, np.int32)}), "dtype I32, expected .* in float32"),
    ],
    ids=["missing", "extra", "renamed", "longer", "rank", "float64", "integers"],
)
def test_parameters_that_do_not_fit_the_architecture_are_refused(change, message, saved):
    rewrite(saved, change_tensors=change)
    with pytest.raises(CheckpointError, match="does not fit its own architecture: .*" + message):
        tn.load(saved)


def describe(path, change):
    """Change the description of the model in a good file."""

    def change_metadata(metadata):
        described = json.loads(metadata["model"])
        changed = change(described)
        metadata["model"] = changed if isinstance(changed, str) else json.dumps(described)

    rewrite(path, change_metadata)


def layers(described):
    return described["architecture"]["arguments"]["layers"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: layers(d)[1]["arguments"].update(units=-3), "cannot be built: Dense: units must be an integer of 1"),
        (lambda d: layers(d)[1]["arguments"].update(units="3"), "cannot be built: Dense: units must be an integer of"),
        (
            lambda d: layers(d)[1]["arguments"].update(units=10**15),
            r"out\.weight has shape \[4, 3\] .* expected \[4, 1000000",
        ),
        (lambda d: layers(d)[1]["arguments"].update(activation="geru"), "cannot be built: Dense: activation must be"),
        (lambda d: layers(d)[1]["arguments"].update(colour="red"), "makes no sense .*unexpected keyword.*colour"),
        (lambda d: layers(d)[1].pop("arguments"), "makes no sense"),
        (lambda d: layers(d)[1].update(layer=7), "the file names 7"),
        (lambda d: layers(d)[1].update(layer="tinynet.Layer", arguments={}), "makes no sense .*Layer has no forward"),
        (lambda d: layers(d).insert(1, {"same": 9}), "makes no sense"),
        (
            lambda d: layers(d).insert(1, {"same": 0}),
            "cannot be built: Sequential: layer 1 must be a Layer, but is None",
        ),
        (lambda d: layers(d).clear(), "cannot be built: Sequential: there must be at least one layer"),
        (lambda d: layers(d).pop(0), "cannot be built: model .* does not know the shape of its input yet"),
        (
            lambda d: d.update(architecture=layers(d)[1]),
            "is damaged: it describes no model of dtype float32 or float64",
        ),
        (lambda d: d.update(dtype="float16"), "is damaged: it describes no model of dtype float32 or float64"),
        (lambda d: d.pop("dtype"), "makes no sense"),
        (lambda d: "no JSON", "makes no sense"),
        (lambda d: "[" * 100_000, "makes no sense"),
        (lambda d: " " * 9_000_000, "the description of the model has 9,000,000 bytes, more than is allowed"),
    ],
)
def test_a_description_that_makes_no_sense_is_refused(change, message, saved):
    describe(saved, change)
    with pytest.raises(CheckpointError, match=message) as caught:
        tn.load(saved)
    assert str(saved) in str(caught.value) or "the file names" in str(caught.value)


def test_a_layer_that_is_not_known_says_how_to_name_it(tmp_path):
    Net(3, seed=0).save(tmp_path / "m")
    with pytest.raises(
        CheckpointError, match=r"names 'Net', which is not one of tinynet's own; pass it as custom_layers="
    ):
        tn.load(tmp_path / "m")
    tn.Sequential([tn.Input((4,)), Dense(), tn.Dense(1)]).save(tmp_path / "m")
    with pytest.raises(
        CheckpointError, match=r"names 'Dense', which is not one .* pass it as custom_layers=\{'Dense': \.\."
    ):
        tn.load(tmp_path / "m")


class Wider(tn.Layer):
    """In place of Residual: it takes other arguments."""

    def __init__(self, width, name=None):
        super().__init__(name)
        self.width = width


class Broken(Residual):
    """In place of Residual: its code fails."""

    def build(self, input_shape, rng):
        raise KeyError("of the user's")


class Bare(Residual):
    """In place of Residual: it lacks a parameter."""

    def build(self, input_shape, rng):
        self.inner = tn.Dense(input_shape[-1], "tanh")

    def forward(self, x):
        return self.inner(x)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (Wider, "cannot be built: TypeError.*unexpected keyword argument 'factor'"),
        (Broken, "cannot be built: KeyError"),
        (Bare, r"does not fit its own architecture: it lacks .* and has .*'residual\.offset'.* besides"),
        (lambda factor: None, "names 'Residual' as a layer, which it is not"),
        (tn.Dense(3), "names 'Residual' as a layer, which it is not"),
    ],
    ids=["other arguments", "broken", "other parameters", "a function", "a layer that is made already"],
)
def test_a_class_that_does_not_fit_is_told_by_its_name(other, message, tmp_path):
    tn.Sequential([tn.Input((4,)), Residual(0.5)]).save(tmp_path / "m")
    asked = "; is 'Residual' in custom_layers what was saved under that name"
    with pytest.raises(CheckpointError, match=f"{tmp_path / 'm'}.*{message}.*{asked}") as caught:
        tn.load(tmp_path / "m", custom_layers={"Residual": other, "Unused": Net})
    assert "damaged" not in str(caught.value)


def test_a_layer_of_a_later_tinynet_asks_for_it(saved):
    describe(saved, lambda d: layers(d)[1].update(layer="tinynet.Attention"))
    with pytest.raises(
        CheckpointError, match=r"names 'tinynet\.Attention', which this version of tinynet does not hav"
    ):
        tn.load(saved)


def test_only_names_in_the_table_are_called(saved, tmp_path):
    for name in ("os.system", "builtins.exec", "tinynet.load", "Path"):
        describe(saved, lambda d, name=name: layers(d)[1].update(layer=name, arguments={"command": "touch x"}))
        with pytest.raises(CheckpointError, match="the file names"):
            tn.load(saved)


@pytest.mark.parametrize("name", ["tinynet.ops.pad", "mine"])
def test_only_layers_are_made_of_what_a_file_calls_a_layer(name, saved):
    called = []
    wide = {"array": [[0.0]], "dtype": "float32"}
    arguments = {"x": wide, "widths": [[0, 1], [0, 1]], "value": 0.0}
    describe(saved, lambda d: layers(d)[1].update(layer=name, arguments=arguments))
    with pytest.raises(CheckpointError, match=f"names '{name}' as a layer, which it is not"):
        tn.load(saved, custom_layers={"mine": lambda **given: called.append(given)})
    assert not called


# --- places that cannot be written to


@contextmanager
def small_disk(most):
    """Let no file grow beyond some bytes: the write itself fails half-way."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_file_that_is_cut_short_by_the_disk_changes_nothing(saved):
    before = saved.read_bytes()
    with small_disk(len(before) // 2), pytest.raises(WriteError, match=f"could not write {saved}: .*nothing was chan"):
        stack(seed=1).save(saved)
    assert saved.read_bytes() == before
    assert names(saved.parent) == [saved.name]


@pytest.mark.parametrize("function", ["open", "write", "fsync", "replace"])
def test_a_full_disk_changes_nothing(function, saved, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    before = saved.read_bytes()
    monkeypatch.setattr(files.os, function, full)
    with pytest.raises(
        WriteError, match=r"No space left on device; nothing was changed\. Check .* \d+ bytes free"
    ) as e:
        stack(seed=1).save(saved)
    assert e.value.errno == errno.ENOSPC
    monkeypatch.undo()
    assert saved.read_bytes() == before
    assert names(saved.parent) == [saved.name]


def test_a_read_only_place_is_told(saved, monkeypatch):
    def read_only(*_):
        raise OSError(errno.EROFS, "Read-only file system")

    before = saved.read_bytes()
    monkeypatch.setattr(files.os, "open", read_only)
    with pytest.raises(WriteError, match=f"could not write {saved}: Read-only file system; nothing was changed"):
        stack(seed=1).save(saved)
    assert saved.read_bytes() == before


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_directory_without_permission_is_told(saved):
    saved.parent.chmod(0o500)
    try:
        with pytest.raises(WriteError, match="Permission denied"):
            stack(seed=1).save(saved)
    finally:
        saved.parent.chmod(0o700)


def test_a_directory_that_is_not_there_or_in_the_way(tmp_path):
    with pytest.raises(WriteError, match="No such file or directory"):
        stack().save(tmp_path / "none" / "m")
    (tmp_path / "m").mkdir()
    with pytest.raises(WriteError, match="directory"):
        stack().save(tmp_path / "m")
    assert names(tmp_path) == ["m"]
    (tmp_path / "f").touch()
    with pytest.raises(WriteError, match="Not a directory"):
        stack().save(Path(tmp_path / "f" / "m"))


def test_custom_layers_are_a_mapping(tmp_path):
    model = tn.Sequential([tn.Input((3,)), tn.Dense(2)], seed=0)
    model.save(tmp_path / "model.safetensors")
    with pytest.raises(ArgumentError, match="custom_layers must map names to classes"):
        tn.load(tmp_path / "model.safetensors", custom_layers=[tn.Dense])


def test_a_model_remembers_what_it_was_made_of(tmp_path):
    shift, layers = np.ones(3), [tn.Dense(4)]
    model = tn.Sequential([tn.Input((3,), shift=shift), *layers], seed=0)
    before = model.predict(SMALL_X)
    shift[...] = 5
    model.save(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(tn.load(tmp_path / "model.safetensors").predict(SMALL_X), before)
    np.testing.assert_array_equal(model.astype("float32").predict(SMALL_X), before)


def test_a_list_of_layers_that_grows_later_does_not_spoil_the_file(tmp_path):
    layers = [tn.Input((3,)), tn.Dense(4)]
    model = tn.Sequential(layers, seed=0)
    before = model.predict(SMALL_X)
    layers.append(tn.Dense(2))
    model.save(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(tn.load(tmp_path / "model.safetensors").predict(SMALL_X), before)


def test_arguments_that_a_file_cannot_hold_are_refused_when_it_is_written(tmp_path):
    shift = np.random.default_rng(0).normal(size=(384, 384, 3))
    model = tn.Sequential([tn.Input((384, 384, 3), shift=shift), tn.Flatten(), tn.Dense(1)], seed=0)
    model.predict(np.zeros((1, 384, 384, 3)))
    with pytest.raises(ArgumentError, match="make large arrays parameters"):
        model.save(tmp_path / "model.safetensors")
    assert list(tmp_path.iterdir()) == []


class Power(tn.Layer):
    """Settings of several kinds, some of which no file can hold."""

    def __init__(self, exponent=2, mode="plain", weights=(1.0, 2.0), function=tn.ops.relu):
        self.exponent, self.mode, self.weights = exponent, mode, np.asarray(weights)
        self.function = lambda x: function(x)
        self.made = object()

    def forward(self, x):
        y = self.function(x) * self.weights
        return y**self.exponent if self.mode == "plain" else y


def test_attributes_that_were_set_since_are_saved_and_copied(tmp_path):
    def stack():
        layers = [tn.Dense(2), tn.Dropout(0.1), tn.BatchNorm(), Power(), tn.Dense(2), tn.Reshape((2, 1))]
        return tn.Sequential([tn.Input((3,)), *layers], seed=0).build_model()

    as_made, model, x = stack(), stack(), np.ones((2, 3))
    model.layers[1].activation = tn.ops.tanh
    model.layers[2].rate = 0.9
    model.layers[3].momentum = 0.5
    model.layers[4].mode, model.layers[4].weights = "linear", np.array([3.0, 4.0])
    model.layers[6].shape = (1, 2)
    model.layers[5].units = 7  # which the weights know nothing of
    expected = model.predict(x)
    assert expected.shape != as_made.predict(x).shape
    as_made.save(tmp_path / "as_made")
    model.save(tmp_path / "model")
    for same in (tn.load(tmp_path / "model", {"Power": Power}), copy.deepcopy(model)):
        np.testing.assert_array_equal(same.predict(x), expected)
        assert (same.layers[2].rate, same.layers[3].momentum, same.layers[4].exponent) == (0.9, 0.5, 2)
        assert [layer.given_name for layer in same.layers] == [None] * 7
    tn.load(tmp_path / "as_made", {"Power": Power}).save(tmp_path / "again")
    described = []
    for name in ("as_made", "again"):
        with safe_open(tmp_path / name, framework="numpy") as file:
            described.append(file.metadata()["model"])
    assert described[0] == described[1]
    assert "0.9" not in described[0]
