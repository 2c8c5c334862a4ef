"""Checkpoints: a run that is stopped anywhere and resumed ends in the same bits as one that is left alone."""

import json
import math
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

import tinynet as tn
from tinynet.errors import ArgumentError, CheckpointError, GradientError, MissingFileError, NonFiniteError, WriteError
from tinynet.saving import checkpoint, description, modelfile
from tinynet.saving.settings import describe_setting

N, BATCH, EPOCHS = 22, 8, 3
BATCHES = 3


def samples(n=N, seed=0):
    x = np.random.default_rng(seed).normal(size=(n, 6)).astype(np.float32)
    return x, x[:, :3].argmax(axis=1)


def network(seed=0, units=4, **options):
    return tn.Sequential([tn.Input((6,)), tn.Dense(units, "tanh"), tn.Dense(3, "softmax")], seed=seed, **options)


def run(model=None, **options):
    """Train a small network; returns it with its history."""
    model = model or network()
    x, y = samples()
    usual = {"epochs": EPOCHS, "batch_size": BATCH, "seed": 5, "verbose": 0, "validation_data": samples(9, 1)}
    return model, model.fit(x, y, **usual | options)


def assert_same(found, expected):
    """The bits of two runs."""
    (model, history), (other, reference) = found, expected
    np.testing.assert_array_equal(model.theta.view(np.uint32), other.theta.view(np.uint32))
    assert history.history == reference.history
    np.testing.assert_array_equal(history.learning_rates, reference.learning_rates)
    assert len(history.seconds) == len(reference.seconds)


class SaveAll:
    """Saves a run after each batch and each epoch, in files of their own."""

    def __init__(self, folder):
        self.folder = folder

    def on_train_begin(self, run):
        run.save(self.folder / "0 0")

    def on_batch_end(self, run):
        run.save(self.folder / f"{run.epoch} {run.batch}")

    def on_epoch_end(self, run):
        run.save(self.folder / f"{run.epoch} 0")


OPTIMIZERS = {
    "sgd": lambda: tn.SGD(0.1),
    "momentum": lambda: tn.SGD(0.1, momentum=0.9, weight_decay=0.01),
    "nesterov": lambda: tn.SGD(0.1, momentum=0.9, nesterov=True, clip_norm=0.1),
    "adam": lambda: tn.Adam(0.05),
    "adamw": lambda: tn.AdamW(0.05, weight_decay=0.1, decay="weights"),
    "rmsprop": lambda: tn.RMSprop(0.01, momentum=0.5, clip_value=0.1),
}


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "eager"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_run_resumed_from_anywhere_ends_in_the_same_bits(optimizer, compiled, tmp_path):
    def options():
        return {"optimizer": OPTIMIZERS[optimizer](), "compiled": compiled}

    whole = run(**options(), callbacks=[SaveAll(tmp_path)])
    assert_same(whole, run(**options()))  # saving changes nothing
    positions = sorted(path.name for path in tmp_path.iterdir())
    assert positions == ["0 0", *(f"{e} {b}" for e in range(EPOCHS) for b in range(4) if e or b), "3 0"]
    for position in positions:
        assert_same(run(network(), **options(), resume=tmp_path / position), whole)


@pytest.mark.parametrize("dtype", ["float32", "float64"])  # in float64 the affine values are carried from step to step
@pytest.mark.parametrize("optimizer", [tn.GradientDescent(), tn.Newton(weight_decay=0.1)], ids=["descent", "newton"])
def test_a_search_along_lines_is_resumed_from_any_step(optimizer, dtype, tmp_path):
    def options():
        model = tn.Sequential([tn.Input((6,), 1, 0.5), tn.Dense(3, "softmax")], seed=0, dtype=dtype)
        return {"model": model, "optimizer": optimizer, "batch_size": None, "epochs": 4}

    whole = run(**options(), callbacks=[SaveAll(tmp_path)])
    positions = {path.name for path in tmp_path.iterdir()}
    assert positions >= {"0 0", "0 1", "1 0", "1 1"}
    for position in positions:
        assert_same(run(**options(), callbacks=[SaveAll(tmp_path)], resume=tmp_path / position), whole)


@pytest.mark.parametrize("save", ["every batch", "at Ctrl-C"])
def test_a_search_that_has_made_its_last_step_makes_no_more_when_resumed(save, tmp_path):
    def options():
        model = tn.Sequential([tn.Input((6,), 1, 0.5), tn.Dense(3, "softmax")], seed=0)
        return {"model": model, "optimizer": tn.Newton(tolerance=0.01), "batch_size": None, "epochs": 9}

    whole = run(**options(), callbacks=[SaveAll(tmp_path)])
    last, path = whole[1].epochs - 1, tmp_path / "last"
    assert last < 8
    assert whole[1].stopped
    if save == "every batch":
        path, callbacks = tmp_path / f"{last} 1", []
    else:
        callbacks = [tn.Checkpoint(path)]
        with pytest.raises(KeyboardInterrupt):
            run(**options(), callbacks=[InterruptAt(last, 1), *callbacks])
    resumed = run(**options(), callbacks=callbacks, resume=path)
    assert_same(resumed, whole)
    assert resumed[1].stopped == whole[1].stopped


def scheduled(folder):
    """Callbacks with states of all kinds."""
    return [
        tn.EarlyStopping(patience=2),
        tn.Checkpoint(folder / "best", best_only=True),
        tn.LearningRateSchedule.plateau(patience=1, factor=0.5),
        tn.Checkpoint(folder / "last", every_batches=2),
        tn.LearningRateSchedule(lambda epoch, first: first * 0.9**epoch),
        tn.CSVLogger(folder / "log.csv"),
    ]


def test_callbacks_go_on_where_they_were(tmp_path):
    """From each point, with all files of the run directory as they were at that point, or later."""
    options = {"optimizer": tn.SGD(5.0, momentum=0.9), "epochs": 9}
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    whole = run(**options, callbacks=[*scheduled(tmp_path / "whole"), SaveAll(tmp_path / "parts")])
    assert 3 <= whole[1].epochs < 9  # it was stopped early
    assert len(set(whole[1].learning_rates)) > 2
    for part in (tmp_path / "parts").iterdir():
        assert_same(run(**options, callbacks=scheduled(tmp_path / "whole"), resume=part), whole)


def comparable(path):
    """The content of a checkpoint without the times."""
    with safe_open(path, "numpy") as file:
        told = description.decode(file.metadata()["run"])
        told["history"].pop("seconds")
        told.pop("seconds")
        return {name: file.get_tensor(name).tobytes() for name in file.keys()} | {"run": told}  # noqa: SIM118


def test_the_files_of_a_resumed_run_are_those_of_one_left_alone(tmp_path):
    for name in ("whole", "resumed", "parts"):
        (tmp_path / name).mkdir()
    options = {"optimizer": tn.Adam(0.5), "epochs": 5}
    run(**options, callbacks=[*scheduled(tmp_path / "whole"), SaveAll(tmp_path / "parts")])
    for part in sorted((tmp_path / "parts").iterdir()):
        (tmp_path / "resumed" / "log.csv").unlink(missing_ok=True)
        run(**options, callbacks=scheduled(tmp_path / "resumed"), resume=part)
        assert comparable(tmp_path / "resumed" / "last") == comparable(tmp_path / "whole" / "last")
    rows = [(tmp_path / name / "log.csv").read_text().splitlines() for name in ("whole", "resumed")]
    without_times = [[line.rsplit(",", 1)[0] for line in lines] for lines in rows]
    assert without_times[0] == without_times[1]


class Noise(tn.Layer):
    """A layer that draws from the model's own generator as it computes."""

    def build(self, input_shape, rng):
        self.rng = rng

    def forward(self, x):
        return x * self.rng.uniform(0.5, 1.5)


@pytest.mark.parametrize("generator", [np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64])
def test_the_generator_of_the_model_goes_on_where_it_was(generator, tmp_path):
    def model():
        rng = np.random.Generator(generator(3))
        return tn.Sequential([tn.Input((6,)), Noise(), tn.Dense(3, "softmax")], rng=rng)

    options = {"compiled": False}
    whole = run(model(), **options, callbacks=[SaveAll(tmp_path)])
    for part in ("1 0", "1 2"):
        assert_same(run(model(), **options, resume=tmp_path / part), whole)
    other = tn.Sequential(
        [tn.Input((6,)), Noise(), tn.Dense(3, "softmax")], rng=np.random.Generator(np.random.PCG64DXSM())
    )
    before = other.build_model().theta.copy()
    with pytest.raises(CheckpointError, match="its state of the run makes no sense"):
        run(other, **options, resume=tmp_path / "1 0")
    np.testing.assert_array_equal(other.theta, before)  # what was taken up before the generator failed is taken back


def test_numbers_of_an_optimizer_that_callbacks_change_come_back(tmp_path):
    def options():
        def change(run):
            run.optimizer.learning_rate = 1 if run.epoch == 1 else np.float32(0.25)

        return {"optimizer": tn.SGD(0.1, momentum=0.5), "callbacks": [change, SaveAll(tmp_path)]}

    whole = run(**options())
    assert whole[1].learning_rates == [0.1, 1, 0.25]
    for part in ("1 0", "1 2", "2 1"):
        assert_same(run(**options(), resume=tmp_path / part), whole)


def test_a_momentum_that_a_callback_adds_or_takes_away_comes_back_with_its_velocity(tmp_path):
    def options(first):
        def change(run):
            run.optimizer.momentum = (0.9, 0.0, 0.5)[run.epoch - 1 if first else 3 - run.epoch]

        return {"optimizer": tn.SGD(0.1, momentum=0.5 * first), "callbacks": [change, SaveAll(tmp_path)]}

    for first in (0, 1):
        whole = run(**options(first))
        for part in ("0 1", "1 0", "1 2", "2 0", "2 1"):
            assert_same(run(**options(first), resume=tmp_path / part), whole)


def test_a_checkpoint_of_a_run_that_went_on_from_another_holds_what_it_began_with(tmp_path):
    def second(**options):
        optimizer = tn.SGD(0.1, momentum=0.9)
        model, _ = run(optimizer=optimizer)
        return run(model, optimizer=optimizer, callbacks=[SaveAll(tmp_path)], **options)

    whole = second()
    for part in ("0 1", "1 2"):
        assert_same(
            run(optimizer=tn.SGD(0.1, momentum=0.9), callbacks=[SaveAll(tmp_path)], resume=tmp_path / part), whole
        )


def test_a_run_without_a_seed_or_without_shuffling_is_resumed_too(tmp_path):
    for options in ({"seed": None}, {"seed": None, "shuffle": False}, {"batch_size": None}):
        whole = run(**options, callbacks=[SaveAll(tmp_path)])
        assert_same(run(**options, resume=tmp_path / "1 0"), whole)
        assert_same(run(**options, resume=tmp_path / "0 1"), whole)


def test_figures_that_are_not_finite_come_back(tmp_path):
    def odd(output, labels):
        return math.nan if labels[0] else -math.inf

    options = {"metrics": [odd], "shuffle": False}
    _, whole = run(**options, callbacks=[SaveAll(tmp_path)])
    _, resumed = run(**options, resume=tmp_path / "2 1")
    assert {k: list(map(repr, v)) for k, v in resumed.history.items()} == {
        k: list(map(repr, v)) for k, v in whole.history.items()
    }
    assert "nan" in repr(whole.history)


def test_a_complete_run_is_not_trained_further_unless_more_epochs_are_asked_for(tmp_path):
    path = tmp_path / "last"

    def saving(**options):
        return run(callbacks=[tn.Checkpoint(path)], **options)

    whole = saving(epochs=2)
    assert_same(saving(epochs=2, resume=path), whole)
    assert_same(saving(epochs=1, resume=path), whole)
    assert_same(saving(epochs=4, resume=path), run(epochs=4))


def test_a_run_that_a_callback_has_stopped_stays_stopped(tmp_path):
    def stop(run):
        run.stop("enough")

    whole = run(callbacks=[stop, tn.Checkpoint(tmp_path / "last")])
    assert whole[1].epochs == 1
    assert_same(run(resume=tmp_path / "last", callbacks=[tn.Checkpoint(tmp_path / "last")]), whole)


def test_a_checkpoint_is_a_model_file(tmp_path):
    callbacks, path = [tn.Checkpoint(tmp_path / "last")], tmp_path / "last"
    model, _ = run(callbacks=callbacks, optimizer=tn.Adam())
    loaded = tn.load(path)
    np.testing.assert_array_equal(loaded.theta, model.theta)
    options = {"optimizer": tn.Adam(), "epochs": 5}
    assert_same(run(loaded, callbacks=callbacks, resume=path, **options), run(**options))


def test_a_checkpoint_of_format_version_2_is_resumed():
    """The file was written by tinynet 0.1 on another machine, whose last digits may differ."""
    path = Path(__file__).with_name("version_2.safetensors")
    options = {"optimizer": tn.SGD(0.1, momentum=0.9, weight_decay=0.01), "epochs": 4}
    resumed, history = run(**options, resume=path)
    whole, reference = run(**options)
    np.testing.assert_allclose(resumed.theta, whole.theta, rtol=1e-4, atol=1e-6)
    assert history.history["val_loss"] == pytest.approx(reference.history["val_loss"], rel=1e-4)
    assert history.epochs == 4


# --- what is refused


@pytest.fixture
def saved(tmp_path):
    run(callbacks=[tn.Checkpoint(tmp_path / "last", every_batches=1)], epochs=1)
    return tmp_path / "last"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 4}, "the run was started with batch_size 8, now 4; resume it with the same"),
        ({"optimizer": tn.SGD(0.02)}, r"optimizer {'class': 'SGD', 'learning_rate': 0\.01, .*}, now .*0\.02"),
        ({"optimizer": tn.SGD(0.02)}, "change the learning rate by a callback; or begin a new run with the model"),
        ({"optimizer": tn.SGD(0.02), "callbacks": []}, "change the learning rate by a callback; or begin a new run"),
        ({"optimizer": tn.Adam()}, "optimizer {'class': 'SGD', .*}, now {'class': 'Adam'"),
        ({"seed": 6, "shuffle": False}, "shuffle True, now False; seed '5', now '6'"),
        ({"loss": lambda output, labels: output.mean()}, "loss 'cross_entropy', now '<lambda>'"),
        ({"metrics": []}, r"metrics None, now \[\]"),
        ({"validation_data": None}, "validation_data 9, now 0"),
        ({"compiled": False}, "compiled True, now False"),
        ({"callbacks": []}, r"callbacks \['Checkpoint'\], now \[\]"),
        ({"model": network(units=5)}, "holds a run of another model than 'sequential'"),
        ({"model": network(dtype="float64")}, "holds a run of another model than 'sequential'"),
        ({"model": network(seed=1)}, "its layers, their arguments or its seed differ"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused_and_changes_nothing(options, message, saved, tmp_path):
    model = options.get("model") or network()
    before, state = model.theta.copy(), model.rng.bit_generator.state
    with pytest.raises(CheckpointError, match=message) as caught:
        run(**{"model": model, "callbacks": [tn.Checkpoint(tmp_path / "x")], "resume": saved, **options})
    assert str(saved) in str(caught.value)
    np.testing.assert_array_equal(model.theta, before)
    assert model.rng.bit_generator.state == state


def test_other_data_are_refused(saved):
    x, y = samples(21)
    with pytest.raises(CheckpointError, match=r"x \['float32', 22, 6\], now \['float32', 21, 6\]"):
        network().fit(x, y, batch_size=8, seed=5, verbose=0, resume=saved)


def test_a_model_file_holds_no_run_and_a_missing_one_nothing(tmp_path):
    network().save(tmp_path / "m")
    with pytest.raises(CheckpointError, match=r"holds a model, but no run of fit to resume; tn\.Checkpoint saves one"):
        run(resume=tmp_path / "m")
    with pytest.raises(MissingFileError, match="there is no model file"):
        run(resume=tmp_path / "none")


@pytest.mark.parametrize(
    "change",
    [
        lambda told: told.pop("order"),
        lambda told: told.update(order=3),
        lambda told: told.pop("settings"),
        lambda told: told.update(settings=[]),
        lambda told: told["order"].pop("batch"),
        lambda told: told["order"].update(batch=9),
        lambda told: told["order"].update(batch=True),
        lambda told: told["order"].update(batch=-1),
        lambda told: told["order"].update(batch=1.0),
        lambda told: told.update(seconds="long"),
        lambda told: told["history"].update(stopped=3),
        lambda told: told["optimizer"].update(stopped=None),
        lambda told: told["optimizer"]["hyperparameters"].update(momentum=True),
        lambda told: told["optimizer"]["hyperparameters"].pop("momentum"),
        lambda told: told["means"].update(total={"loss": None}),
        lambda told: told["means"].update(total=[]),
        lambda told: told["history"]["history"].update(loss=[None]),
        lambda told: told["history"]["history"].update(loss=3),
        lambda told: told["history"]["history"].update(loss=[0.5, 0.4]),
        lambda told: told["history"].update(seconds=[]),
        lambda told: told["model"].pop("generator"),
        lambda told: told["order"]["generator"].pop("state"),
        lambda told: told["order"]["generator"].update(bit_generator="MT19937"),
        lambda told: told["model"]["generator"]["state"].update(state=-5),
        lambda told: told["callbacks"].pop(),
        lambda told: told["callbacks"][0].update(best="none"),
        lambda told: told["callbacks"][0].update(waited=None),
        lambda told: told.update(more=1),
        lambda told: told["history"].update(by_step={"epoch": [1], "step": [1], "loss": []}),
        lambda told: told["history"].update(by_step={"epoch": [1], "step": [1.5], "loss": [0.5]}),
        lambda told: told["history"].update(by_step={"epoch": [1], "step": [1]}),
    ],
)
def test_a_state_that_makes_no_sense_is_refused(change, saved):
    """Also where someone has made a file whose digests fit."""
    with safe_open(saved, "numpy") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    told = description.decode(metadata["run"])
    change(told)
    metadata["run"] = description.encode(told, "test")
    metadata["digest"] = modelfile._digest_of(metadata)
    modelfile_save(tensors, saved, metadata)
    with pytest.raises(CheckpointError, match="damaged"):
        run(callbacks=[tn.Checkpoint(saved.with_name("x"))], resume=saved)


def modelfile_save(tensors, path, metadata):
    from safetensors.numpy import save_file

    save_file(tensors, path, metadata)


def change_told(path, change):
    """Change what a checkpoint says of its run, with digests that fit."""
    with safe_open(path, "numpy") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    told = description.decode(metadata["run"])
    change(told, tensors)
    metadata["run"] = description.encode(told, "test")
    metadata["digests"] = json.dumps({name: modelfile._digest(array.tobytes()) for name, array in tensors.items()})
    metadata["digest"] = modelfile._digest_of(metadata)
    modelfile_save(tensors, path, metadata)


def test_settings_that_are_arrays_are_those_of_another_run(saved):
    change_told(saved, lambda told, tensors: told["settings"].update(batch_size=np.full(3, 8)))
    with pytest.raises(CheckpointError, match="the run was started with batch_size array"):
        run(callbacks=[tn.Checkpoint(saved.with_name("x"))], resume=saved)


@pytest.mark.parametrize("vector", [np.zeros((43, 1), np.float32), np.zeros(42, np.float32), np.zeros(43)])
def test_vectors_of_another_shape_or_dtype_are_refused(vector, tmp_path):
    options = {"optimizer": tn.SGD(0.1, momentum=0.9), "callbacks": [tn.Checkpoint(tmp_path / "last")]}
    model, _ = run(**options)
    assert model.theta.shape == (43,)
    change_told(tmp_path / "last", lambda told, tensors: tensors.update({"run/velocity": vector}))
    with pytest.raises(CheckpointError, match=r"run/velocity has shape .* expected \[43\] in float32"):
        run(**options, resume=tmp_path / "last")


class Keeps:
    """Keeps large arrays of several kinds, and counts the events."""

    def __init__(self):
        self.kept = {"bits": np.zeros(99, bool), "numbers": np.zeros((8, 9)), "counts": np.zeros(70, np.int64)}

    def on_batch_end(self, run):
        for array in self.kept.values():
            array[run.batch] = True

    def state(self):
        return {name: array.copy() for name, array in self.kept.items()}

    def restore(self, state):
        self.kept = state


def test_large_arrays_of_callbacks_come_back(tmp_path):
    run(callbacks=[Keeps(), SaveAll(tmp_path)])
    found = Keeps()
    run(callbacks=[found, SaveAll(tmp_path)], resume=tmp_path / "3 0")
    for name, array in Keeps().kept.items():
        array[1 : BATCHES + 1] = True
        np.testing.assert_array_equal(found.kept[name], array)
        assert found.kept[name].dtype == array.dtype


def test_the_time_of_an_epoch_counts_on_where_it_was_saved_in_the_middle(tmp_path):
    class Wait:
        def on_batch_end(self, run):
            if (run.epoch, run.batch) == (1, 1):
                time.sleep(0.1)

    run(callbacks=[Wait(), SaveAll(tmp_path)])
    with_wait, others = "1 1", ("0 0", "1 0", "3 0")
    assert 0.1 <= told_by(tmp_path / with_wait)["seconds"] < 60
    assert [told_by(tmp_path / name)["seconds"] for name in others] == [0, 0, 0]
    _, history = run(resume=tmp_path / with_wait)
    assert 0.1 <= history.seconds[1] < 60
    assert history.seconds[2] < history.seconds[1]


def told_by(path):
    with safe_open(path, "numpy") as file:
        return description.decode(file.metadata()["run"])


def test_no_gradient_is_taken_through_values_from_before_a_run_was_taken_up(tmp_path):
    run(callbacks=[SaveAll(tmp_path)], epochs=1)
    model = network()
    before = (model(samples()[0]) ** 2).mean()
    run(model, resume=tmp_path / "1 0", epochs=1)  # trains nothing more
    with pytest.raises(GradientError, match="changed"):
        before.backward()


def test_files_are_written_in_the_order_in_which_they_were_asked_for_but_those_that_come_first(tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(checkpoint, "write_atomically", lambda path, content: written.append(path.name))

    def save(run):
        for name, first in (("a", False), ("b", True), ("c", False), ("d", True)):
            run.save(tmp_path / name, first=first)

    run(callbacks=[save], epochs=1)
    assert written == ["d", "b", "a", "c"]


def test_arrays_of_another_optimizer_are_refused_before_they_are_read(tmp_path):
    class Heavy(tn.SGD):
        slots = ("velocity",)

        def __init__(self):
            super().__init__(0.1, momentum=0.9)
            self.slots = ("velocity",)

    run(optimizer=Heavy(), callbacks=[tn.Checkpoint(tmp_path / "last")])
    other = Heavy()
    other.slots = ("mass",)
    with pytest.raises(CheckpointError, match=r"of the run it has the arrays \['run/velocity'\], not \['run/mass'\]"):
        run(optimizer=other, resume=tmp_path / "last", callbacks=[tn.Checkpoint(tmp_path / "x")])


def test_settings_are_plain_values():
    shared = {"weight_decay": 0.0, "decay": "all", "clip_norm": None, "clip_value": None}
    adam = {"class": "Adam", "learning_rate": 0.5, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, **shared}
    assert describe_setting(tn.Adam(0.5)) == adam
    assert describe_setting([samples, None, (1, "a")]) == ["samples", None, [1, "a"]]


# --- how a run ends


class InterruptAt:
    """Presses Ctrl-C during a batch."""

    def __init__(self, epoch, batch, times=1):
        self.position, self.times = (epoch, batch), times

    def on_batch_end(self, run):
        if (run.epoch, run.batch) == self.position:
            for _ in range(self.times):
                signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("position", [(0, 1), (1, 2), (1, 3), (2, 3)])
def test_ctrl_c_ends_the_run_after_the_batch_with_its_checkpoint(position, tmp_path):
    path = tmp_path / "last"
    model = network()
    with pytest.raises(KeyboardInterrupt):
        run(model, callbacks=[InterruptAt(*position), tn.Checkpoint(path), tn.CSVLogger(tmp_path / "log.csv")])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    np.testing.assert_array_equal(tn.load(path).theta, model.theta)
    assert_same(run(resume=path, callbacks=[tn.Checkpoint(path)]), run())


def test_ctrl_c_before_an_epoch_trains_none_of_its_batches(tmp_path):
    class Press:
        def on_epoch_begin(self, run):
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(callbacks=[Press(), tn.Checkpoint(tmp_path / "last")])
    assert comparable(tmp_path / "last")["run"]["order"]["batch"] == 0
    assert_same(run(resume=tmp_path / "last", callbacks=[tn.Checkpoint(tmp_path / "last")]), run())


def test_a_second_ctrl_c_ends_the_run_at_once_and_saves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(callbacks=[InterruptAt(0, 2, times=2), tn.Checkpoint(tmp_path / "last")])
    assert not list(tmp_path.iterdir())


def test_the_user_is_told_that_ctrl_c_was_heard(capfd):
    with pytest.raises(KeyboardInterrupt):
        run(callbacks=[InterruptAt(0, 2)], verbose=2)
    assert "tinynet: stopping after this batch; press Ctrl-C again to stop at once" in capfd.readouterr().err
    with pytest.raises(KeyboardInterrupt):
        run(callbacks=[InterruptAt(0, 2)], verbose=0)
    assert capfd.readouterr().err == ""


def test_a_handler_of_others_is_left_alone(tmp_path):
    heard = []
    before = signal.signal(signal.SIGINT, lambda *_: heard.append(1))
    try:
        run(callbacks=[InterruptAt(0, 2)])
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard == [1]


def test_a_run_in_another_thread_leaves_signals_alone():
    found = []
    thread = threading.Thread(target=lambda: found.append(run()[1].epochs))
    thread.start()
    thread.join(60)
    assert found == [EPOCHS]


def test_a_loss_that_is_not_finite_leaves_the_checkpoint_before_it(tmp_path):
    x, y = samples()
    x[10] = 3e38
    model = tn.Sequential([tn.Input((6,)), tn.Dense(3)], seed=0)
    with pytest.raises(NonFiniteError):
        model.fit(
            x, y, batch_size=8, shuffle=False, verbose=0, callbacks=[tn.Checkpoint(tmp_path / "last", every_batches=1)]
        )
    assert comparable(tmp_path / "last")["run"]["order"]["batch"] == 1


def test_a_checkpoint_that_cannot_be_written_ends_the_run_and_is_no_silence(tmp_path):
    folder = tmp_path / "gone"
    folder.mkdir()

    class Remove:
        def on_batch_end(self, run):
            if (run.epoch, run.batch) == (1, 1):
                (folder / "last").unlink()
                folder.rmdir()

    with pytest.raises(
        WriteError, match=r"could not write .*gone/last: No such file or directory; nothing was changed"
    ):
        run(callbacks=[Remove(), tn.Checkpoint(folder / "last")])


def test_what_cannot_be_saved_is_told_before_anything_is_computed(tmp_path):
    model = tn.Sequential([tn.Input((6,)), tn.Dense(3, lambda x: x)], seed=0)
    before = model.theta.copy()
    with pytest.raises(ArgumentError, match="a <lambda> cannot be put into a model file"):
        run(model, callbacks=[tn.Checkpoint(tmp_path / "last")])
    with pytest.raises(WriteError, match="none, where a checkpoint is to be, is not a directory to write to"):
        run(model := network(), callbacks=[tn.Checkpoint(tmp_path / "none" / "last")])
    np.testing.assert_array_equal(model.theta, network().theta)
    assert before.any()


def test_a_checkpoint_may_be_asked_for_by_batches_or_by_seconds(tmp_path):
    def times(**options):
        seen = []

        class Look:
            def on_batch_end(self, run):
                seen.append((tmp_path / "last").exists())
                (tmp_path / "last").unlink(missing_ok=True)
                time.sleep(0.01)

        run(epochs=1, callbacks=[Look(), tn.Checkpoint(tmp_path / "last", **options)])
        (tmp_path / "last").unlink()
        return seen

    assert times() == [False, False, False]
    assert times(every_batches=1) == [False, True, True]
    assert times(every_batches=2) == [False, False, True]
    assert times(every_seconds=1e-6) == [False, True, True]
    assert times(every_seconds=100) == [False, False, False]
