"""Data that are not in memory: the same bits as in memory, read ahead or not, resumed or not; what fails is told."""

import threading
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet as tn
from tinynet.errors import ArgumentError, CheckpointError, DataError, DTypeError, ShapeError
from tinynet.train import sources, window
from tinynet.train.order import Order
from tinynet.train.window_order import WindowOrder

N = 150
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 6)).astype(np.float32)
Y = RNG.integers(0, 3, N)


@pytest.fixture(autouse=True)
def _small_windows(monkeypatch):
    monkeypatch.setattr(window, "_BYTES", 24 * 8 * 3)  # three batches of 8


class Rows:
    """A class of a user's, as the error about generators shows one."""

    def __init__(self, rows):
        self.rows = rows
        self.asked = []
        self.threads = set()

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, indices):
        self.threads.add(threading.current_thread().name)
        self.asked.append(np.array(indices))
        assert isinstance(indices, np.ndarray)
        assert (np.diff(indices) > 0).all(), "h5py takes increasing, unique indices only"
        return self.rows[indices]


class Changing(Rows):
    """A source that changes its ways after a few calls."""

    def __init__(self, rows, change, after=4):
        super().__init__(rows)
        self.change, self.after = change, after

    def __getitem__(self, indices):
        found = super().__getitem__(indices)
        return self.change(self, found) if len(self.asked) > self.after else found


def network():
    return tn.Sequential([tn.Input((6,)), tn.Dense(5, "relu"), tn.Dropout(0.2), tn.Dense(3, "softmax")], seed=0)


def fit(x, y, model=None, **options):
    model = model or network()
    common = {"epochs": 2, "batch_size": 8, "seed": 1, "verbose": 0, "optimizer": tn.Adam(0.01)}
    return model, model.fit(x, y, **(common | options))


@pytest.fixture
def memmap(tmp_path):
    made = np.memmap(tmp_path / "x.dat", np.float32, "w+", shape=X.shape)
    made[:] = X
    return np.memmap(tmp_path / "x.dat", np.float32, "r", shape=X.shape)


EXPECTED = fit(X, Y)


@pytest.mark.parametrize("prefetch", [True, False])
@pytest.mark.parametrize("options", [{}, {"micro_batches": 3}, {"compiled": False}, {"shuffle": False}])
def test_training_gives_the_bits_of_data_in_memory(prefetch, options, memmap):
    expected, history = fit(X, Y, validation_data=(X[:20], Y[:20]), **options)
    for source in (Rows(X), memmap):
        stream = tn.Stream(source, prefetch=prefetch)
        model, found = fit(stream, Y, validation_data=(tn.Stream(Rows(X[:20])), Y[:20]), **options)
        np.testing.assert_array_equal(model.theta, expected.theta)
        assert found.history == history.history


def test_labels_may_be_streams_too_and_both_may_be_one():
    model, _ = fit(tn.Stream(Rows(X)), tn.Stream(Rows(Y)))
    np.testing.assert_array_equal(model.theta, EXPECTED[0].theta)
    model, _ = fit(X, tn.Stream(Rows(Y)))
    np.testing.assert_array_equal(model.theta, EXPECTED[0].theta)
    ends = [tn.Sequential([tn.Input((6,)), tn.Dense(6)], seed=0) for _ in range(2)]
    stream = tn.Stream(Rows(X))
    fit(X, X, ends[0], loss="mse")
    fit(stream, stream, ends[1], loss="mse")
    np.testing.assert_array_equal(ends[0].theta, ends[1].theta)


def test_a_class_of_the_users_and_large_files_need_no_stream_around_them(memmap, monkeypatch):
    rows = Rows(X)
    model, _ = fit(rows, Y)
    np.testing.assert_array_equal(model.theta, EXPECTED[0].theta)
    assert len(rows.asked) > 4
    monkeypatch.setattr(sources, "_SMALL", 1000)
    monkeypatch.setattr(window.Window, "read", lambda *_: pytest.fail("it is read by a window"))
    with pytest.raises(pytest.fail.Exception):
        fit(memmap, Y)
    monkeypatch.setattr(sources, "_SMALL", 10**6)
    np.testing.assert_array_equal(fit(memmap, Y)[0].theta, EXPECTED[0].theta)


def test_a_thread_reads_ahead_unless_it_is_told_not_to():
    rows = Rows(X)
    fit(tn.Stream(rows, prefetch=False), Y)
    assert rows.threads == {threading.current_thread().name}
    rows = Rows(X)
    fit(tn.Stream(rows), Y)
    assert any(name.startswith("tinynet-window") for name in rows.threads)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("tinynet-window")]


def test_nothing_is_read_twice_in_an_epoch():
    rows = Rows(X)
    stream = tn.Stream(rows)
    rows.asked.clear()
    fit(stream, Y, epochs=1)
    read = np.concatenate(rows.asked)
    np.testing.assert_array_equal(np.sort(read), np.arange(N))


def test_evaluate_and_predict_give_the_bits_of_data_in_memory(tmp_path, memmap):
    model = EXPECTED[0]
    for stream in (tn.Stream(Rows(X)), tn.Stream(memmap), tn.Stream(Rows(X), prefetch=False), Rows(X)):
        assert model.evaluate(stream, Y, batch_size=32) == model.evaluate(X, Y, batch_size=32)
        np.testing.assert_array_equal(model.predict(stream, batch_size=32), model.predict(X, batch_size=32))
    out = np.memmap(tmp_path / "out.dat", np.float32, "w+", shape=(N, 3))
    assert model.predict(tn.Stream(memmap), out=out) is out
    np.testing.assert_array_equal(out, model.predict(X))


@pytest.mark.parametrize("out", [np.zeros((N, 2), np.float32), np.zeros((N, 3)), [0], "out.dat"])
def test_outputs_that_do_not_fit_are_refused(out):
    with pytest.raises(ShapeError, match=r"out must be a writable float32 array of shape \(150, 3\), but got a?"):
        EXPECTED[0].predict(X, out=out)


# --- the order by blocks


@given(st.integers(1, 200), st.integers(1, 50), st.integers(1, 9), st.integers(0, 99))
def test_by_blocks_each_sample_comes_once_and_neighbours_come_together(n, block, blocks, seed):
    def indices():
        plain = Order(n, 4, np.random.default_rng(seed), shuffle=True)
        return WindowOrder(plain, lambda pieces: iter(()), 1, block, blocks).all_indices()

    found = indices()
    np.testing.assert_array_equal(np.sort(found), np.arange(n))
    np.testing.assert_array_equal(found, indices())
    if n % block == 0:
        for start in range(0, n, block * blocks):
            group = found[start : start + block * blocks]
            assert len(group) == block * len(set(group // block))


def test_by_blocks_a_file_is_read_in_runs():
    class File(Rows):
        chunks, dtype, shape = (1,), X.dtype, X.shape
        slices = 0

        def __getitem__(self, which):
            File.slices += isinstance(which, slice)
            return self.rows[which]

    blocks, _ = fit(tn.Stream(File(X), block=10, blocks=2), Y, epochs=1)
    assert 8 <= File.slices <= 32  # 15 blocks of 10, and pieces that end within one
    again, _ = fit(tn.Stream(Rows(X), block=10, blocks=2), Y, epochs=1)
    np.testing.assert_array_equal(blocks.theta, again.theta)
    assert (blocks.theta != fit(X, Y, epochs=1)[0].theta).any()


@pytest.mark.parametrize("options", [{}, {"block": 10, "blocks": 2}])
def test_a_run_that_is_resumed_within_an_epoch_ends_in_the_same_bits(options, tmp_path):
    whole, history = fit(tn.Stream(Rows(X), **options), Y)

    class Stop:
        def on_batch_end(self, run):
            if (run.epoch, run.batch) == (1, 7):
                run.save(tmp_path / "run.safetensors")
                run.stop()

    model, _ = fit(tn.Stream(Rows(X), **options), Y, callbacks=[Stop()])
    assert (model.theta != whole.theta).any()
    # which the checkpoint says; it is taken back, as by a run that was killed just after it was saved
    path = tmp_path / "last.safetensors"

    class Save:
        def on_batch_end(self, run):
            if (run.epoch, run.batch) == (1, 7):
                run.save(path)

    fit(tn.Stream(Rows(X), **options), Y, callbacks=[Save()])
    model, resumed = fit(tn.Stream(Rows(X), **options), Y, resume=path)
    np.testing.assert_array_equal(model.theta, whole.theta)
    assert resumed.history == history.history
    if not options:  # from a file or from memory is not a difference
        np.testing.assert_array_equal(fit(X, Y, resume=path)[0].theta, whole.theta)


def test_another_order_or_other_data_are_refused_by_a_checkpoint(tmp_path):
    path = tmp_path / "run.safetensors"
    fit(tn.Stream(Rows(X), block=10), Y, callbacks=[tn.Checkpoint(path)])
    with pytest.raises(CheckpointError, match="blocks"):
        fit(tn.Stream(Rows(X), block=20), Y, resume=path)
    with pytest.raises(CheckpointError, match="checksums of the data"):
        fit(tn.Stream(Rows(X + 1), block=10), Y, resume=path)


# --- what fails


def longer(source, found):
    source.rows = np.concatenate([X, X])
    return found


def failing(source, found):
    raise OSError(5, "Input/output error")


@pytest.mark.parametrize("prefetch", [True, False])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (longer, "x had 150 samples, and now has 300; its length must stay"),
        (failing, r"x cannot be read at samples \d+ to \d+: OSError: .*Input/output error"),
        (
            lambda source, found: found.astype(np.float64),
            r"x returned float64 of shape \(\d+, 6\) for \d+ indices; exp",
        ),
        (lambda source, found: found[:, :5], r"x returned float32 of shape \(24, 5\) for 24 indices; expected"),
        (lambda source, found: found[:-1], r"x returned float32 of shape \(23, 6\) for 24 indices"),
        (lambda source, found: found * np.float32(np.nan), "x has NaN or infinite values in sample"),
    ],
)
def test_a_source_that_changes_its_ways_is_told_and_keeps_what_was_trained(change, message, prefetch):
    model = network()
    before = model.theta.copy()
    with pytest.raises(DataError, match=message):
        fit(tn.Stream(Changing(X, change), prefetch=prefetch), Y, model, epochs=3)
    assert (model.theta != before).any()
    assert np.isfinite(model.theta).all()
    with pytest.raises(DataError, match=message.replace("24", r"\d+").replace("23", r"\d+")):
        model.predict(Changing(X, change, after=1), batch_size=50)


def test_labels_that_are_wrong_later_are_told():
    with pytest.raises(DataError, match="labels must be from 0 to 2"):
        fit(X, Changing(Y, lambda source, found: found + 1))


def numbers():
    yield from X


@pytest.mark.parametrize(
    ("x", "y", "error", "message"),
    [
        (numbers(), Y, ArgumentError, "can be read in any order, but got the generator [\\s\\S]*\nclass Rows:\n"),
        (X, iter(Y), ArgumentError, "y must be data with a length"),
        (map(abs, X), Y, ArgumentError, "but got the map"),
        (Rows(X[:0]), Y, DataError, "its length is 0"),
        (Rows(X[:9]), Y, ShapeError, r"x has 9 samples, but y has shape \(150,\)"),
        (Rows(X[:, :5]), Y, ShapeError, r"\(150, 5\)"),
        (Rows(X.astype(str)), Y, DTypeError, "x must be an array of numbers, but has dtype"),
        (Rows(X), Rows(Y + 5), DataError, "labels must be from 0 to 2"),
    ],
)
def test_what_cannot_be_read_in_batches_is_refused(x, y, error, message):
    with pytest.raises(error, match=message):
        fit(x, y)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tn.Stream(5), "the source must have a length and be indexed by an array of integers, but got 5"),
        (lambda: tn.Stream({}), "but got {}"),
        (lambda: tn.Stream(Rows(X), block=0), "block must be an integer of 1 or more"),
        (lambda: tn.Stream(Rows(X), blocks=1.5), "blocks must be an integer of 1 or more"),
    ],
)
def test_streams_of_nothing_are_refused(make, message):
    with pytest.raises(ArgumentError, match=message):
        make()


def test_a_source_without_an_axis_of_samples_is_refused():
    class One(Rows):
        def __getitem__(self, indices):
            return self.rows[0]

    with pytest.raises(DataError, match=r"returned shape \(6,\) for an array of one index; expected \(1, \.\.\.\)"):
        tn.Stream(One(X))


def test_line_searches_refuse_what_is_not_in_memory():
    model = tn.Sequential([tn.Input((6,)), tn.Dense(3, "softmax")], seed=0)
    options = {"optimizer": tn.GradientDescent(), "batch_size": None}
    with pytest.raises(ArgumentError, match=r"GradientDescent takes all samples in each step.*pass np.asarray\(x\)"):
        fit(tn.Stream(Rows(X)), Y, model, **options)
    fit(np.asarray(tn.Stream(Rows(X))), Y, model, **options)


def test_samples_in_the_byte_order_of_other_machines_are_taken():
    model, _ = fit(tn.Stream(Rows(X.astype(">f4"))), Y)
    np.testing.assert_array_equal(model.theta, EXPECTED[0].theta)


def test_little_memory_is_needed_for_a_large_file(tmp_path):
    made = np.memmap(tmp_path / "x.dat", np.float32, "w+", shape=(20_000, 1000))  # 80 MB
    labels = np.arange(20_000) % 3
    model = tn.Sequential([tn.Input((1000,)), tn.Dense(3, "softmax")], seed=0)
    fit(tn.Stream(made[:64]), labels[:64], model, batch_size=64, optimizer=tn.SGD())
    tracemalloc.start()
    fit(tn.Stream(made), labels, model, batch_size=64, epochs=1, optimizer=tn.SGD())
    model.predict(tn.Stream(made))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8e6


# --- files of arrays


def test_hdf5_datasets_are_read(tmp_path):
    h5py = pytest.importorskip("h5py", reason="is not a dependency")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        x, y = file.create_dataset("x", data=X, chunks=(16, 6)), file.create_dataset("y", data=Y)
        np.testing.assert_array_equal(fit(x, y)[0].theta, EXPECTED[0].theta)
        np.testing.assert_array_equal(fit(tn.Stream(x, prefetch=False), y)[0].theta, EXPECTED[0].theta)
        np.testing.assert_array_equal(fit(tn.Stream(x), tn.Stream(y))[0].theta, EXPECTED[0].theta)


def test_zarr_arrays_are_read(tmp_path):
    zarr = pytest.importorskip("zarr", reason="is not a dependency")
    x = zarr.create_array(tmp_path / "a.zarr", shape=X.shape, dtype=X.dtype, chunks=(16, 6))
    x[:] = X
    np.testing.assert_array_equal(fit(x, Y)[0].theta, EXPECTED[0].theta)
    np.testing.assert_array_equal(fit(tn.Stream(x), Y)[0].theta, EXPECTED[0].theta)


# --- beside weights, splits and several inputs


@pytest.mark.parametrize(
    "options",
    [
        {"sample_weight": np.linspace(0.5, 2, N)},
        {"class_weight": "balanced"},
        {"validation_split": 0.2},
        {"validation_split": 0.2, "shuffle": False},
        {"label_smoothing": 0.1},
        {"metrics": ["f1"], "validation_split": 0.2},
    ],
)
def test_weights_splits_and_metrics_are_those_of_data_in_memory(options):
    expected, history = fit(X, Y, **options)
    for y in (Y, tn.Stream(Rows(Y))):
        model, found = fit(tn.Stream(Rows(X)), y, **options)
        np.testing.assert_array_equal(model.theta, expected.theta)
        assert found.history == history.history


class Two(tn.Model):
    """A model of two inputs and two outputs."""

    def __init__(self):
        super().__init__(seed=0)
        self.a, self.b = tn.Input((6,)), tn.Input((6,))
        self.first, self.second = tn.Dense(3, "softmax"), tn.Dense(6)

    def forward(self, a, b):
        joined = self.a(a) + self.b(b)
        return self.first(joined), self.second(joined)


def test_several_inputs_and_outputs_may_be_streams():
    models = [Two(), Two()]
    stream = tn.Stream(Rows(X))
    fit((X, -X), (Y, X), models[0], loss=("cross_entropy", "mse"))
    fit((stream, -X), (Y, stream), models[1], loss=("cross_entropy", "mse"))
    np.testing.assert_array_equal(models[0].theta, models[1].theta)
    for one, other in zip(models[0].predict((X, -X)), models[1].predict((stream, -X)), strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(DataError, match=r"x\['b'\] has NaN"):
        fit((X, tn.Stream(Rows(X * np.float32(np.nan)))), (Y, X), Two(), loss=("cross_entropy", "mse"))
