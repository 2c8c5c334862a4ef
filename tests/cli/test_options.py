"""The options of training: what goes together, what is recorded, and what a run that goes on keeps."""

import json
import shlex
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinynet as tn
from tinynet.cli import main
from tinynet.cli.options import BY_NAME, OPTIONS, chosen, fit_arguments, words
from tinynet.errors import ArgumentError
from tinynet.recipes import RECIPES


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    (x_train, y_train), (x_test, y_test) = tn.datasets.mnist("sample")
    path = tmp_path_factory.mktemp("data") / "mnist.npz"
    np.savez(path, x_train=x_train[:100], y_train=y_train[:100], x_test=x_test[:50], y_test=y_test[:50])
    return str(path)


def record(run, name="metrics.json"):
    return json.loads((run / name).read_text())


def train(*arguments, model="softmax"):
    return main(["train", model, "--no-report", *arguments])


# --- what goes together


VALUES = {
    "epochs": st.integers(1, 30),
    "batch_size": st.integers(1, 500),
    "loss": st.sampled_from(["cross_entropy", "mse", "mae", "huber"]),
    "label_smoothing": st.sampled_from([0.0, 0.1]),
    "augment": st.sampled_from(["none", "shift=2", "flip,rotation=0.1"]),
    "validation_split": st.sampled_from([0.1, 0.5]),
    "gradient_norm": st.booleans(),
    "optimizer": st.sampled_from(["SGD", "Adam", "AdamW", "RMSprop"]),
    "learning_rate": st.floats(1e-6, 10),
    "momentum": st.sampled_from([0.0, 0.5, 0.9]),
    "nesterov": st.booleans(),
    "beta1": st.sampled_from([0.0, 0.8]),
    "beta2": st.sampled_from([0.0, 0.99]),
    "rho": st.sampled_from([0.0, 0.8]),
    "epsilon": st.floats(1e-9, 1),
    "weight_decay": st.sampled_from([0.0, 0.01]),
    "decay": st.sampled_from(["all", "weights"]),
    "clip_norm": st.floats(0.1, 10),
    "clip_value": st.floats(0.1, 10),
    "schedule": st.sampled_from(["constant", "step", "exponential", "linear", "cosine", "one-cycle"]),
    "warmup_epochs": st.sampled_from([0.0, 0.5]),
    "step_size": st.integers(1, 5),
    "gamma": st.floats(0.1, 1),
    "micro_batches": st.integers(1, 8),
}


@given(st.sampled_from(list(RECIPES)), st.fixed_dictionaries({}, optional=VALUES))
@settings(max_examples=200)
def test_the_words_for_settings_choose_the_same_settings(name, asked):
    """What a run records, typed as options, is the same run; or the options are refused together."""
    base = RECIPES[name].settings(60_000)
    try:
        found = chosen(base, asked)
    except ArgumentError:
        return
    typed, said = words(found, base), {}
    while typed:
        flag = typed.pop(0)
        option = next(o for o in OPTIONS if flag in (o.flag, o.flag.replace("--", "--no-", 1)))
        said[option.name] = flag == option.flag if option.read is bool else option.read(typed.pop(0))
    assert chosen(base, said) == found
    assert chosen({"schedule": "constant", "augment": "none", **found}, {}) == found  # as a run that goes on
    fit_arguments(found)


def test_every_option_is_drawn():
    assert set(VALUES) == set(BY_NAME)


def test_another_optimizer_has_its_own_defaults():
    found = chosen(RECIPES["resnet"].settings(60_000), {"optimizer": "Adam"})
    assert found["learning_rate"] == 0.001
    assert not {"momentum", "nesterov", "weight_decay"} & set(found)
    assert found["schedule"] == "one-cycle"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (
            "--momentum 0.9 --optimizer adam",
            "--momentum is an option of --optimizer SGD and RMSprop, but the optimizer is Adam",
        ),
        ("--beta1 0.9", "--beta1 is an option of --optimizer Adam and AdamW, but the optimizer is SGD"),
        ("--gamma 0.9", "--gamma is an option of --schedule step and exponential, but the schedule is constant"),
        ("--schedule step", "--schedule step needs --step-size"),
        ("--schedule cosine --epochs 2 --warmup-epochs 2", "warm_up must be fewer than the 2 epochs"),
        ("--label-smoothing 0.1 --loss mae", "--label-smoothing goes with --loss cross_entropy, but the loss is mae"),
        ("--augment blur", "augmentation is none, or each of shift=2, flip=horizontal, rotation=0.05 once"),
        ("--clip-norm 1 --clip-value 1", "give clip_norm or clip_value, not both"),
        ("--nesterov", "nesterov=True needs a momentum above 0"),
    ],
)
def test_what_does_not_go_together_is_refused_before_anything_is_written(options, says, place, data, capsys):
    assert train("--data", data, *options.split()) == 1
    assert says in capsys.readouterr().err
    assert not list(place.iterdir())


@pytest.mark.parametrize(
    "options", ["--optimizer lamb", "--loss crossentropy", "--momentum 1", "--schedule wild", "--decay some"]
)
def test_what_is_no_value_ends_with_2(options, data, capsys):
    assert train("--data", data, *options.split()) == 2
    assert "must be" in capsys.readouterr().err.splitlines()[-1]


def test_logistic_takes_none_of_them(data, capsys):
    assert train("--data", data, "--optimizer", "adam", "--augment", "flip", model="logistic") == 1
    assert "--augment and --optimizer: logistic takes all images" in capsys.readouterr().err


# --- runs


def test_a_run_records_what_was_chosen_and_does_it(place, data, capsys):
    options = (
        "--optimizer adamw --schedule cosine --warmup-epochs 0.5 --label-smoothing 0.1 --augment shift=1 --epochs 2"
    )
    assert train("--data", data, "--out", "run", *options.split()) == 0
    out = capsys.readouterr().out
    assert (
        "AdamW, learning rate 0.001, beta1 0.9, beta2 0.999, epsilon 1e-08, weight decay 0.01, schedule cosine" in out
    )
    assert "epochs 2, images changed by shift=1, label smoothing 0.1, validated on" in out
    found = record(place / "run")
    assert found["hyper_parameters"] == record(place / "run", "settings.json")["hyper_parameters"]
    (x, y), test = tn.datasets.mnist(data)
    model = replace(RECIPES["softmax"], augment="shift=1").model(seed=0)
    cosine = tn.StepSchedule.cosine(2, warm_up=0.5)
    history = model.fit(
        x, y, epochs=2, optimizer=tn.AdamW(), label_smoothing=0.1, callbacks=[cosine], validation_data=test, seed=0,
        verbose=0,
    )  # fmt: skip
    assert found["history"] == history.history
    assert main([*shlex.split(found["reproduce"])[1:], "--out", "again", "--no-report"]) == 0
    assert record(place / "again")["parameters"] == found["parameters"]


def test_a_loss_of_probabilities_has_an_accuracy_and_is_evaluated(place, data, capsys):
    assert train("--data", data, "--out", "run", "--epochs", "2", "--loss", "mse", "--optimizer", "rmsprop") == 0
    found = record(place / "run")
    assert list(found["history"]) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    capsys.readouterr()
    assert main(["evaluate", "run"]) == 0
    assert (
        f"Test loss {found['test']['loss']:.4f}, test accuracy {found['test']['accuracy']:.4f}"
        in capsys.readouterr().out
    )


def test_a_run_that_goes_on_keeps_its_options(place, data, capsys):
    options = ["--momentum", "0.9", "--batch-size", "7", "--augment", "flip", "--seed", "3"]
    assert train("--data", data, "--out", "whole", "--epochs", "3", *options) == 0
    assert train("--data", data, "--out", "part", "--epochs", "1", *options) == 0
    (place / "part" / "metrics.json").unlink()  # as if it had been stopped
    assert train("--data", data, "--out", "part", "--epochs", "3", "--resume") == 0
    whole, part = (record(place / name) for name in ("whole", "part"))
    assert (part["parameters"], part["hyper_parameters"]) == (whole["parameters"], whole["hyper_parameters"])
    assert part["reproduce"] == whole["reproduce"]
    before = {path: path.read_bytes() for path in (place / "part").iterdir()}
    capsys.readouterr()
    assert train("--data", data, "--out", "part", "--resume", "--momentum", "0.5") == 1
    assert "part holds a run that was started with --momentum 0.9, now 0.5; resume it" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in (place / "part").iterdir()} == before


def test_a_schedule_that_depends_on_the_epochs_keeps_them(place, data, capsys):
    assert train("--data", data, "--out", "run", "--epochs", "2", "--schedule", "one-cycle") == 0
    assert train("--data", data, "--out", "run", "--epochs", "3", "--resume") == 1
    assert "--epochs 2, now 3 (its schedule depends on how many there are)" in capsys.readouterr().err


@pytest.mark.parametrize(
    "harm", [{"optimizer": "lamb"}, {"learning_rate": "0.1"}, {"learning_rate": -1}, {"shuffle": 3}, {"unknown": 1}]
)
def test_settings_that_are_damaged_are_told(harm, place, data, capsys):
    assert train("--data", data, "--out", "run", "--epochs", "1") == 0
    path = place / "run" / "settings.json"
    found = record(place / "run", "settings.json")
    found["hyper_parameters"].update(harm)
    path.write_text(json.dumps(found))
    capsys.readouterr()
    assert train("--data", data, "--out", "run", "--resume") == 1
    assert "settings.json is damaged" in capsys.readouterr().err


@pytest.mark.slow
def test_the_words_of_a_model_that_is_not_the_documents_do_not_name_them(place, data, capsys):
    assert main(["train", "lenet", "--data", data, "--epochs", "1", "--out", "run"]) == 0
    assert "course text" not in capsys.readouterr().out
    assert "course text" not in (place / "run" / "report.html").read_text("utf-8")


def test_a_run_measures_its_gradient_if_asked_and_is_typed_with_that_option(data, tmp_path):
    run = tmp_path / "run"
    assert train("--gradient-norm", "--epochs", "2", "--data", data, "--out", str(run)) == 0
    found = record(run)
    assert len(found["history"]["gradient_norm"]) == 2
    assert found["hyper_parameters"]["gradient_norm"] is True
    assert "--gradient-norm" in found["reproduce"]


def test_a_run_keeps_its_losses_by_step_and_a_resumed_one_has_the_same(data, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert train("--epochs", "3", "--data", data, "--out", str(whole)) == 0
    for epochs in ("1", "3"):
        more = ["--resume"] if parts.exists() else []
        assert train("--epochs", epochs, "--data", data, "--out", str(parts), *more) == 0
    found = record(parts)["by_step"]
    assert found == record(whole)["by_step"]
    assert found["step"] == list(range(1, 13))  # 100 images in batches of 32
    assert main(["report", str(parts)]) == 0
    assert (parts / "loss_by_step.png").exists()
