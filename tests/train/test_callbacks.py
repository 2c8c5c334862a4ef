"""Callbacks: when they are told, in which order, what their errors do, and what those that come with tinynet do."""

import csv
import errno
import math
import os

import numpy as np
import pytest

import tinynet as tn
from tinynet.errors import ArgumentError, CheckpointError, WriteError
from tinynet.fast import compile as engine_room
from tinynet.saving import checkpoint
from tinynet.train.callbacks import csv_logger


def samples(n=22, seed=0):
    x = np.random.default_rng(seed).normal(size=(n, 6)).astype(np.float32)
    return x, x[:, :3].argmax(axis=1)


def train(*callbacks, epochs=2, **options):
    model = tn.Sequential([tn.Input((6,)), tn.Dense(3, "softmax")], seed=0)
    usual = {"batch_size": 8, "seed": 0, "verbose": 0, "validation_data": samples(9, 1)}
    return model.fit(*samples(), epochs=epochs, callbacks=callbacks, **usual | options)


class Notes:
    """Notes what it is told, in a list that it may share with others."""

    def __init__(self, name="", notes=None):
        self.name, self.notes = name, [] if notes is None else notes

    def __getattr__(self, event):
        if not event.startswith("on_"):
            raise AttributeError(event)
        return lambda run: self.notes.append((self.name + event, run.epoch, run.batch))

    def __dir__(self):
        return ["on_train_begin", "on_epoch_begin", "on_batch_end", "on_epoch_end", "on_train_end"]


class Scripted:
    """Does things at events."""

    def __init__(self, **actions):
        for event, action in actions.items():
            setattr(self, event, action)


# --- the protocol


def test_callbacks_are_told_of_the_run_its_epochs_and_its_batches():
    callback = Notes()
    train(callback, epochs=2)
    epoch = [("on_epoch_begin", 0), *(("on_batch_end", b) for b in (1, 2, 3)), ("on_epoch_end", 0)]
    expected = [(event, e + (event == "on_epoch_end"), b) for e in (0, 1) for event, b in epoch]
    assert callback.notes == [("on_train_begin", 0, 0), *expected, ("on_train_end", 2, 0)]


def test_they_are_told_in_their_order_and_of_the_end_in_the_reverse():
    notes = []
    train(Notes("a ", notes), Notes("b ", notes), epochs=1)
    by_event = {}
    for name, *_ in notes:
        who, event = name.split()
        by_event.setdefault(event, []).append(who)
    assert by_event.pop("on_train_end") == ["b", "a"]
    assert by_event.pop("on_batch_end") == ["a", "b"] * 3
    assert all(order == ["a", "b"] for order in by_event.values())


def test_a_function_is_called_after_each_epoch_with_its_figures():
    seen = []
    history = train(lambda run: seen.append((run.epoch, run.figures, run.history.epochs)), epochs=3)
    assert [epoch for epoch, *_ in seen] == [epochs for *_, epochs in seen] == [1, 2, 3]
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        assert [figures[name] for _, figures, _ in seen] == history.history[name]


def test_within_an_epoch_the_figures_are_the_means_so_far():
    seen, each = [], []

    def first_label(output, labels):
        each.append(float(labels[0]))
        return labels[0]

    look = Scripted(on_batch_end=lambda run: seen.append(run.figures["first_label"]))
    train(look, metrics=[tn.metrics.Metric(first_label, mean=True)], validation_data=None, epochs=1)
    weights = np.array([8, 8, 6])
    expected = [np.average(each[:k], weights=weights[:k]) for k in (1, 2, 3)]
    assert seen == pytest.approx(expected)


def test_a_run_shows_what_is_trained():
    def look(run):
        assert isinstance(run, tn.Run)
        assert isinstance(run.model, tn.Model)
        assert isinstance(run.optimizer, tn.SGD)
        assert (run.epochs, run.batches, run.validates, run.error) == (1, 3, True, None)

    train(look, epochs=1)


@pytest.mark.parametrize("event", ["on_epoch_begin", "on_batch_end", "on_epoch_end"])
def test_a_callback_may_stop_the_run(event):
    def stop(run):
        if run.epoch >= 1:
            run.stop("enough")

    ends = []
    callback = Scripted(**{event: stop, "on_train_end": lambda run: ends.append((run.epoch, run.batch))})
    history = train(callback, epochs=5)
    assert (history.epochs, history.stopped) == (1, "enough")
    assert ends == [(1, 1 if event == "on_batch_end" else 0)]  # no batch is trained that nobody asked for
    assert train(epochs=1).stopped == ""


@pytest.mark.parametrize("event", ["on_train_begin", "on_batch_end", "on_epoch_end"])
@pytest.mark.parametrize(
    ("name", "advice"), [("optimizer", r"run\.optimizer\.learning_rate"), ("model", "run.model.la")]
)
def test_a_callback_cannot_replace_what_is_trained(event, name, advice):
    callback = Scripted(**{event: lambda run: setattr(run, name, object())})
    with pytest.raises(ArgumentError, match=rf"run\.{name} cannot be replaced while it is trained; .*{advice}"):
        train(callback, epochs=2)
    same = Scripted(**{event: lambda run: setattr(run, name, getattr(run, name))})
    assert train(same, epochs=2).epochs == 2


@pytest.mark.parametrize("reason", [(), ("",)])
def test_a_run_is_stopped_without_a_reason_too(reason):
    history = train(lambda run: run.stop(*reason), epochs=5)
    assert (history.epochs, history.stopped) == (1, "stopped by a callback")


def fail(*_):
    raise ZeroDivisionError("of the user's")


@pytest.mark.parametrize("event", ["on_train_begin", "on_epoch_begin", "on_batch_end", "on_epoch_end"])
def test_an_error_ends_the_run_comes_out_as_it_is_and_nothing_is_saved(event, tmp_path):
    before, after, found = Notes(), Notes(), []
    ending = Scripted(on_train_end=lambda run: found.append(run.error))
    saver = tn.Checkpoint(tmp_path / "last")
    with pytest.raises(ZeroDivisionError, match="of the user's") as caught:
        train(ending, before, saver, Scripted(**{event: fail}), after)
    told = [name for name, *_ in before.notes]
    assert told[-2:] == [event, "on_train_end"]
    assert found == [caught.value]
    assert event not in [name for name, *_ in after.notes]  # nobody else is told of that moment
    assert ("on_train_end" in [name for name, *_ in after.notes]) == (event != "on_train_begin")
    assert not list(tmp_path.iterdir())


def test_an_error_at_the_end_comes_out_once_all_others_were_told(tmp_path):
    first, last = Notes(), Notes()
    with pytest.raises(ZeroDivisionError):
        train(first, Scripted(on_train_end=fail), last)
    assert first.notes[-1][0] == last.notes[-1][0] == "on_train_end"


def test_what_is_no_callback_is_refused_before_anything_is_computed():
    class Misspelt:
        def on_epoch_ends(self, run):
            pass

    class HalfAState:
        def on_epoch_end(self, run):
            pass

        def state(self):
            return {}

    for callback, message in (
        (3, "a callback must be a function of the run, or an object with some of the methods on_train_begin, .*got 3"),
        (tn.EarlyStopping, "but got <class .*EarlyStopping"),
        (Misspelt(), "with on_epoch_ends$"),
        (object(), "a callback must be a function"),
        (HalfAState(), r"needs both state\(\) and restore\(state\), or neither"),
    ):
        with pytest.raises(ArgumentError, match=message):
            train(callback)


def test_callbacks_come_in_a_list():
    for given in (tn.EarlyStopping(), None, fail):
        with pytest.raises(ArgumentError, match="callbacks must be a list of them, but got"):
            tn.Sequential([tn.Input((6,)), tn.Dense(3)]).fit(*samples(), callbacks=given)


def test_a_run_that_nobody_wants_to_be_told_of_costs_its_batches_nothing():
    seen = []
    train(Scripted(on_epoch_end=lambda run: seen.append(len(run._hooks["on_batch_end"]))), tn.EarlyStopping())
    assert seen == [0, 0]


def test_states_of_the_users_own_come_back(tmp_path):
    class Counter:
        def __init__(self):
            self.batches, self.seen = 0, []

        def on_batch_end(self, run):
            self.batches += 1

        def state(self):
            return {"batches": self.batches, "table": np.arange(3.0), "nested": {"a": [1, None, "x"]}}

        def restore(self, state):
            self.batches = state["batches"]
            self.seen.append(state)

    path = tmp_path / "last"
    train(Counter(), tn.Checkpoint(path, every_batches=1), epochs=1)
    counter = Counter()
    train(counter, tn.Checkpoint(path, every_batches=1), epochs=3, resume=path)
    assert counter.batches == 9
    np.testing.assert_array_equal(counter.seen[0].pop("table"), np.arange(3.0))
    assert counter.seen == [{"batches": 3, "nested": {"a": [1, None, "x"]}}]


def test_a_state_that_a_file_cannot_hold_is_told(tmp_path):
    class Odd:
        def on_epoch_end(self, run):
            pass

        def state(self):
            return {"things": {1, 2}}

        def restore(self, state):
            pass

    with pytest.raises(ArgumentError, match="the state of the run: a set cannot be put into a model file"):
        train(Odd(), tn.Checkpoint(tmp_path / "last"))


# --- figures that callbacks add


class Gap:
    """Adds how much less the loss is than in validation."""

    def figures(self, run):
        return {"gap": run.figures["val_loss"] - run.figures["loss"]}


def test_a_callback_may_add_figures_that_others_watch(tmp_path, capsys):
    stopping, csv_path = tn.EarlyStopping("gap", mode="max", patience=1, min_delta=1e9), tmp_path / "table.csv"
    history = train(stopping, Gap(), tn.CSVLogger(csv_path), epochs=5, verbose=2)
    assert history.epochs == 2
    assert history.history["gap"] == [
        v - t for v, t in zip(*(history.history[n] for n in ("val_loss", "loss")), strict=True)
    ]
    assert ", gap " in capsys.readouterr().out
    assert csv_path.read_text().startswith("epoch,loss,accuracy,val_loss,val_accuracy,gap,")


@pytest.mark.parametrize(
    ("figures", "message"),
    [
        (lambda run: {"loss": 1.0}, "figures returned 'loss', which is measured already"),
        (lambda run: {"gap": 1.0}, "figures returned 'gap', which is measured already"),
        (lambda run: {"mine": None}, "metric mine must return one number, but returned None"),
        (lambda run: [1.0], r"must return a dictionary of numbers by name, but returned \[1.0\]"),
        (lambda run: {1: 1.0}, "must return a dictionary of numbers by name"),
        (lambda run: {f"epoch {run.epoch}": 1.0}, r"the same after each epoch: \['epoch 0', 'gap'\], but now"),
    ],
)
def test_figures_that_would_replace_others_are_refused(figures, message):
    with pytest.raises(ArgumentError, match=message):
        train(Gap(), Scripted(figures=figures), epochs=3)


# --- what watches a figure


def feed(callback, values, name="val_loss"):
    """Train, with a figure of the epochs as given; tells which epochs stopped, and the learning rates."""
    values = iter(values)

    def replace(run):
        run.figures[name] = next(values)

    return train(replace, callback, epochs=50)


@pytest.mark.parametrize(
    ("options", "values", "epochs"),
    [
        ({"patience": 1}, [3, 2, 2], 3),
        ({"patience": 2}, [3, 2, 2.5, 1, 2, 2], 6),
        ({"patience": 1, "min_delta": 0.5}, [3, 2, 1.6], 3),
        ({"patience": 2, "min_delta": 0.5}, [3, 2.6, 2.4, 2.2, 2.1], 5),
        ({"patience": 2}, [math.nan, 3, math.nan, math.nan], 4),
        ({"patience": 2}, [math.nan, math.nan, math.nan], 3),
        ({"patience": 1}, [0, math.nan], 2),
        ({"patience": 1}, [math.inf, math.inf], 2),
        ({"patience": 1, "mode": "max"}, [1, 2, 3, 2], 4),
        ({"patience": 1, "monitor": "val_accuracy"}, [0.1, 0.2, 0.2], 3),
        ({"patience": 2, "monitor": "val_accuracy"}, [0.5, math.nan, 0.4], 3),
    ],
)
def test_early_stopping_waits_as_long_as_it_was_told(options, values, epochs):
    history = feed(tn.EarlyStopping(**options), [*values, *[-1e9] * 50], options.get("monitor", "val_loss"))
    assert history.epochs == epochs
    assert history.stopped.startswith(options.get("monitor", "val_loss"))


def test_a_callback_that_is_used_again_starts_afresh():
    callback = tn.EarlyStopping(patience=2)
    assert [feed(callback, [3, 3, 3, 3]).epochs for _ in range(2)] == [3, 3]


def test_the_best_epoch_is_kept_and_the_last(tmp_path):
    thetas = []

    def note(run):
        thetas.append(run.model.theta.copy())

    best, last = tmp_path / "best", tmp_path / "last"
    options = {"optimizer": tn.SGD(20.0), "epochs": 8}
    history = train(tn.Checkpoint(best, best_only=True), tn.Checkpoint(last), note, **options)
    assert 1 < history.best_epoch < 8
    np.testing.assert_array_equal(tn.load(best).theta, thetas[history.best_epoch - 1])
    np.testing.assert_array_equal(tn.load(last).theta, thetas[-1])
    accuracies = history.history["accuracy"]
    train(tn.Checkpoint(best, monitor="accuracy", best_only=True), **options)
    np.testing.assert_array_equal(tn.load(best).theta, thetas[accuracies.index(max(accuracies))])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tn.EarlyStopping("f1"), 'say with mode="min" or mode="max" whether less or more of \'f1\' is better'),
        (lambda: tn.EarlyStopping(mode="least"), "EarlyStopping: say with mode=.*but got mode='least'"),
        (lambda: tn.EarlyStopping(patience=0), "EarlyStopping: patience must be an integer of 1 or more, but got 0"),
        (lambda: tn.EarlyStopping(min_delta=-1), "min_delta must be a finite number of 0 or more"),
        (lambda: tn.Checkpoint("x", "f1", best_only=True), "Checkpoint: say with mode"),
        (lambda: tn.Checkpoint("x", every_batches=0.5), "Checkpoint: every_batches must be an integer of 1 or more"),
        (lambda: tn.Checkpoint("x", every_batches=0), "Checkpoint: every_batches must be an integer of 1 or more"),
        (lambda: tn.Checkpoint("x", every_seconds=-1), "every_seconds must be a finite number above 0"),
        (
            lambda: tn.Checkpoint("x", best_only=True, every_batches=2),
            "the best is known after each epoch, and only then; leave out",
        ),
        (lambda: tn.LearningRateSchedule(0.1), r"takes a function of \(epoch, first_rate\), but got 0\.1"),
        (lambda: tn.LearningRateSchedule.step(0), "step: every must be an integer of 1 or more, but got 0"),
        (lambda: tn.LearningRateSchedule.step(2, -1), "step: factor must be a finite number above 0"),
        (lambda: tn.LearningRateSchedule.cosine(2, -1), "cosine: least must be a finite number of 0 or more"),
        (lambda: tn.LearningRateSchedule.plateau(factor=1), "plateau: factor must be below 1, but got 1"),
        (lambda: tn.LearningRateSchedule.plateau("f1"), "Plateau: say with mode"),
    ],
)
def test_wrong_arguments_are_refused(make, message):
    with pytest.raises(ArgumentError, match=message):
        make()


def test_a_figure_that_there_is_not_is_told():
    with pytest.raises(
        ArgumentError, match=r"watches 'val_loss', but fit was given no validation_data; .* watch 'loss'"
    ):
        train(tn.EarlyStopping(), validation_data=None)
    with pytest.raises(
        ArgumentError, match=r"watches 'f1_loss', but the measures of this run are \['loss', 'accuracy', "
    ):
        train(tn.EarlyStopping("f1_loss"))


# --- learning rates

SCHEDULES = {
    "step": (tn.LearningRateSchedule.step(2, 0.5), lambda e: 0.1 * 0.5 ** (e // 2)),
    "cosine": (tn.LearningRateSchedule.cosine(4), lambda e: 0.05 * (1 + math.cos(math.pi * min(e, 4) / 4))),
    "cosine to 0.02": (
        tn.LearningRateSchedule.cosine(6, 0.02),
        lambda e: 0.02 + 0.04 * (1 + math.cos(math.pi * e / 6)),
    ),
    "own": (tn.LearningRateSchedule(lambda epoch, first: first / (1 + epoch)), lambda e: 0.1 / (1 + e)),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_gives_each_epoch_its_rate(name):
    schedule, expected = SCHEDULES[name]
    optimizer = tn.SGD(0.1)
    for _ in range(2):  # the optimizer has its own rate back, and the schedule starts afresh
        history = train(schedule, epochs=6, optimizer=optimizer)
        assert history.learning_rates == pytest.approx([expected(epoch) for epoch in range(6)], abs=1e-15)
        assert optimizer.learning_rate == 0.1


@pytest.mark.parametrize("compiled", [True, False])
def test_a_schedule_is_the_same_as_so_many_fits_with_these_rates(compiled):
    x, y = samples()

    def model():
        return tn.Sequential([tn.Input((6,)), tn.Dense(3, "softmax")], seed=0)

    one, many = model(), model()
    options = {"batch_size": 8, "shuffle": False, "verbose": 0, "compiled": compiled}
    one.fit(x, y, epochs=3, optimizer=tn.SGD(0.5), callbacks=[tn.LearningRateSchedule.step(1, 0.1)], **options)
    for rate in (0.5, 0.5 * 0.1, 0.5 * 0.1**2):
        many.fit(x, y, epochs=1, optimizer=tn.SGD(rate), **options)
    np.testing.assert_array_equal(one.theta, many.theta)


def test_a_plateau_lowers_the_rate_and_waits_again():
    schedule = tn.LearningRateSchedule.plateau(patience=2, factor=0.5, least=0.3)
    values = iter([3, 2, 2, 2, 2, 2, 2, 1, 1, 1])

    def replace(run):
        run.figures["val_loss"] = next(values)

    history = train(replace, schedule, epochs=10, optimizer=tn.SGD(1.0))
    assert history.learning_rates == [1, 1, 1, 1, 0.5, 0.5, 0.3, 0.3, 0.3, 0.3]


def test_a_plateau_does_not_raise_a_rate_that_is_below_its_least():
    schedule = tn.LearningRateSchedule.plateau(patience=1, factor=0.5, least=0.01)
    history = train(lambda run: run.figures.update(val_loss=1.0), schedule, epochs=4, optimizer=tn.SGD(0.001))
    assert history.learning_rates == [0.001] * 4


def test_a_rate_that_is_set_when_training_begins_is_that_of_the_run():
    optimizer = tn.SGD(0.1)
    begin = Scripted(on_train_begin=lambda run: setattr(run.optimizer, "learning_rate", 0.5))
    assert train(begin, optimizer=optimizer).learning_rates == [0.5, 0.5]
    assert optimizer.learning_rate == 0.1


def test_a_rate_that_is_none_is_refused():
    with pytest.raises(ArgumentError, match="the learning rate must be a finite number of 0 or more, but got nan"):
        train(tn.LearningRateSchedule(lambda epoch, first: math.nan))


@pytest.mark.parametrize("optimizer", [tn.GradientDescent(), tn.Newton()])
@pytest.mark.parametrize(
    "schedule", [tn.LearningRateSchedule.step(2), tn.LearningRateSchedule.plateau("loss")], ids=["step", "plateau"]
)
def test_an_optimizer_without_a_learning_rate_takes_no_schedule(schedule, optimizer):
    with pytest.raises(ArgumentError, match=f"{type(optimizer).__name__} has no learning rate"):
        train(schedule, optimizer=optimizer, batch_size=None)


def test_a_schedule_makes_no_new_plans(monkeypatch):
    made = []
    original = engine_room.Traced
    monkeypatch.setattr(engine_room, "Traced", lambda *a: made.append(original(*a)) or made[-1])
    train(tn.LearningRateSchedule.cosine(5), epochs=5, optimizer=tn.Adam(0.1))
    assert sum(bool(traced.plan.writes) for traced in made) == 2  # for the batches of 8, and the last one


# --- the table


def test_the_table_has_a_line_for_each_epoch(tmp_path):
    path = tmp_path / "log.csv"

    def look(run):
        assert len(path.read_text().splitlines()) == run.epoch + 1

    history = train(tn.CSVLogger(path), look, tn.LearningRateSchedule.step(1, 0.5), epochs=4)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds"]
    assert [list(row) for row in rows] == [names] * 4
    for name in names[1:5]:
        assert [float(row[name]) for row in rows] == history.history[name]  # to the bit
    assert [float(row["learning_rate"]) for row in rows] == history.learning_rates
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]


def test_rows_are_appended_and_a_table_that_somebody_changed_is_written_whole(tmp_path, monkeypatch):
    path, whole = tmp_path / "log.csv", []
    write = csv_logger.write_atomically
    monkeypatch.setattr(csv_logger, "write_atomically", lambda *given: (whole.append(given), write(*given)))

    def meddle(run):
        if run.epoch == 4:
            path.unlink()
        if run.epoch == 6:
            path.write_text("nothing")

    train(tn.CSVLogger(path), meddle, epochs=8)
    assert len(whole) == 3  # at the first row, and after each meddling
    assert [line.split(",")[0] for line in path.read_text().splitlines()] == ["epoch", *map(str, range(1, 9))]


def test_the_table_is_written_every_few_epochs_or_seconds_and_at_the_end(tmp_path):
    rare, timed, lengths = tmp_path / "rare.csv", tmp_path / "timed.csv", []

    def look(run):
        lengths.append([len(path.read_text().splitlines()) if path.exists() else 0 for path in (rare, timed)])

    train(tn.CSVLogger(rare, every_epochs=3), tn.CSVLogger(timed, every_seconds=1e6), look, epochs=7)
    assert lengths == [[0, 0], [0, 0], [4, 0], [4, 0], [4, 0], [7, 0], [7, 0]]
    assert [len(path.read_text().splitlines()) for path in (rare, timed)] == [8, 8]
    for options in ({"every_epochs": 0}, {"every_seconds": 0}):
        with pytest.raises(ArgumentError, match="CSVLogger"):
            tn.CSVLogger(rare, **options)


def test_a_disk_that_is_full_leaves_the_rows_that_were_there(tmp_path, monkeypatch):
    path, written = tmp_path / "log.csv", []

    def fill(run):
        if run.epoch == 2:
            monkeypatch.setattr(os, "write", lambda handle, content: full(handle, content))

    def full(handle, content, write=os.write):
        if written:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(write(handle, content[:5]))
        return written[0]

    with pytest.raises(WriteError, match="nothing was changed"):
        train(tn.CSVLogger(path), fill, epochs=5)
    assert [line.split(",")[0] for line in path.read_text().splitlines()] == ["epoch", "1", "2"]


def test_a_checkpoint_every_few_epochs_resumes_to_the_same_bits(tmp_path, monkeypatch):
    path, saved = tmp_path / "last", []
    write = checkpoint.write_atomically
    monkeypatch.setattr(checkpoint, "write_atomically", lambda *given: (saved.append(1), write(*given)))
    whole = train(tn.Checkpoint(path, every_epochs=3), epochs=8)
    assert len(saved) == 3  # after epochs 3 and 6, and at the end
    saved.clear()
    train(tn.Checkpoint(path, every_epochs=None), epochs=5)
    assert len(saved) == 1
    resumed = train(tn.Checkpoint(path, every_epochs=None), epochs=8, resume=path)
    assert resumed.history == whole.history
    with pytest.raises(ArgumentError, match="every_epochs"):
        tn.Checkpoint(path, best_only=True, every_epochs=2)


@pytest.mark.parametrize(("kind", "what"), [(tn.CSVLogger, "the table"), (tn.Checkpoint, "a checkpoint")])
@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("none/log.csv", "none, where {} is to be, is not a directory to write to"),
        ("file/log.csv", "file, where {} is to be, is not a directory to write to"),
        ("folder", "folder, where {} is to be, is a directory; give the path of a file in it"),
    ],
)
def test_a_place_where_nothing_can_be_written_is_told_before_anything_is_trained(kind, what, place, message, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    notes = Notes()
    with pytest.raises(WriteError, match=message.format(what)):
        train(notes, kind(tmp_path / place))
    assert [event for event, *_ in notes.notes] == ["on_train_begin", "on_train_end"]


def leaves(model):
    return {name: leaf.memory.copy() for name, leaf in model.leaves.items()}


def train_normalised(*callbacks, epochs, **options):
    """Train a model with states, and return the loss of each epoch and what the model was like after it."""
    model = tn.Sequential([tn.Input((6,)), tn.Dense(4), tn.BatchNorm(), tn.Dense(3, "softmax")], seed=0)
    after = []
    usual = {"batch_size": 8, "seed": 0, "verbose": 0, "optimizer": tn.SGD(2.0, momentum=0.5)}
    history = model.fit(
        *samples(), epochs=epochs, callbacks=[lambda run: after.append(leaves(model)), *callbacks],
        validation_data=samples(9, 1), **usual | options,
    )  # fmt: skip
    return model, history, after


@pytest.mark.parametrize("epochs", [7, 12])  # all of them are made; it stops before
def test_the_best_model_comes_back_at_the_end(epochs):
    stopping = tn.EarlyStopping(patience=6, restore_best=True)
    model, history, after = train_normalised(stopping, epochs=epochs)
    best = history.best_epoch
    assert best < history.epochs
    assert ("the model is that of epoch %d, the best" % best in history.stopped) == (history.epochs < epochs)  # noqa: UP031
    for name, values in leaves(model).items():
        np.testing.assert_array_equal(values, after[best - 1][name])
    assert model.evaluate(*samples(9, 1))["loss"] == pytest.approx(history.history["val_loss"][best - 1], rel=1e-6)
    kept, _, others = train_normalised(tn.EarlyStopping(patience=6), epochs=epochs)
    for name, values in leaves(kept).items():
        np.testing.assert_array_equal(values, others[-1][name])


def test_a_run_that_brings_back_its_best_model_is_resumed_to_the_same_bits(tmp_path):
    def stopping():
        return tn.EarlyStopping(patience=6, restore_best=True)

    for order in (1, -1):
        path = tmp_path / f"{order}.safetensors"
        whole, history, _ = train_normalised(*[stopping(), tn.Checkpoint(path)][::order], epochs=8)
        path.unlink()
        for epochs in (3, 5, 8):  # each ends with the best model so far, and the next goes on from the last
            resume = {"resume": path} if path.exists() else {}
            resumed, other, _ = train_normalised(*[stopping(), tn.Checkpoint(path)][::order], epochs=epochs, **resume)
        assert other.history == history.history
        np.testing.assert_array_equal(resumed.theta, whole.theta)
        np.testing.assert_array_equal(resumed.states["batch_norm.mean"].data, whole.states["batch_norm.mean"].data)


def test_a_run_that_is_interrupted_or_fails_keeps_the_last_model():
    class Fail:
        def on_epoch_begin(self, run):
            if run.epoch == 4:
                raise ZeroDivisionError

    model = tn.Sequential([tn.Input((6,)), tn.Dense(3)], seed=0)
    after = []
    with pytest.raises(ZeroDivisionError):
        model.fit(
            *samples(), epochs=5, verbose=0, seed=0,
            callbacks=[tn.EarlyStopping("loss", mode="max", restore_best=True), Fail(),
                       lambda run: after.append(model.theta.copy())],
        )  # fmt: skip
    np.testing.assert_array_equal(model.theta, after[-1])


def test_a_best_model_is_not_looked_for_in_a_run_that_kept_none(tmp_path):
    path = tmp_path / "last"
    train_normalised(tn.EarlyStopping(), tn.Checkpoint(path), epochs=2)
    with pytest.raises(CheckpointError, match="started with restore_best=False, now True"):
        train_normalised(tn.EarlyStopping(restore_best=True), tn.Checkpoint(path), epochs=3, resume=path)


@pytest.mark.parametrize(("patience", "told"), [(1, "for 1 epoch"), (2, "for 2 epochs")])
def test_one_epoch_is_no_epochs(patience, told):
    history = train(tn.EarlyStopping("loss", patience=patience, min_delta=10.0), epochs=9)
    assert history.stopped.startswith(
        f"loss has not improved {told}; the model is that of epoch {patience + 1}, the best"
    )


def test_a_table_that_cannot_be_written_any_more_is_told(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(WriteError, match=r"could not write .*folder/log\.csv: No such file or directory"):
        train(Scripted(on_epoch_begin=lambda run: (tmp_path / "folder").rmdir()),
              tn.CSVLogger(tmp_path / "folder" / "log.csv"))  # fmt: skip


# --- Adam


@pytest.mark.parametrize("compiled", [True, False])
def test_adam_follows_its_formula(compiled):
    x, y = samples(16)
    model = tn.Sequential([tn.Input((6,)), tn.Dense(3, "softmax")], seed=0, dtype="float64")
    theta = model.theta.copy()
    m, v = np.zeros_like(theta), np.zeros_like(theta)
    for t in range(1, 7):
        part = slice(8 * ((t - 1) % 2), 8 * ((t - 1) % 2) + 8)
        weight, bias = theta[:-3].reshape(6, 3), theta[-3:]
        powers = np.exp(x[part] @ weight + bias)
        error = (powers / powers.sum(axis=1, keepdims=True) - np.eye(3)[y[part]]) / 8
        g = np.concatenate([(x[part].T.astype(float) @ error).reshape(-1), error.sum(axis=0)])
        m, v = 0.8 * m + 0.2 * g, 0.95 * v + 0.05 * g**2
        theta = theta - 0.1 * (m / (1 - 0.8**t)) / (np.sqrt(v / (1 - 0.95**t)) + 1e-3)
    adam = tn.Adam(0.1, beta1=0.8, beta2=0.95, epsilon=1e-3)
    model.fit(x, y, epochs=3, batch_size=8, shuffle=False, optimizer=adam, verbose=0, compiled=compiled)
    np.testing.assert_allclose(model.theta, theta, rtol=1e-10)


def test_the_first_step_of_adam_is_as_large_as_its_rate_whatever_the_gradient():
    for size in (1e-3, 1.0, 1e6):
        model = tn.Sequential([tn.Input((2,)), tn.Dense(1, kernel_init="zeros")])
        (model([[1.0, 2.0]]).sum() * size).backward()
        tn.Adam(0.5).step(model)
        np.testing.assert_allclose(model.theta, -0.5, rtol=2e-5)


def test_what_follows_adam_in_an_update_sees_the_old_values():
    """In a plan Adam writes over theta and its moments, but only where nothing needs the old ones."""

    class Decayed(tn.Adam):
        def update(self, theta, gradient, learning_rate, **state):
            new, *slots = super().update(theta, gradient, learning_rate, **state)
            return new - learning_rate * 0.5 * theta, *slots

    thetas = []
    for compiled in (True, False):
        model = tn.Sequential([tn.Input((6,)), tn.Dense(3, "softmax")], seed=0)
        model.fit(*samples(), epochs=3, optimizer=Decayed(0.1), seed=0, verbose=0, compiled=compiled)
        thetas.append(model.theta)
    np.testing.assert_allclose(*thetas, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning_rate": 0}, "Adam: learning_rate must be a finite number above 0, but got 0"),
        ({"beta1": 1.0}, r"Adam: beta1 and beta2 must be below 1, but got 1\.0 and 0\.999"),
        ({"beta2": -0.1}, "Adam: beta2 must be a finite number of 0 or more"),
        ({"epsilon": 0}, "Adam: epsilon must be a finite number above 0"),
    ],
)
def test_adam_checks_its_arguments(options, message):
    with pytest.raises(ArgumentError, match=message):
        tn.Adam(**options)


def test_the_gradient_norm_is_that_of_the_loss_at_the_end_of_each_epoch():
    model = tn.Sequential([tn.Input((6,)), tn.Dense(8, "tanh"), tn.Dropout(0.5), tn.Dense(3, "softmax")], seed=0)
    x, y = samples()
    after = []
    callbacks = [tn.GradientNorm(x, y), lambda run: after.append(run.model.theta.copy())]
    history = model.fit(x, y, epochs=3, batch_size=8, callbacks=callbacks, seed=0, verbose=0).history
    objective = tn.Objective(model, x, y)
    expected = [np.linalg.norm(objective.value_and_gradient(theta)[1]) for theta in after]
    np.testing.assert_allclose(history["gradient_norm"], expected, rtol=1e-5)


def test_the_gradient_norm_leaves_out_what_is_frozen_and_changes_no_bit_of_training():
    def trained(*callbacks):
        model = tn.Sequential([tn.Input((6,)), tn.Dense(8), tn.BatchNorm(), tn.Dense(3, "softmax")], seed=0)
        for layer in model.layers[:3]:
            layer.trainable = False
        history = model.fit(*samples(), epochs=2, batch_size=8, callbacks=callbacks, seed=0, verbose=0).history
        return model, history

    (alone, _), (measured, history) = trained(), trained(tn.GradientNorm(*samples()))
    np.testing.assert_array_equal(alone.theta, measured.theta)
    x, y = samples()
    loss = tn.ops.cross_entropy(measured(x), y)
    parts = [g.data for g in tn.grad(loss, [measured.parameters[f"dense_1.{name}"] for name in ("weight", "bias")])]
    expected = np.sqrt(sum(np.square(part, dtype=np.float64).sum() for part in parts))
    assert history["gradient_norm"][-1] == pytest.approx(expected, rel=1e-6)


def test_the_gradient_norm_refuses_samples_that_do_not_fit_before_anything_is_trained():
    model = tn.Sequential([tn.Input((6,)), tn.Dense(3, "softmax")], seed=0)
    before = model.theta.copy()
    with pytest.raises(tn.errors.ShapeError):
        model.fit(*samples(), callbacks=[tn.GradientNorm(np.ones((4, 5)), [0, 1, 2, 0])], verbose=0)
    np.testing.assert_array_equal(model.theta, before)


def test_the_learning_curve_has_a_panel_for_the_gradient_norm():
    history = train(tn.GradientNorm(*samples()), epochs=3)
    assert "Gradient norm" in [axes.get_ylabel() for axes in tn.report.learning_curve(history).axes]


# --- the loss by step


def losses_of_batches(**options):
    """The loss of each batch, as `evaluate` has it before the step."""
    found = []

    def of_batch(run):
        found.append(run.means()["loss"] * run.batch - sum(found[len(found) - run.batch + 1 :]))

    train(Scripted(on_batch_end=of_batch), batch_size=11, **options)  # of equal size, so means are plain ones
    return found


def test_the_loss_by_step_is_that_of_each_batch():
    history = train(tn.StepLosses(), epochs=3, batch_size=11)
    np.testing.assert_allclose(history.by_step["loss"], losses_of_batches(epochs=3), rtol=1e-12)
    assert history.by_step["step"] == [1, 2, 3, 4, 5, 6]
    assert history.by_step["epoch"] == [0.5, 1.0, 1.5, 2.0, 2.5, 3.0]
    assert history.history["loss"] == pytest.approx(np.reshape(history.by_step["loss"], (3, 2)).mean(axis=1))
    assert not train(epochs=1).by_step


def test_an_epoch_of_many_steps_has_means_over_some_and_only_the_first_epochs_are_kept():
    each = train(tn.StepLosses(), epochs=3, batch_size=2).by_step["loss"]
    history = train(tn.StepLosses(epochs=2, points=4), epochs=3, batch_size=2)  # 11 steps an epoch: 3, 3, 3 and 2
    assert history.by_step["step"] == [3, 6, 9, 11, 14, 17, 20, 22]
    starts = [0, 3, 6, 9, 11, 14, 17, 20]
    expected = [np.mean(each[a:b]) for a, b in zip(starts, history.by_step["step"], strict=True)]
    np.testing.assert_allclose(history.by_step["loss"], expected, rtol=1e-12)


@pytest.mark.parametrize("batches", [2, 5, 11, 15])
def test_a_run_that_is_resumed_within_an_epoch_has_the_same_losses_by_step(batches, tmp_path):
    path, options = tmp_path / "last", {"batch_size": 2, "epochs": 2}

    def stop(run):
        if run.epoch * run.batches + run.batch == batches:
            run.ending = True  # as Ctrl-C does

    whole = train(tn.StepLosses(points=4), **options)
    train(tn.StepLosses(points=4), tn.Checkpoint(path), Scripted(on_batch_end=stop), **options)
    resumed = train(tn.StepLosses(points=4), tn.Checkpoint(path), resume=path, **options)
    assert resumed.by_step == whole.by_step
    assert list(map(type, resumed.by_step["step"])) == [int] * 8


def test_the_loss_by_step_is_weighted_as_the_loss_is():
    weights = np.arange(22.0)
    by_step = train(tn.StepLosses(), epochs=1, batch_size=11, sample_weight=weights, shuffle=False).by_step
    model = tn.Sequential([tn.Input((6,)), tn.Dense(3, "softmax")], seed=0)
    x, y = samples()
    expected = np.average(-np.log(model.predict(x)[range(11), y[:11]]), weights=weights[:11])
    assert by_step["loss"][0] == pytest.approx(expected, rel=1e-5)
    np.testing.assert_array_equal(by_step["step"], [1, 2])


@pytest.mark.parametrize("harm", [{"loss": [1.0]}, {"epoch": [1.0], "step": ["1"], "loss": [1.0]}, {"a": [1.0]}, 3])
def test_losses_by_step_that_make_no_sense_are_no_checkpoint(harm, tmp_path, monkeypatch):
    path = tmp_path / "last"
    train(tn.StepLosses(), tn.Checkpoint(path), epochs=1)
    read = checkpoint.decode

    def harmed(text):
        state = read(text)
        state["history"]["by_step"] = harm
        return state

    monkeypatch.setattr(checkpoint, "decode", harmed)
    with pytest.raises(CheckpointError, match="makes no sense"):
        train(tn.StepLosses(), tn.Checkpoint(path), epochs=2, resume=path)


def test_a_checkpoint_from_before_there_were_losses_by_step_is_resumed(tmp_path, monkeypatch):
    path = tmp_path / "last"
    train(tn.Checkpoint(path), epochs=1)
    read = checkpoint.decode

    def older(text):
        state = read(text)
        del state["history"]["by_step"]
        return state

    monkeypatch.setattr(checkpoint, "decode", older)
    resumed = train(tn.StepLosses(), tn.Checkpoint(path), epochs=2, resume=path)
    assert resumed.by_step["step"] == [4, 5, 6]
    assert resumed.history == train(epochs=2).history
