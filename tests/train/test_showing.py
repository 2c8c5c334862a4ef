"""What things say that they are, and the history as a table of pandas."""

import math
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

import tinynet as tn
from tests.train.test_fit import run
from tinynet.errors import MissingPackageError


def model():
    return tn.Sequential([tn.Input((2,)), tn.Dense(2)], seed=0, name="net")


def step(x):
    return model()(x).sum()


SHOWN = [
    (lambda: tn.SGD(), "SGD(learning_rate=0.01)"),
    (lambda: tn.SGD(0.1, momentum=0.9, nesterov=True), "SGD(learning_rate=0.1, momentum=0.9, nesterov=True)"),
    (lambda: tn.AdamW(0.1, clip_norm=1), "AdamW(learning_rate=0.1, clip_norm=1.0)"),
    (lambda: tn.EarlyStopping("f1", 3, mode="max"), "EarlyStopping(monitor='f1', patience=3, mode='max')"),
    (lambda: tn.Checkpoint("a/b", every_batches=5), "Checkpoint(path='a/b', every_batches=5, mode='min')"),
    (lambda: tn.CSVLogger("log.csv"), "CSVLogger(path='log.csv')"),
    (lambda: tn.LearningRateSchedule(math.hypot), "LearningRateSchedule(rate=hypot)"),
    (lambda: tn.LearningRateSchedule.step(2, factor=0.5), "LearningRateSchedule.step(every=2, factor=0.5)"),
    (lambda: tn.StepSchedule.milestones([1, 2.5]), "StepSchedule.milestones(epochs=[1, 2.5])"),
    (lambda: tn.StepSchedule.one_cycle(3), "StepSchedule.one_cycle(epochs=3)"),
    (lambda: tn.metrics.Metric("f1"), "<Metric f1: of a set>"),
    (lambda: tn.History(), "<History: no epochs>"),
    (lambda: tn.train_mode(seed=3), "<TrainMode: seed 3, 0 steps done>"),
    (lambda: tn.compile(step), "<CompiledFunction: function step, traces 0>"),
    (lambda: tn.compile(model()), "<CompiledFunction: model 'net' (Sequential), traces 0>"),
    (lambda: tn.compile(model(), freeze=True), "<CompiledFunction: frozen copy of model 'net' (Sequential), traces 0>"),
    (
        lambda: tn.Objective(model(), np.zeros((7, 2)), np.zeros(7, int)),
        "<Objective: the loss of 'net' (Sequential) on 7 samples>",
    ),
]


@pytest.mark.parametrize(("make", "text"), SHOWN)
def test_things_say_what_they_are(make, text):
    assert repr(make()) == text


def test_a_plan_says_how_large_it_is():
    text = repr(tn.compile(model()).plan(np.zeros((1, 2), np.float32)))
    assert text.startswith("<Plan: ")
    assert text.endswith(" kB; print(plan.table()) shows them>")


def test_a_run_and_its_history_say_where_they_stand():
    seen = []

    class Look:
        def on_batch_end(self, run):
            seen.append(repr(run))

    def stop(run):
        if run.epoch == 2:
            run.stop("enough")

    _, history = run(callbacks=[Look(), stop], epochs=9)
    assert seen[4] == "<Run of 'sequential' (Sequential): 1 of 9 epochs done, 2 of 3 batches of the next>"
    loss, accuracy = history.history["loss"][-1], history.history["accuracy"][-1]
    last = f"the last with loss {loss:.4f}, accuracy {accuracy:.4f}; the best is epoch 2"
    assert repr(history) == f"<History: 2 epochs, {last}; stopped: enough>"


def test_an_optimizer_of_the_users_own_is_shown_by_what_it_keeps():
    class Own(tn.Optimizer):
        def __init__(self, rate, table, hidden=3):
            super().__init__(rate)
            self.table = table

    assert repr(Own(0.1, np.arange(2))) == "Own(table=array([0, 1]))"


def test_a_history_is_a_table_where_pandas_is(monkeypatch):
    """A stand-in for pandas: the real one is not a dependency, and its own constructor takes the same."""
    pandas = ModuleType("pandas")
    pandas.RangeIndex = lambda start, stop, name: (name, list(range(start, stop)))
    pandas.DataFrame = lambda columns, index: SimpleNamespace(columns=columns, index=index)
    monkeypatch.setitem(sys.modules, "pandas", pandas)
    history = tn.History({"loss": [0.5, 0.2]}, [1.0, 2.0], [0.1, 0.05])
    table = history.to_frame()
    assert table.columns == {"loss": [0.5, 0.2], "learning_rate": [0.1, 0.05], "seconds": [1.0, 2.0]}
    assert table.index == ("epoch", [1, 2])


def test_without_pandas_it_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingPackageError, match="pandas, which is not installed: run `pip install pandas`, or take"):
        tn.History().to_frame()


def test_pandas_itself_takes_it():
    pandas = pytest.importorskip("pandas")
    table = run(epochs=3)[1].to_frame()
    assert isinstance(table, pandas.DataFrame)
    assert list(table.columns) == ["loss", "accuracy", "learning_rate", "seconds"]
    assert list(table.index) == [1, 2, 3]
    assert table.index.name == "epoch"
