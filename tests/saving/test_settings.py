"""The settings of a run in plain values: what they say of each argument, and by which another run is told."""

import zlib
from functools import partial

import numpy as np
import pytest

import tinynet as tn
from tinynet.errors import CheckpointError
from tinynet.saving.settings import _name, brief_checksum, describe_setting, settings
from tinynet.train.several import Losses

X = np.random.default_rng(0).normal(size=(22, 6)).astype(np.float32)
Y = X[:, :3].argmax(axis=1)


class Told:
    """Asks for the settings as the run begins."""

    def on_train_begin(self, run):
        self.settings = settings(run)
        assert settings(run) is self.settings  # since checksums take their time


def train(x=X, y=Y, **options):
    model = tn.Sequential([tn.Input((6,)), tn.Dense(3, "softmax")], seed=0)
    told = Told()
    callbacks = [*options.pop("callbacks", []), told]
    model.fit(x, y, epochs=1, verbose=0, callbacks=callbacks, **{"seed": 5, "compiled": False, **options})
    return told.settings


class Rows:
    """Samples that are not in memory."""

    def __init__(self, rows):
        self.rows, self.shape, self.dtype = rows, rows.shape, rows.dtype

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, indices):
        return self.rows[indices]


def test_a_run_with_its_defaults_is_described():
    found = train()
    assert [zlib.crc32(X), zlib.crc32(Y)] == found.pop("checksums of the data")
    assert found.pop("optimizer")["class"] == "SGD"
    assert found == {
        "x": ["float32", 22, 6], "validation_data": 0, "loss": "cross_entropy", "sample_weight": None,
        "class_weight": None, "metrics": None, "batch_size": 22, "shuffle": True, "blocks": None, "seed": "5",
        "compiled": False, "micro_batches": None, "callbacks": [],
    }  # fmt: skip


def test_a_run_with_arguments_of_all_kinds_is_described(tmp_path):
    def mine(output, labels):
        return 0.0

    found = train(
        tn.Stream(Rows(X), block=4, blocks=3), batch_size=8, shuffle=True, micro_batches=2, metrics=["accuracy", mine],
        sample_weight=np.ones(22), class_weight={0: 2, 1: 1, 2: 0.5}, validation_data=(X[:9], Y[:9]),
        loss=partial(tn.ops.cross_entropy, label_smoothing=0.1), callbacks=[tn.Checkpoint(tmp_path / "last"), print],
    )  # fmt: skip
    expected = {
        "validation_data": 9,
        "micro_batches": 2, "batch_size": 8, "blocks": [4, 3], "class_weight": {"0": 2.0, "1": 1.0, "2": 0.5},
        "sample_weight": zlib.crc32(np.ones(22)), "loss": "cross_entropy with label_smoothing=0.1",
        "callbacks": ["EpochMetrics", "Checkpoint"],
    }  # fmt: skip
    x, y, _, *validation = found["checksums of the data"]  # that of the weights is the third
    assert [x, y, *validation] == list(map(zlib.crc32, (X, Y, X[:9].copy(), Y[:9].copy())))
    assert {name: found[name] for name in expected} == expected
    assert len(found["metrics"]) == 2
    assert train(class_weight="balanced", micro_batches=1)["class_weight"] == "balanced"
    assert train(tn.Stream(Rows(X)))["blocks"] is None


@pytest.mark.parametrize(
    ("loss", "name"),
    [
        ("mse", "mse"), (None, "None"), (0, "0"), (0.5, "0.5"), (tn.ops.huber, "huber"), (tn.SGD(0.1), "SGD"),
        (partial(tn.ops.huber, delta=2.0), "huber with delta=2.0"), (["mse", None], "0: mse, 1: None"),
        ({"a": "mae", "b": 0.5}, "a: mae, b: 0.5"), (("mse", "mae"), "0: mse, 1: mae"),
        (Losses(["mse", "mae"], [1, 0.5]), "0: mse, 1: mae weighted by 0: 1, 1: 0.5"),
    ],
)  # fmt: skip
def test_a_loss_is_described_by_its_name(loss, name):
    assert _name(loss) == name


class Setting:
    """An object with two arguments, of which it keeps one."""

    def __init__(self, kept, lost=3):
        self.kept = kept


@pytest.mark.parametrize(
    ("value", "description"),
    [
        (None, None), (True, True), (3, 3), (0.5, 0.5), ("a", "a"), ([1, (2, None)], [1, [2, None]]),
        (np.sum, "sum"), (Setting, "Setting"), (Setting([1]), {"class": "Setting", "kept": [1]}),
        (Setting(Setting("in")), {"class": "Setting", "kept": {"class": "Setting", "kept": "in"}}),
        (type("Builtin", (int,), {}), "Builtin"), (iter([]), {"class": "list_iterator"}),
    ],
)  # fmt: skip
def test_settings_are_plain_values(value, description):
    assert describe_setting(value) == description


@pytest.mark.parametrize("n", [1, 3, 7, 8, 9, 50])
def test_a_brief_checksum_sees_the_ends_and_the_length_of_what_is_not_in_memory(n):
    rows = np.arange(3.0 * n).reshape(n, 3)
    before = brief_checksum(tn.Stream(Rows(rows)))
    assert brief_checksum(tn.Stream(Rows(rows.copy()))) == before
    assert brief_checksum(rows) == zlib.crc32(rows)
    for row in {0, min(3, n - 1), max(0, n - 4), n - 1}:
        other = rows.copy()
        other[row, 1] += 1
        assert brief_checksum(tn.Stream(Rows(other))) != before
    middle = rows.copy()
    middle[4:-4] += 1  # is not read
    assert brief_checksum(tn.Stream(Rows(middle))) == before
    if n > 9:
        assert brief_checksum(tn.Stream(Rows(np.delete(rows, n // 2, axis=0)))) != before


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("sample_weight", np.r_[2.0, np.ones(21)]), ("class_weight", "balanced"), ("micro_batches", 2),
        ("loss", partial(tn.ops.cross_entropy, label_smoothing=0.2)), ("shuffle", False),
        ("x", tn.Stream(Rows(X), block=4)),
    ],
)  # fmt: skip
def test_a_run_with_another_argument_is_another_run(name, other, tmp_path):
    options = {
        "batch_size": 8,
        "sample_weight": np.ones(22),
        "loss": partial(tn.ops.cross_entropy, label_smoothing=0.1),
    }
    train(callbacks=[tn.Checkpoint(tmp_path / "last")], **options)
    with pytest.raises(CheckpointError, match=f"the run was started with .*{'blocks' if name == 'x' else name} "):
        train(callbacks=[tn.Checkpoint(tmp_path / "x")], resume=tmp_path / "last", **options | {name: other})
