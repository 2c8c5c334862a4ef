"""What is shown of a run: plain lines now and then, also where nobody reads; names with brackets; why it stopped."""

import io
import sys

import numpy as np
import pytest

import tinynet as tn
from tests.train.test_fit import run
from tinynet.train.metrics import Metric
from tinynet.train.output import say
from tinynet.train.progress import OftenLines


class Terminal(io.StringIO):
    def isatty(self):
        return True


class OnlyWrites:
    """A tee or a logger: it can be written to, and has nothing else."""

    def __init__(self):
        self.written = ""

    def write(self, text):
        self.written += text


class Broken(io.StringIO):
    def write(self, text):
        raise BrokenPipeError(32, "Broken pipe")


def closed():
    file = io.StringIO()
    file.close()
    return file


@pytest.mark.parametrize("verbose", [0, 1, 2])
@pytest.mark.parametrize("output", [closed, lambda: None, Broken, OnlyWrites])
def test_a_run_goes_on_wherever_its_lines_go(output, verbose, monkeypatch):
    monkeypatch.setattr(sys, "stdout", output())
    _, history = run(verbose=verbose)
    written, monkeypatch = getattr(sys.stdout, "written", None), monkeypatch.undo()
    assert history.epochs == 2
    if written is not None:
        assert written.count("Epoch ") == (2 if verbose else 0)


def test_signs_that_an_output_lacks_are_written_by_their_numbers(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, "ascii"))
    say("précision 1")
    assert raw.getvalue() == b"pr\\xe9cision 1\n"


def test_an_epoch_that_takes_long_says_how_far_it_is(monkeypatch, capsys):
    monkeypatch.setattr(OftenLines, "every", 0.0)
    run(verbose=1, epochs=1)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[:2] for line in lines if line.startswith("Epoch")] == [
        ["Epoch 1/1", "1 of 3 batches"], ["Epoch 1/1", "2 of 3 batches"], ["Epoch 1/1", "3 batches"],
    ]  # fmt: skip
    assert all("ms/step  loss " in line for line in lines if line.startswith("Epoch"))


def test_an_epoch_that_does_not_is_one_line(capsys):
    for verbose in (1, 2):
        run(verbose=verbose, epochs=3)
        assert capsys.readouterr().out.count("Epoch") == 3


@pytest.mark.parametrize("name", ["recall[/0]", "f1[class 2]", "[bold]x[/bold]", ":smile:"])
def test_names_are_shown_as_they_are_on_a_terminal(name, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    run(verbose=1, metrics=[Metric(lambda output, labels: 0.5, name, mean=True)])
    assert f", {name} 0.5" in terminal.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
def test_a_run_says_why_it_stopped_and_which_model_is_left(terminal, monkeypatch):
    output = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stdout", output)
    x = np.random.default_rng(0).normal(size=(20, 6))
    for restore in (False, True):
        model = tn.Sequential([tn.Input((6,)), tn.Dense(3)], seed=0)
        stopping = tn.EarlyStopping("loss", mode="max", patience=2, restore_best=restore)
        model.fit(x, x[:, :3].argmax(1), epochs=9, optimizer=tn.SGD(0.1), callbacks=[stopping], seed=0)
    text = output.getvalue()
    ended = "Stopped after 3 epochs: loss has not improved for 2 epochs; the model is that of epoch"
    assert f"{ended} 3, the best was that of epoch 1 (see restore_best)\n" in text
    assert f"{ended} 1, the best\n" in text
    assert text.endswith("The model is that of epoch 1, the best of 3 by loss\n")
