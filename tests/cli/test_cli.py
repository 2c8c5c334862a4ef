"""The command line: what it prints, what it leaves behind, what it refuses, and how it ends."""

import errno
import hashlib
import json
import os
import platform
import re
import shlex
import signal
import subprocess
import sys

import numpy as np
import pytest

import tinynet as tn
from tinynet.cli import main
from tinynet.cli.record import as_json
from tinynet.fast import threads
from tinynet.saving import files, places

RUN_FILES = {"metrics.json", "best.safetensors", "last.safetensors", "settings.json"}


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """An empty directory to work in; and the number of threads is put back."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(threads._gate, "threads", threads._gate.threads)
    return tmp_path


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A part of the sample, small enough to be trained on in no time."""
    (x_train, y_train), (x_test, y_test) = tn.datasets.mnist("sample")
    path = tmp_path_factory.mktemp("data") / "mnist.npz"
    np.savez(path, x_train=x_train[:200], y_train=y_train[:200], x_test=x_test[:50], y_test=y_test[:50])
    return str(path)


def train(*arguments, model="softmax"):
    return main(["train", model, "--epochs", "1", "--no-report", *arguments])


def metrics(directory):
    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    return json.loads((directory / "metrics.json").read_text("utf-8"), parse_constant=refuse)


def failure(capsys):
    """What was said on stderr, without the prefix that every error has."""
    err = capsys.readouterr().err
    assert err.startswith("tinynet: error: ")
    assert err.count("\n") == 1
    return err.removeprefix("tinynet: error: ").rstrip("\n")


# --- a run


def test_a_validation_split_picks_the_model_and_the_test_set_is_used_once(place, data, capsys):
    """Which model it is does not depend on the test set at all."""
    with np.load(data) as arrays:
        np.savez("other.npz", **{**arrays, "y_test": arrays["y_test"][::-1]})
    for source, out in ((data, "a"), ("other.npz", "b")):
        options = ["--epochs", "3", "--validation-split", "0.25", "--no-report", "--out", out]
        assert main(["train", "softmax", "--data", source, *options]) == 0
        said = capsys.readouterr().out
        assert (
            "validated on 25 % of the training images, which are kept apart; the test images are used once, at" in said
        )
        assert re.search(
            r"\nThe least validation loss was that of epoch \d of 3, whose model is tested here\nTest", said
        )
    one, other = metrics(place / "a"), metrics(place / "b")
    assert one["parameters"]["sha256"] == other["parameters"]["sha256"]
    assert one["hyper_parameters"]["validation_split"] == 0.25
    assert "--validation-split 0.25" in one["reproduce"]
    assert one["test"] != other["test"]


def test_a_run_without_a_validation_split_says_that_the_test_set_picks_the_model(data, capsys):
    assert train("--data", data) == 0
    said = capsys.readouterr().out
    assert ", validated on the test set, as in the course texts\n" in said
    assert "The test set itself has picked it, as in the course texts; --validation-split keeps training images" in said


def test_a_run_leaves_its_metrics_and_its_model(place, data, capsys):
    arguments = [
        "train",
        "softmax",
        "--data",
        data,
        "--epochs",
        "3",
        "--batch-size",
        "16",
        "--lr",
        "0.1",
        "--seed",
        "4",
    ]
    arguments.append("--no-report")
    assert main(arguments) == 0
    directory = place / "runs" / "softmax"
    assert {path.name for path in directory.iterdir()} == RUN_FILES
    record = metrics(directory)
    assert record["model"] == "softmax"
    assert (record["parameters"]["count"], record["parameters"]["dtype"]) == (7850, "float32")
    assert record["hyper_parameters"] == {
        "loss": "cross_entropy",
        "optimizer": "SGD",
        "learning_rate": 0.1,
        "batch_size": 16,
        "epochs": 3,
        "shuffle": True,
    }
    assert record["seed"] == 4
    loaded = tn.datasets.load_mnist(data)
    assert record["data"]["source"] == loaded.source
    assert record["data"]["origin"] == data
    assert record["data"]["sha256"] == loaded.digest()
    assert record["data"]["arrays"]["x_test"] == {"shape": [50, 28, 28], "dtype": "uint8", "min": 0, "max": 255}
    assert (record["data"]["training_samples"], record["data"]["test_samples"]) == (200, 50)
    assert list(record["history"]) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    assert [len(values) for values in record["history"].values()] == [3] * 4
    assert len(record["seconds"]["by_epoch"]) == 3
    assert record["seconds"]["total"] >= sum(record["seconds"]["by_epoch"])
    assert set(record["versions"]) == {"tinynet", "python", "numpy", "numba", "scipy"}
    assert record["versions"]["python"] == platform.python_version()
    assert record["versions"]["tinynet"] == tn.__version__
    assert record["machine"]["cpus"] == os.cpu_count()
    assert record["machine"]["threads"] == tn.get_num_threads()
    assert record["command"] == shlex.join(["tinynet", *arguments])
    assert record["reproduce"] == (
        f"tinynet train softmax --dataset mnist --data {data} --epochs 3 --batch-size 16 --loss cross_entropy "
        "--optimizer SGD --learning-rate 0.1 --seed 4"
    )
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", record["finished"])

    model = tn.load(directory / "best.safetensors")
    assert record["parameters"]["sha256"] == hashlib.sha256(model.theta.tobytes()).hexdigest()
    _, test = tn.datasets.mnist(data)
    assert record["test"] == model.evaluate(*test)
    assert record["test"]["loss"] == record["history"]["val_loss"][-1]
    recalls = [np.mean(model.predict(test[0]).argmax(axis=1)[test[1] == k] == k) for k in range(10)]
    assert record["scores"]["recall"] == pytest.approx(recalls)
    assert record["scores"]["support"] == np.bincount(test[1]).tolist()
    out, err = capsys.readouterr()
    assert err == ""
    assert f"Test loss {record['test']['loss']:.4f}, test accuracy {record['test']['accuracy']:.4f}\n" in out


def test_a_run_says_what_it_does(data, capsys):
    assert train("--data", data, model="dense") == 0
    out = capsys.readouterr().out
    source = tn.datasets.load_mnist(data).source
    assert out.startswith(
        "Training the dense network (dense) on MNIST\n"
        f"Data: {source}\n"
        "  x_train  (200, 28, 28)    uint8, from 0 to 255\n"
        "  y_train  (200,)           uint8, from 0 to 9\n"
        "  x_test   (50, 28, 28)     uint8, from 0 to 255\n"
        "  y_test   (50,)            uint8, from 0 to 9\n"
        "200 training samples, 50 test samples\n"
        "One-hot labels have shapes (200, 10) and (50, 10)\n"
        "\n"
        "Model: 'dense'\n"
    )
    assert "Total parameters: 109,386 (427.3 KiB in float32)" in out
    assert "SGD, learning rate 0.01, batch size 32, epochs 1, validated on the test set" in out
    assert re.search(r"^Epoch 1/1  7 batches .* val_accuracy \d\.\d{4}$", out, re.MULTILINE)
    assert out.endswith("Run directory: runs/dense (metrics.json, best.safetensors, last.safetensors)\n")


def test_the_sample_takes_more_epochs_and_says_so(capsys):
    assert main(["train", "softmax", "--data", "sample", "--no-report"]) == 0
    out = capsys.readouterr().out
    assert "The embedded sample holds 4,000 images, so the run makes 30 epochs instead of 10.\n" in out
    assert "\nEpoch 30/30 " in out
    accuracy = float(re.search(r"test accuracy (\d\.\d+)\n", out)[1])
    assert accuracy > 0.87


def test_a_small_set_of_the_users_takes_more_epochs_too(data, capsys):
    assert main(["train", "softmax", "--data", data, "--no-report"]) == 0
    assert "The training set holds 200 images, so the run makes 30 epochs instead of 10.\n" in capsys.readouterr().out
    assert train("--data", data) == 0
    assert "instead of" not in capsys.readouterr().out


def test_the_seed_decides_every_bit(place, data):
    for out, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert train("--data", data, "--out", out, "--seed", seed) == 0
    a, b, c = (tn.load(place / out / "best.safetensors").theta for out in "abc")
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()


def test_threads_are_set(data):
    assert train("--data", data, "--threads", "1") == 0
    assert tn.get_num_threads() == 1


# --- the run directory


def test_runs_without_a_name_are_numbered(place, data, capsys):
    for name in ("softmax", "softmax-2", "softmax-3"):
        assert train("--data", data) == 0
        assert f"Run directory: runs/{name} (" in capsys.readouterr().out
        assert metrics(place / "runs" / name)["model"] == "softmax"


def test_numbering_steps_around_whatever_is_there(place, data):
    (place / "runs" / "softmax").mkdir(parents=True)  # such as of a run that goes on at this moment
    (place / "runs" / "softmax-2").write_text("notes")
    assert train("--data", data) == 0
    assert not list((place / "runs" / "softmax").iterdir())
    assert (place / "runs" / "softmax-3" / "metrics.json").exists()


def test_a_run_is_never_replaced_without_force(place, data, capsys, monkeypatch):
    assert train("--data", data, "--out", "mine") == 0
    before = {path: path.read_bytes() for path in (place / "mine").iterdir()}
    capsys.readouterr()
    with monkeypatch.context() as patched:
        patched.setattr(tn.datasets, "load", lambda *_: pytest.fail("refused only after the data was read"))
        assert train("--data", data, "--out", "mine", "--seed", "1") == 1
    assert failure(capsys) == (
        "mine holds a run already (metrics.json, best.safetensors, last.safetensors); choose another directory with "
        "--out, pass --resume to go on with it or --force to replace it"
    )
    assert {path: path.read_bytes() for path in (place / "mine").iterdir()} == before
    assert train("--data", data, "--out", "mine", "--seed", "1", "--force") == 0
    assert metrics(place / "mine")["seed"] == 1
    assert {path.name for path in (place / "mine").iterdir()} == RUN_FILES


def test_a_run_that_is_resumed_ends_in_the_same_bits(place, data, capsys):
    assert train("--data", data, "--out", "whole", "--epochs", "3") == 0
    assert train("--data", data, "--out", "part", "--epochs", "1", "--resume") == 0  # there is none yet: it starts
    assert "Going on" not in capsys.readouterr().out
    assert train("--data", data, "--out", "part", "--epochs", "3", "--resume") == 0
    assert "Going on with the run in part\nEpoch 2/3" in capsys.readouterr().out
    assert (
        train("--data", data, "--out", "part", "--epochs", "3", "--resume") == 0
    )  # it is complete: it is tested again
    assert "Epoch" not in capsys.readouterr().out.split("Going on")[1].split("The least")[0]
    for name in ("best", "last"):
        thetas = [tn.load(place / run / f"{name}.safetensors").theta for run in ("whole", "part")]
        np.testing.assert_array_equal(*thetas)
    whole, part = metrics(place / "whole"), metrics(place / "part")
    for name in ("history", "test", "scores", "best_epoch"):
        assert part[name] == whole[name]


def test_a_run_is_resumed_with_what_it_was_started_with_only(place, data, capsys):
    assert train("--data", data, "--out", "mine", "--epochs", "1") == 0
    capsys.readouterr()
    begun = f"tinynet train softmax --epochs 1 --no-report --data {data} --out mine --epochs 1"
    digests = [tn.datasets.load_mnist(source).digest()[:20] for source in (data, "sample")]
    for options, told in (
        (["--lr", "7"], "--learning-rate 0.01, now 7.0"),
        (["--seed", "7"], "--seed 0, now 7"),
        (["--batch-size", "7"], "--batch-size 32, now 7"),
        (["--lr", "7", "--batch-size", "7", "--epochs", "3"], "--batch-size 32, now 7; --learning-rate 0.01, now 7.0"),
        (["--data", "sample"], f"--data of SHA-256 {digests[0]}, now {digests[1]}"),
    ):
        assert train("--data", data, "--out", "mine", "--resume", *options) == 1
        assert failure(capsys) == (
            f"mine holds a run that was started with {told}; resume it with the same, or choose another directory with "
            f"--out. Its last command was: {begun}"
        )
    assert train("--data", data, "--out", "mine", "--resume", model="dense") == 1
    assert "was started with model softmax, now dense; resume" in failure(capsys)
    assert train("--data", data, "--resume", "--force") == 2


def test_a_run_that_was_stopped_is_resumed_with_what_it_was_started_with_only(place, data, capsys):
    assert train("--data", data, "--out", "mine") == 0
    (place / "mine" / "metrics.json").unlink()
    capsys.readouterr()
    assert train("--data", data, "--out", "mine", "--resume", "--batch-size", "7") == 1
    assert "mine holds a run that was started with --batch-size 32, now 7; resume it" in failure(capsys)
    (place / "mine" / "settings.json").unlink()  # as of version 0.1
    assert train("--data", data, "--out", "mine", "--resume", "--batch-size", "7") == 1
    assert re.match("mine/last.safetensors: the run was started with .*batch_size 32, now 7", failure(capsys))


def test_a_checkpoint_that_is_damaged_is_no_matter_of_options(place, data, capsys):
    assert train("--data", data, "--out", "mine") == 0
    path = place / "mine" / "last.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    capsys.readouterr()
    assert train("--data", data, "--out", "mine", "--resume") == 1
    assert failure(capsys).startswith("mine/last.safetensors ")


def test_where_nothing_is_left_to_train_it_is_said(place, data, capsys):
    assert train("--data", data, "--out", "mine", "--epochs", "3") == 0
    assert "nothing left" not in capsys.readouterr().out
    for epochs in ("3", "2"):
        assert train("--data", data, "--out", "mine", "--epochs", epochs, "--resume") == 0
        assert "There is nothing left to train: the run has made 3 epochs already\n" in capsys.readouterr().out
    assert train("--data", data, "--out", "mine", "--epochs", "4", "--resume") == 0
    assert "nothing left" not in capsys.readouterr().out


def test_a_finished_run_whose_best_model_is_gone_says_what_to_do(place, data, capsys):
    assert train("--data", data, "--out", "mine") == 0
    (place / "mine" / "best.safetensors").unlink()
    capsys.readouterr()
    assert train("--data", data, "--out", "mine", "--resume") == 1
    assert failure(capsys) == (
        "mine/best.safetensors, with the model of the best epoch, is gone, and mine/last.safetensors has only that of "
        "the last one; restore it from a copy, or train again with --force in place of --resume"
    )


@pytest.mark.parametrize("model", ["softmax", "logistic"])
def test_a_run_that_has_lost_its_last_checkpoint_is_not_begun_anew(model, place, data, capsys, monkeypatch):
    assert train("--data", data, "--out", "mine", model=model) == 0
    (place / "mine" / "last.safetensors").unlink()
    before = {path: path.read_bytes() for path in (place / "mine").iterdir()}
    capsys.readouterr()
    with monkeypatch.context() as patched:
        patched.setattr(tn.datasets, "load", lambda *_: pytest.fail("refused only after the data was read"))
        assert train("--data", data, "--out", "mine", "--resume", model=model) == 1
    held = ", ".join(sorted((path.name for path in before if path.name != "settings.json"), reverse=True))
    assert failure(capsys) == (
        f"mine holds a run ({held}), but not last.safetensors, from which it would go on; restore that from a copy, "
        "choose another directory with --out, or train again with --force in place of --resume"
    )
    assert {path: path.read_bytes() for path in (place / "mine").iterdir()} == before
    assert train("--data", data, "--out", "mine", "--force", model=model) == 0


@pytest.mark.parametrize("model", ["softmax", "logistic"])
@pytest.mark.parametrize("name", ["metrics.json", "best.safetensors", "report.html"])
def test_files_that_are_none_of_a_run_are_not_gone_on_with(name, model, place, data, capsys):
    (place / "mine").mkdir()
    (place / "mine" / name).write_text("precious")
    assert train("--data", data, "--out", "mine", "--resume", model=model) == 1
    assert name in failure(capsys)
    assert [(path.name, path.read_text()) for path in (place / "mine").iterdir()] == [(name, "precious")]


def test_a_run_that_was_stopped_between_its_two_checkpoints_goes_on_from_the_first(place, data, capsys, monkeypatch):
    class Killed(BaseException):
        """As by a signal that nothing catches."""

    replace = files.os.replace

    def kill(source, target):
        if str(target).endswith("last.safetensors"):
            raise Killed
        replace(source, target)

    assert train("--data", data, "--out", "whole", "--epochs", "3") == 0
    with monkeypatch.context() as patched:
        patched.setattr(files.os, "replace", kill)
        with pytest.raises(Killed):
            train("--data", data, "--out", "part", "--epochs", "3")
    assert {path.name for path in (place / "part").iterdir()} == {"best.safetensors", "settings.json"}
    capsys.readouterr()
    assert train("--data", data, "--out", "part", "--epochs", "3", "--resume") == 0
    assert "Going on with the run in part\nEpoch 2/3" in capsys.readouterr().out
    assert metrics(place / "part")["history"] == metrics(place / "whole")["history"]
    for name in ("best", "last"):
        np.testing.assert_array_equal(*(tn.load(place / d / f"{name}.safetensors").theta for d in ("whole", "part")))


@pytest.mark.parametrize("name", ["report.html", "confusion.png", "step_size.pdf"])
def test_a_file_of_the_users_that_a_run_would_replace_is_kept(name, place, data, capsys):
    (place / "mine").mkdir()
    (place / "mine" / name).write_text("precious")
    assert train("--data", data, "--out", "mine") == 1
    assert failure(capsys) == (
        f"mine holds {name}, which a run would replace; choose another directory with --out, or pass --force to "
        "replace what is there"
    )
    assert (place / "mine" / name).read_text() == "precious"
    assert train("--data", data, "--out", "mine", "--force") == 0


@pytest.mark.parametrize("options", [[], ["--force"], ["--resume"]])
def test_a_run_takes_no_directory_of_an_experiment(options, place, data, capsys):
    (place / "mine").mkdir()
    (place / "mine" / "experiment.json").write_text("precious")
    assert train("--data", data, "--out", "mine", *options) == 1
    assert failure(capsys) == (
        "mine holds an experiment (experiment.json), and so is no place for a run; choose another directory with --out"
    )
    assert [path.name for path in (place / "mine").iterdir()] == ["experiment.json"]


def test_a_run_that_is_replaced_leaves_none_of_its_files(place, data, capsys):
    (place / "mine").mkdir()
    mine = place / "mine"
    for name in ("notes.txt", "mine.png", "report.txt"):
        (mine / name).write_text("precious")
    arguments = ["--data", data, "--epochs", "1", "--out", "mine"]
    assert main(["train", "softmax", *arguments]) == 0
    drawn = {path.name for path in mine.iterdir() if path.suffix in {".png", ".txt", ".html"}}
    assert len(drawn) == 3 + 16
    assert main(["train", "logistic", *arguments, "--force"]) == 0
    curves = {"training_loss.pdf", "test_loss.pdf", "test_error.pdf", "step_size.pdf"}
    kept = {"notes.txt", "mine.png", "report.txt"}
    left = {path.name for path in mine.iterdir()}
    assert left >= {"metrics.json", "last.safetensors", "report.html"} | curves | kept
    assert train("--data", data, "--out", "mine", "--force") == 0
    assert {path.name for path in mine.iterdir()} == RUN_FILES | kept


@pytest.mark.parametrize("model", ["softmax", "logistic"])
def test_a_replacement_that_was_stopped_early_takes_nothing_of_the_run_before(model, place, data, capsys, monkeypatch):
    arguments = ["train", model, "--data", data, "--out", "mine", "--epochs", "1", "--no-report"]
    assert main(arguments) == 0

    def stopped(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(tn.Model, "fit", stopped)
        assert main([*arguments, "--force"]) == 130
    assert capsys.readouterr().err == "\ntinynet: stopped; nothing was saved\n"
    assert main([*arguments, "--resume"]) == 0
    assert "Going on" not in capsys.readouterr().out


def test_a_replacement_whose_data_cannot_be_read_leaves_the_run_that_was_there(place, data):
    assert train("--data", data, "--out", "mine") == 0
    before = {path: path.read_bytes() for path in (place / "mine").iterdir()}
    for model in ("softmax", "logistic"):
        assert train("--data", "nowhere", "--out", "mine", "--force", model=model) == 1
    assert {path: path.read_bytes() for path in (place / "mine").iterdir()} == before


def test_who_stops_a_replacement_is_told_to_go_on_without_force(place, data, capsys, monkeypatch):
    fit = tn.Model.fit

    def stopped(*arguments, callbacks, **options):
        press = lambda run: run.epoch == 1 and signal.raise_signal(signal.SIGINT)  # noqa: E731
        return fit(*arguments, callbacks=[press, *callbacks], **options)

    assert train("--data", data, "--out", "mine") == 0
    monkeypatch.setattr(tn.Model, "fit", stopped)
    assert train("--data", data, "--out", "mine", "--epochs", "3", "--force") == 130
    assert capsys.readouterr().err.endswith(
        "stopped; the same command without --force, with --out mine --resume goes on from here\n"
    )


def test_resume_goes_on_with_the_run_of_that_model_by_default(place, data):
    assert train("--data", data, "--resume") == 0
    assert train("--data", data, "--resume") == 0
    assert [path.name for path in (place / "runs").iterdir()] == ["softmax"]


def test_ctrl_c_keeps_the_run_and_says_how_to_go_on(place, data, capsys, monkeypatch):
    fit = tn.Model.fit

    def stopped(*arguments, callbacks, **options):
        press = lambda run: run.epoch == 2 and signal.raise_signal(signal.SIGINT)  # noqa: E731
        return fit(*arguments, callbacks=[press, *callbacks], **options)

    assert train("--data", data, "--out", "whole", "--epochs", "4") == 0
    monkeypatch.setattr(tn.Model, "fit", stopped)
    assert train("--data", data, "--out", "a b", "--epochs", "4") == 130
    monkeypatch.undo()
    monkeypatch.chdir(place)
    assert capsys.readouterr().err.endswith("stopped; the same command with --out 'a b' --resume goes on from here\n")
    assert train("--data", data, "--out", "a b", "--epochs", "4", "--resume") == 0
    np.testing.assert_array_equal(*(tn.load(place / d / "last.safetensors").theta for d in ("whole", "a b")))


@pytest.mark.parametrize("name", ["best.safetensors", "last.safetensors", "metrics.json"])
def test_half_a_run_is_a_run(name, place, data, capsys):
    (place / "mine").mkdir()
    (place / "mine" / name).touch()
    assert train("--data", data, "--out", "mine") == 1
    assert failure(capsys).startswith(f"mine holds a run already ({name});")


def test_other_files_in_a_named_directory_are_left_alone(place, data):
    (place / "a" / "b").mkdir(parents=True)
    (place / "a" / "b" / "notes").write_text("keep")
    assert train("--data", data, "--out", "a/b") == 0
    assert {path.name for path in (place / "a" / "b").iterdir()} == RUN_FILES | {"notes"}
    assert (place / "a" / "b" / "notes").read_text() == "keep"


@pytest.mark.parametrize("out", ["file", "file/deeper", None])
def test_a_file_in_the_way_is_told_before_anything_is_computed(out, place, data, capsys, monkeypatch):
    (place / "file").touch()
    (place / "runs").touch()
    monkeypatch.setattr(tn.datasets, "load", lambda *_: pytest.fail("refused only after the data was read"))
    assert train("--data", data, *(["--out", out] if out else [])) == 1
    message = failure(capsys)
    assert re.fullmatch(
        rf"the run directory {out or 'runs/softmax'} cannot be made or written to \((File exists|Not a directory)\); "
        "choose another one with --out",
        message,
    ), message


def test_a_place_where_nothing_can_be_written_is_told_before_anything_is_computed(place, data, capsys, monkeypatch):
    def read_only(**_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(places.tempfile, "TemporaryFile", read_only)
    monkeypatch.setattr(tn.datasets, "load", lambda *_: pytest.fail("refused only after the data was read"))
    assert train("--data", data, "--out", "mine") == 1
    assert failure(capsys) == (
        "the run directory mine cannot be made or written to (Read-only file system); choose another one with --out"
    )


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_a_full_disk_is_told_and_leaves_no_part_of_a_file(function, place, data, capsys, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, function, full)
    assert train("--data", data) == 1
    monkeypatch.undo()
    assert re.match(
        r"could not write runs/softmax/settings\.json: No space left on device; nothing was changed\. Check that",
        failure(capsys),
    )
    assert not list((place / "runs").iterdir())


def test_a_full_disk_leaves_the_run_that_was_there(place, data, capsys, monkeypatch):
    assert train("--data", data, "--out", str(place / "mine")) == 0
    before = {path: path.read_bytes() for path in (place / "mine").iterdir()}

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    assert train("--data", data, "--out", str(place / "mine"), "--resume", "--epochs", "2") == 1
    monkeypatch.undo()
    assert {path: path.read_bytes() for path in (place / "mine").iterdir()} == before


# --- errors and interruptions


def test_without_arguments_the_command_shows_what_there_is(capsys):
    assert main([]) == 0
    said = capsys.readouterr().out
    assert "train a model on MNIST, another dataset or images of yours" in said
    assert '"tinynet <command> --help" says more about each.' in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fly"], r"argument command: invalid choice: 'fly' \(choose from '?train'?.*\)"),
        (["train"], "the following arguments are required: model"),
        (
            ["train", "rnn"],
            r"argument model: must be one of softmax, dense, .*, or name a function in a Python file, .* but got 'rnn'",
        ),
        (["train", "cnn", "--epochs", "0"], "argument --epochs: must be a whole number of 1 or more, but got '0'"),
        (["train", "cnn", "--epochs", "-3"], "argument --epochs: must be a whole number of 1 or more, but got '-3'"),
        (["train", "cnn", "--epochs", "ten"], "argument --epochs: must be a whole number of 1 or more, but got 'ten'"),
        (["train", "cnn", "--batch-size", "2.5"], "--batch-size: must be a whole number of 1 or more, but got '2.5'"),
        (["train", "cnn", "--lr", "0"], "argument --learning-rate/--lr: must be a finite number above 0, but got '0'"),
        (
            ["train", "cnn", "--lr", "inf"],
            "argument --learning-rate/--lr: must be a finite number above 0, but got 'inf'",
        ),
        (
            ["train", "cnn", "--lr", "nan"],
            "argument --learning-rate/--lr: must be a finite number above 0, but got 'nan'",
        ),
        (
            ["train", "cnn", "--lr", "fast"],
            "argument --learning-rate/--lr: must be a finite number above 0, but got 'fast'",
        ),
        (["train", "cnn", "--seed", "-1"], "argument --seed: must be a whole number of 0 or more, but got '-1'"),
        (["train", "cnn", "--threads", "0"], "argument --threads: must be a whole number of 1 or more, but got '0'"),
        (["train", "cnn", "--epoch", "3"], "unrecognized arguments: --epoch 3"),
        (["train", "cnn", "--out"], "argument --out: expected one argument"),
        (["train", "cnn", "--out", ""], "argument --out: must be a directory, but got ''; give . for the current one"),
        (["experiment", "dense", "--out", ""], "argument --out: must be a directory, but got ''"),
    ],
)
def test_wrong_arguments_end_with_2(arguments, message, place, capsys):
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith("usage: tinynet")
    assert re.search(message, err.splitlines()[-1])
    assert not list(place.iterdir())


def test_a_source_that_does_not_exist_ends_with_1(place, capsys):
    assert train("--data", "nowhere") == 1
    assert failure(capsys).startswith("source='nowhere' is neither 'auto', 'full' or 'sample' nor a path that exists.")
    assert not list((place / "runs").iterdir())


def test_an_error_is_one_paragraph(place, capsys, monkeypatch):
    monkeypatch.setenv("TINYNET_DATA", "nowhere")
    assert train("--data", "full") == 1
    assert "TINYNET_DATA=nowhere cannot be used. It does not exist." in failure(capsys)


def test_more_threads_than_there_are_end_with_1(data, capsys):
    assert train("--data", data, "--threads", "100000") == 1
    assert failure(capsys).startswith("the number of threads must be an integer from 1 to ")


def test_a_learning_rate_that_blows_up_ends_with_1(place, data, capsys):
    assert main(["train", "dense", "--data", data, "--lr", "1e30", "--epochs", "2"]) == 1
    assert re.match(
        r"the loss became (nan|inf) in epoch 1, batch \d.*smaller learning rate \(now 1e\+", failure(capsys)
    )
    assert not list((place / "runs").iterdir())


def test_stopping_ends_with_130_and_leaves_nothing(place, data, capsys, monkeypatch):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(tn.Sequential, "fit", stopped)
    assert train("--data", data) == 130
    assert capsys.readouterr().err == "\ntinynet: stopped; nothing was saved\n"
    assert not list((place / "runs").iterdir())


def test_numbers_that_json_has_no_words_for_become_null():
    record = {"a": [1.5, float("nan"), {"b": float("-inf")}], "c": "nan", "d": 3, "e": None, "f": True}
    written = {"a": [1.5, None, {"b": None}], "c": "nan", "d": 3, "e": None, "f": True}
    assert json.loads(as_json(record)) == written


# --- help


def test_help_shows_the_options_their_defaults_and_examples(capsys):
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert "train a model on MNIST" in out
    assert "\n  tinynet train cnn " in out
    assert main(["train", "--help"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    for option, default in {
        "--data": "auto",
        "--epochs": "10 on the full set, 12 for resnet, more on a small one",
        "--batch-size": "32",
        "--learning-rate": "0.01",
        "--seed": "0",
        "--l2": "0",
        "--threads": "all cores",
        "--out": "runs/<model>, or",
        "--force": "refuse",
    }.items():
        # Python 3.13 and later name an alias before the value.
        assert re.search(rf" {option}[ ,].*?\(default: {default}", out), option


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"tinynet {tn.__version__}\n"


# --- in a process of its own


def start(*arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "tinynet", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def test_python_m_tinynet_is_the_command():
    process = start("--version")
    assert process.communicate() == (f"tinynet {tn.__version__}\n", "")
    assert process.returncode == 0
    process = start("train", "rnn")
    assert "usage: tinynet train" in process.communicate()[1]
    assert process.returncode == 2


def test_ctrl_c_ends_in_one_line(data, place):
    process = start("train", "softmax", "--data", data, "--epochs", "1000000")
    while not process.stdout.readline().startswith("Epoch"):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert err == (
        "\ntinynet: stopping after this batch; press Ctrl-C again to stop at once\n"
        "\ntinynet: stopped; the same command with --out runs/softmax --resume goes on from here\n"
    )
    assert process.returncode == 130
    left = {path.name for path in (place / "runs" / "softmax").iterdir()}
    assert left == RUN_FILES - {"metrics.json"}
    assert tn.load(place / "runs" / "softmax" / "last.safetensors").theta.any()


def test_a_reader_that_goes_away_is_no_traceback(data):
    process = start("train", "softmax", "--data", data, "--epochs", "200")
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(timeout=60) == 1
    process.stderr.close()


# --- is it a 5?


def logistic(*arguments, data):
    return main(["train", "logistic", "--epochs", "3", "--data", data, "--out", "run", *arguments])


def test_a_logistic_run_is_resumed(place, data, capsys):
    assert logistic("--epochs", "2", "--no-report", data=data) == 0
    assert logistic("--resume", data=data) == 0
    assert "Going on with the run in run" in capsys.readouterr().out
    resumed = metrics(place / "run")
    assert logistic("--force", "--no-report", data=data) == 0
    assert metrics(place / "run")["history"] == resumed["history"]
    assert len(resumed["history"]["loss"]) == 3


def test_a_logistic_run_that_is_resumed_tells_of_all_its_steps(place, data, capsys):
    assert logistic("--epochs", "2", "--no-report", data=data) == 0
    capsys.readouterr()
    assert logistic("--epochs", "1", "--no-report", "--resume", data=data) == 0  # it is complete: none is made
    found = metrics(place / "run")
    seconds = found["seconds"]["by_step"]
    assert found["hyper_parameters"]["steps"] == len(seconds) == 2
    assert found["seconds"]["total"] == sum(seconds)
    told = f"2 steps in {sum(seconds):.2f} s, {1e3 * np.median(seconds):.1f} ms a step with its test\n"
    assert told in capsys.readouterr().out


def test_a_logistic_run_is_resumed_with_what_it_was_started_with_only(data, capsys):
    assert logistic("--no-report", data=data) == 0
    capsys.readouterr()
    for options, told in ((["--l2", "0.5"], "--l2 0.0, now 0.5;"), (["--intercept"], "--intercept False, now True;")):
        assert logistic("--no-report", "--resume", *options, data=data) == 1
        assert f"run holds a run that was started with {told} resume it with the same" in failure(capsys)


@pytest.mark.parametrize(("digit", "what"), [(3, "no 5"), (5, "nothing but 5")])
def test_images_of_one_class_are_refused_and_cost_no_run(digit, what, place, data, capsys):
    assert logistic("--no-report", data=data) == 0
    before = {path: path.read_bytes() for path in (place / "run").iterdir()}
    found = tn.datasets.load_mnist(data)
    np.savez("one.npz", x_train=found.x_train, y_train=np.full_like(found.y_train, digit), x_test=found.x_test,
             y_test=found.y_test)  # fmt: skip
    capsys.readouterr()
    assert logistic("--force", data="one.npz") == 1
    assert re.match(
        rf"logistic tells 5 from the other digits, but the 200 training images of .*one\.npz\) hold {what}; name data",
        failure(capsys),
    )
    assert {path: path.read_bytes() for path in (place / "run").iterdir()} == before


def test_without_a_network_the_option_for_the_sample_is_named(place, capsys, monkeypatch):
    monkeypatch.delenv("TINYNET_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(place / "cache"))
    monkeypatch.setenv("TINYNET_OFFLINE", "1")
    assert train("--data", "full") == 1
    assert "source='sample' in Python, --data sample on the command line" in failure(capsys)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("evaluate", "the directory of a finished run, such as runs/cnn"),
        ("predict", "a finished run, such as runs/cnn, or an ONNX file"),
        ("report", "the directory of a finished run, such as runs/cnn"),
    ],
)
def test_help_says_which_runs_a_command_takes(name, what, capsys):
    assert main([name, "--help"]) == 0
    assert what in " ".join(capsys.readouterr().out.split())


def test_one_step_is_no_steps(data, capsys):
    assert logistic("--epochs", "1", "--no-report", data=data) == 0
    out = capsys.readouterr().out
    assert "Gradient descent on all images, 1 step, L2 0" in out
    assert "\n1 step in " in out
    assert logistic("--epochs", "1", "--no-report", "--resume", data=data) == 0
    assert "There is nothing left to train: the run has made 1 step already\n" in capsys.readouterr().out


def test_a_logistic_run_without_a_report_draws_no_curves(place, data, capsys):
    assert logistic("--no-report", data=data) == 0
    assert {p.name for p in (place / "run").iterdir()} == {"metrics.json", "last.safetensors"}
    assert capsys.readouterr().out.endswith("Run directory: run (metrics.json, last.safetensors)\n")


def test_a_logistic_run_leaves_its_history_by_step_and_four_curves(place, data, capsys):
    assert logistic(data=data) == 0
    curves = {f"{name}.{ending}" for name in ("training_loss", "test_loss", "test_error", "step_size")
              for ending in ("pdf", "png")}  # fmt: skip
    assert {p.name for p in (place / "run").iterdir()} >= {"metrics.json", "last.safetensors", "report.html"} | curves
    page = (place / "run" / "report.html").read_text("utf-8")
    assert "<h1>Is it 5? Logistic regression on MNIST</h1>" in page
    found = metrics(place / "run")
    assert found["class"] == "5"
    assert f"<dd>{found['test']['error']:.4f}</dd>" in page
    assert {"loss", "val_loss", "val_error", "step_size", "trials"} <= set(found["history"])
    assert {len(values) for values in found["history"].values()} == {3}
    assert found["hyper_parameters"]["line_search"] == {"alpha": 0.01, "beta": 0.5, "initial_step": 1.0}
    model = tn.load(place / "run" / "last.safetensors")
    (x, y), (x_test, y_test) = tn.datasets.mnist(data)
    measured = model.evaluate(x_test, y_test == 5, loss="binary_cross_entropy")
    assert abs(found["test"]["loss"] - measured["loss"]) < 1e-12
    assert abs(found["test"]["error"] - (1 - measured["accuracy"])) < 1e-12
    assert abs(found["history"]["loss"][-1] - model.evaluate(x, y == 5, loss="binary_cross_entropy")["loss"]) < 1e-12
    out = capsys.readouterr().out
    assert f"Final training loss {found['history']['loss'][-1]:.12f}" in out
    assert re.search(r"3 steps in \d+\.\d\d s", out)
    assert f"test error {found['test']['error']:.4f}" in out
    for name in ("training_loss", "test_loss", "test_error", "step_size"):
        assert (place / "run" / f"{name}.pdf").read_bytes().startswith(b"%PDF")


def test_an_intercept_and_a_penalty_are_options(place, data):
    assert logistic("--intercept", "--l2", "0.5", data=data) == 0
    found = metrics(place / "run")
    assert found["parameters"]["count"] == 785
    assert (found["hyper_parameters"]["l2"], found["hyper_parameters"]["intercept"]) == (0.5, True)


@pytest.mark.parametrize(
    ("model", "options", "says"),
    [
        ("logistic", ["--lr", "0.1"], "--learning-rate"),
        ("logistic", ["--batch-size", "8"], "--batch-size"),
        ("logistic", ["--seed", "0"], "--seed"),
        ("logistic", ["--seed", "7"], "--seed"),
        ("softmax", ["--intercept"], "--intercept"),
        ("softmax", ["--l2", "0"], "--l2"),
    ],
)
def test_options_that_do_not_go_with_the_model_are_refused(model, options, says, place, data, capsys):
    assert main(["train", model, "--data", data, *options]) == 1
    assert says in failure(capsys)
    assert not list(place.iterdir())


def test_a_penalty_below_0_is_no_number_for_it(data):
    assert logistic("--l2", "-1", data=data) == 2
